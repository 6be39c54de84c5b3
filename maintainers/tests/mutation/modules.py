"""Which tests concern which module of `shared/`. A mutant is tried against these alone, the quickest first."""

from __future__ import annotations

from collections.abc import Mapping

TESTS: Mapping[str, tuple[str, ...]] = {
    "access_token": (
        "tests/shared/test_validator.py",
        "tests/shared/test_access_token.py",
        "maintainers/tests/shared/test_forgery.py",
    ),
    "address": ("tests/shared/test_address.py",),
    "claims_challenge": ("tests/shared/test_claims_challenge.py",),
    "downstream_path": ("tests/shared/test_downstream_path.py", "tests/shared/test_outgoing.py"),
    "entra_errors": ("tests/shared/test_entra_errors.py",),
    "environ": ("tests/shared/test_settings.py", "tests/shared/test_web_settings.py"),
    "expiring_lru": ("tests/shared/test_expiring_lru.py",),
    "http_request": ("tests/shared/test_http_request.py",),
    "jws_header": (
        "tests/shared/test_jws_header.py",
        "tests/shared/test_access_token.py",
        "maintainers/tests/shared/test_forgery.py",
    ),
    "key_set": (
        "tests/shared/test_key_set.py",
        "maintainers/tests/shared/test_signing_keys.py",
        "maintainers/tests/shared/test_forged_keys.py",
    ),
    "known_keys": ("tests/shared/test_known_keys.py", "maintainers/tests/shared/test_signing_keys.py"),
    "metadata": ("tests/shared/test_metadata.py", "maintainers/tests/shared/test_signing_keys.py"),
    "msal_http": ("tests/shared/test_msal_http.py", "tests/shared/test_on_behalf_of.py"),
    "outgoing": ("tests/shared/test_outgoing.py",),
    "punctual_connection": ("tests/shared/test_punctual_connection.py", "tests/shared/test_transport.py"),
    "punctual_http": ("tests/shared/test_punctual_connection.py", "tests/shared/test_transport.py"),
    "sealed": ("maintainers/tests/redis/test_sealed.py",),
    "session": ("tests/shared/test_session.py", "tests/shared/test_sessions.py"),
    "sessions": ("tests/shared/test_session.py", "tests/shared/test_sessions.py"),
    "settings": ("tests/shared/test_settings.py", "tests/shared/test_web_settings.py"),
    "signing_keys": ("tests/shared/test_keys_over_time.py", "maintainers/tests/shared/test_signing_keys.py"),
    "single_flight": ("tests/shared/test_single_flight.py", "tests/shared/test_deadline.py"),
    "strict_json": ("tests/shared/test_strict_json.py",),
    "token_response": ("tests/shared/test_token_response.py", "tests/shared/test_on_behalf_of.py"),
    "transport": ("tests/shared/test_transport.py", "tests/shared/test_outgoing.py", "tests/shared/test_deadline.py"),
}
