"""What a function needs: `requires_user` above it, a `User` inside it, and errors to raise.

To follow one request, start at requires_user.py; docs/how-it-works.md goes along.

The layer rule: a module imports only what stands behind its arrow; tests/test_layers.py holds the code to this table.

    errors, environ, expiring_lru, http_verbs, strict_json, transport, certificate ← nothing of ours
    single_flight ← errors
    settings ← errors, environ
    claims_challenge ← strict_json, transport
    signing_keys ← errors, single_flight, transport
    access_token ← errors, settings, signing_keys, strict_json
    key_vault ← certificate, settings
    client_credential ← errors, settings, certificate, key_vault
    entra_errors ← claims_challenge, errors, settings
    msal_http ← errors, entra_errors, transport
    on_behalf_of ← errors, settings, single_flight, transport, client_credential, entra_errors, msal_http
    sessions ← access_token, errors, expiring_lru, on_behalf_of, signing_keys, single_flight
    downstream_api ← errors, settings, claims_challenge, http_verbs, sessions, strict_json, transport
    user ← downstream_api, sessions
    async_user ← downstream_api, http_verbs, transport, user
    services ← access_token, downstream_api, errors, on_behalf_of, sessions, settings, signing_keys, transport
    http_request ← errors, strict_json
    http_reply ← errors, transport
    requires_user ← async_user, errors, http_reply, http_request, services, sessions, user

Only http_request, http_reply and requires_user import azure.functions; only services reads os.environ.
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
