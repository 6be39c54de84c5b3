"""What a function needs: `requires_user` above it, a `User` inside it, and errors to raise.

To follow one request, start at requires_user.py; docs/how-it-works.md goes along.

The layer rule: a module imports only what stands behind its arrow. tests/shared/test_layers.py holds the code to it.

    answer, errors, expiring_lru, operator_notes, strict_json, certificate, deadline ← nothing of ours
    downstream_path, outgoing, redis_scripts, sealed, store, worker_trace, address ← nothing of ours
    http_verbs ← outgoing
    punctual_connection ← deadline
    retries ← deadline
    punctual_http ← punctual_connection
    transport ← answer, deadline, punctual_http
    single_flight ← deadline, errors
    circuit ← errors
    request_record ← errors
    claims_challenge ← answer, strict_json
    jws_header ← errors, strict_json
    key_set ← errors, jws_header
    redis_connection ← deadline, errors, single_flight
    http_request ← errors, strict_json
    sendable ← answer, errors
    http_reply ← answer, errors, sendable
    environ ← address
    credential_settings ← environ
    web_settings ← environ
    settings ← credential_settings, environ, errors, web_settings
    metadata ← address, answer, deadline, key_set, transport
    access_token ← errors, jws_header, key_set, settings
    key_vault ← certificate, credential_settings, punctual_http
    client_credential ← answer, certificate, credential_settings, errors, key_vault
    entra_errors ← claims_challenge, errors, settings
    credential_loader ← circuit, client_credential, credential_settings, deadline, errors, single_flight
    redis_credentials ← errors, key_vault, settings, single_flight
    redis_store ← circuit, deadline, errors, redis_connection, redis_credentials, redis_scripts, settings, store
    downstream_errors ← answer, claims_challenge, errors, settings, strict_json
    libraries ← settings
    known_keys ← key_set
    signing_keys ← errors, key_set, known_keys, metadata, single_flight, transport
    token_response ← strict_json
    msal_http ← answer, circuit, client_credential, entra_errors, errors, settings, strict_json, token_response,
                transport
    confidential_client ← client_credential, credential_loader, credential_settings, deadline, errors, msal_http,
                          settings, single_flight
    on_behalf_of ← client_credential, confidential_client, credential_settings, entra_errors, errors, msal_http,
                   retries, settings, token_response
    distributed_cache ← deadline, errors, on_behalf_of, sealed, settings, store, strict_json
    session ← access_token, errors, on_behalf_of
    sessions ← access_token, errors, expiring_lru, key_set, on_behalf_of, session, single_flight
    caller ← access_token, errors, on_behalf_of, request_record, session, sessions, settings
    downstream_api ← answer, caller, claims_challenge, downstream_errors, downstream_path, errors, http_verbs,
                     on_behalf_of, retries, session, settings, transport
    user ← caller, downstream_api
    async_user ← answer, deadline, downstream_api, errors, http_verbs, user
    declaration ← async_user, user
    azure_function ← declaration
    invocation ← async_user, session, sessions
    services ← access_token, distributed_cache, downstream_api, errors, libraries, metadata, msal_http, on_behalf_of,
               operator_notes, redis_store, sessions, settings, signing_keys, transport
    requires_user ← async_user, azure_function, caller, claims_challenge, deadline, declaration, errors, http_reply,
                    http_request, invocation, operator_notes, request_record, services, session, sessions, user,
                    worker_trace

Only azure_function, declaration, http_reply, http_request, requires_user and sendable import azure.functions; only
services reads os.environ.
"""

from .async_user import AsyncUser
from .errors import ApiError, BadRequest, Forbidden, NotFound
from .http_request import json_body
from .requires_user import health, requires_user
from .user import User

__all__ = [
    "ApiError",
    "AsyncUser",
    "BadRequest",
    "Forbidden",
    "NotFound",
    "User",
    "health",
    "json_body",
    "requires_user",
]
