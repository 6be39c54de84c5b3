"""Which tests concern which module of `shared/`. A mutant is tried against these alone, the quickest first."""

from __future__ import annotations

from collections.abc import Mapping

TESTS: Mapping[str, tuple[str, ...]] = {
    "validation/access_token": (
        "tests/shared/test_validator.py",
        "tests/shared/test_access_token.py",
        "tests/shared/test_who_may_call.py",
        "maintainers/tests/shared/test_forgery.py",
    ),
    "settings/authority": (
        "tests/shared/test_address.py",
        "tests/shared/test_clouds.py",
        "tests/shared/test_tenants.py",
    ),
    "settings/clouds": (
        "tests/shared/test_why_settings.py",
        "tests/shared/test_clouds.py",
        "tests/shared/test_address.py",
    ),
    "exchange/credential_loads": (
        "tests/shared/test_credential_loads.py",
        "tests/shared/test_early_credential.py",
    ),
    "net/claims_challenge": ("tests/shared/test_claims_challenge.py",),
    "downstream/request": (
        "tests/shared/test_downstream_path.py",
        "tests/shared/test_request_checks.py",
        "tests/shared/test_downstream_api.py",
    ),
    "exchange/entra_errors": ("tests/shared/test_entra_errors.py",),
    "settings/environ": (
        "tests/shared/test_why_settings.py",
        "tests/shared/test_settings.py",
        "tests/shared/test_address.py",
        "tests/shared/test_web_settings.py",
    ),
    "app_tokens": ("tests/shared/test_app_api.py",),
    "application/app_api": ("tests/shared/test_app_api.py",),
    "user/calling_app": ("tests/shared/test_requires_app.py",),
    "user/groups": ("tests/shared/test_groups.py",),
    "user/credential": ("tests/shared/test_user_credential.py",),
    "hosting/response": ("tests/shared/test_what_functions_do.py",),
    "exchange/credential_failures": (
        "tests/shared/test_why_connections.py",
        "tests/shared/test_client_credential.py",
        "tests/shared/test_vault_key.py",
    ),
    "downstream/pages": ("tests/shared/test_downstream_pages.py",),
    "downstream/batch": ("tests/shared/test_downstream_batch.py",),
    "hosting/request": ("tests/shared/test_http_request.py",),
    "requires_user": (
        "tests/shared/test_readiness.py",
        "tests/shared/test_http_request.py",
        "tests/shared/test_kept_user.py",
        "tests/shared/test_requires_user.py",
        "tests/shared/test_function_forms.py",
        "tests/shared/test_what_functions_do.py",
        "tests/shared/test_request_line.py",
        "tests/shared/test_operator_notes.py",
        "tests/shared/test_deadline.py",
        "maintainers/tests/test_health.py",
        "maintainers/tests/test_operator_log.py",
        "maintainers/tests/round_trips/test_auth_context.py",
    ),
    "validation/jws": (
        "tests/shared/test_jws_header.py",
        "tests/shared/test_key_set.py",
        "tests/shared/test_access_token.py",
        "maintainers/tests/shared/test_forgery.py",
        "maintainers/tests/shared/test_signing_keys.py",
        "maintainers/tests/shared/test_forged_keys.py",
    ),
    "validation/metadata": (
        "tests/shared/test_why_connections.py",
        "tests/shared/test_metadata.py",
        "maintainers/tests/shared/test_signing_keys.py",
    ),
    "exchange/msal_client": (
        "tests/shared/test_token_response.py",
        "tests/shared/test_msal_http.py",
        "tests/shared/test_on_behalf_of.py",
    ),
    "net/deadline_http": ("tests/shared/test_deadline_http.py", "tests/shared/test_transport.py"),
    "redis/sealed": ("maintainers/tests/redis/test_sealed.py",),
    "sessions": (
        "tests/shared/test_request_context.py",
        "tests/shared/test_session.py",
        "tests/shared/test_sessions.py",
        "tests/shared/test_expiring_lru.py",
    ),
    "settings/settings": (
        "tests/shared/test_why_settings.py",
        "tests/shared/test_settings.py",
        "tests/shared/test_web_settings.py",
    ),
    "validation/signing_keys": (
        "tests/shared/test_known_keys.py",
        "tests/shared/test_keys_over_time.py",
        "maintainers/tests/shared/test_signing_keys.py",
    ),
    "net/single_flight": ("tests/shared/test_single_flight.py", "tests/shared/test_deadline.py"),
    "net/strict_json": ("tests/shared/test_strict_json.py",),
    "exchange/on_behalf_of": (
        "tests/shared/test_token_response.py",
        "tests/shared/test_exchange_steps.py",
        "tests/shared/test_on_behalf_of.py",
        "tests/shared/test_tenant_exchanges.py",
    ),
    "net/transport": (
        "tests/shared/test_response.py",
        "tests/shared/test_transport.py",
        "tests/shared/test_request_checks.py",
        "tests/shared/test_deadline.py",
    ),
    "validation/refusals": ("tests/shared/test_why_tokens.py",),
    "validation/explain": ("tests/shared/test_explain.py",),
    "settings/scope_names": ("tests/shared/test_why_settings.py", "tests/shared/test_settings.py"),
    "net/failure_words": ("tests/shared/test_why_connections.py",),
}
