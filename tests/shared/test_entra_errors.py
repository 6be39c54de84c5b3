"""The one table: Entra's error → the caller's response. Every row, and what decides between rows."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from shared.errors import (
    AccessDenied,
    ApiError,
    ClaimsChallenge,
    ConsentRequired,
    InvalidToken,
    ServerMisconfigured,
    ServiceUnavailable,
    UserTokenRequired,
)
from shared.exchange.entra_errors import describe, error_from_entra, refuses_our_credential
from shared.settings.settings import Settings

from .test_settings import CLIENT, GOOD, TENANT

CLAIMS = '{"access_token":{"capolids":{"essential":true,"values":["c1"]}}}'
SCOPES = ("https://graph.microsoft.com/.default",)


def said(error: str, number: int = 0, **members: Any) -> dict[str, Any]:
    """An error reply of the token endpoint."""
    prose = f"AADSTS{number}: User 'alice@contoso.example' … Trace ID: t1"
    return {"error": error, "error_description": prose, "error_codes": [number], "trace_id": "t1", **members}


TABLE: list[tuple[dict[str, Any], type[ApiError]]] = [
    *[
        (said("interaction_required", number, claims=CLAIMS, suberror="basic_action"), ClaimsChallenge)
        for number in (50076, 50079, 50158, 53000, 53001, 53003)
    ],
    (said("invalid_grant", 65001, claims=CLAIMS), ClaimsChallenge),
    (said("invalid_grant", 65001, suberror="consent_required"), ConsentRequired),
    (said("invalid_grant", 65004), ConsentRequired),
    (said("invalid_grant", 90094), ConsentRequired),
    (said("consent_required"), ConsentRequired),
    (said("invalid_grant", 53003), AccessDenied),
    (said("invalid_grant", 50105), AccessDenied),
    (said("invalid_grant", 50057), AccessDenied),
    (said("interaction_required", 53003, suberror="message_only"), AccessDenied),
    (said("unauthorized_client", 0, suberror="protection_policy_required"), AccessDenied),
    (said("invalid_grant", 50013), InvalidToken),
    (said("invalid_grant", 500133), InvalidToken),
    (said("invalid_grant", 50173, suberror="bad_token"), InvalidToken),
    (said("invalid_grant", 70043), InvalidToken),
    (said("invalid_grant", 240002), InvalidToken),
    (said("interaction_required", 50076), InvalidToken),
    (said("invalid_grant", 999999), InvalidToken),
    (said("invalid_request", 7000114), UserTokenRequired),
    (said("invalid_grant", 90083), UserTokenRequired),
    (said("invalid_grant", 500131), ServerMisconfigured),
    (said("invalid_request", 90009), ServerMisconfigured),
    (said("invalid_scope", 70011), ServerMisconfigured),
    (said("unauthorized_client", 700016), ServerMisconfigured),
    (said("invalid_client", 7000215), ServerMisconfigured),
    (said("invalid_client", 7000222), ServerMisconfigured),
    (said("invalid_request", 70021), ServerMisconfigured),
    (said("invalid_client", 700027), ServerMisconfigured),
    (said("something_new", 1), ServerMisconfigured),
    (said("invalid_grant", 50196), ServiceUnavailable),
    (said("invalid_grant", 90055), ServiceUnavailable),
    (said("temporarily_unavailable"), ServiceUnavailable),
    ({}, ServerMisconfigured),
    ({"error": None, "error_codes": "x", "claims": "not json"}, ServerMisconfigured),
    ({"error": ["invalid_grant"], "suberror": {"a": 1}, "error_codes": [[1]]}, ServerMisconfigured),
]


@pytest.mark.parametrize(
    ("body", "kind"), TABLE, ids=[f"{body.get('error_codes')}-{kind.__name__}" for body, kind in TABLE]
)
def test_the_table(body: dict[str, Any], kind: type[ApiError]) -> None:
    error = error_from_entra(body, SCOPES, Settings.from_environ(GOOD).authority)
    assert type(error) is kind
    assert "alice" not in f"{error} {error.extra} {error.detail}"


def test_a_claims_challenge_has_entras_documented_form() -> None:
    error = error_from_entra(
        said("interaction_required", 50076, claims=CLAIMS), SCOPES, Settings.from_environ(GOOD).authority
    )
    challenge = error.challenge() or {}
    assert challenge["authorization_uri"] == f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize"
    assert challenge["error"] == "insufficient_claims"
    assert json.loads(base64.b64decode(challenge["claims"])) == json.loads(CLAIMS)
    assert json.loads(error.extra["claims"]) == json.loads(CLAIMS)


def test_missing_consent_names_the_scopes_and_the_page_to_consent_on() -> None:
    error = error_from_entra(said("invalid_grant", 65001), SCOPES, Settings.from_environ(GOOD).authority)
    page = f"https://login.microsoftonline.com/{TENANT}/adminconsent?client_id={CLIENT}"
    assert error.extra == {"scopes": list(SCOPES), "admin_consent_url": page}


@pytest.mark.parametrize("number", [700027, 700024, 7000214, 1000502, 7000274, 7000277])
def test_a_refused_credential_is_recognized(number: int) -> None:
    assert refuses_our_credential(said("invalid_client", number))


def test_other_errors_are_no_refused_credential() -> None:
    assert not refuses_our_credential(said("invalid_client", 7000215))
    assert not refuses_our_credential({"access_token": "t"})


def test_the_log_gets_the_number_and_the_trace_but_no_prose() -> None:
    text = describe(said("invalid_grant", 50076, correlation_id="x y\nforged line"))
    assert text == "Entra: invalid_grant, AADSTS50076, trace_id t1, correlation_id -"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": "invalid_grant", "suberror": "consent_required"}, ConsentRequired),
        ({"error": "interaction_required", "suberror": "message_only"}, AccessDenied),
        ({"error": "unauthorized_client", "suberror": "protection_policy_required"}, AccessDenied),
        ({"error": "unauthorized_client", "suberror": "bad_token"}, InvalidToken),
        ({"error": "interaction_required"}, InvalidToken),
        ({"error": "invalid_grant"}, InvalidToken),
        ({"error": "login_required"}, InvalidToken),
        ({"error": "unauthorized_client"}, ServerMisconfigured),
        ({"error": "access_denied"}, AccessDenied),
        ({"error": "access_denied", "error_codes": [9999999]}, AccessDenied),
        ({"error": "access_denied", "error_codes": [65004]}, ConsentRequired),
        ({"error": "access_denied", "error_codes": [7000215]}, ServerMisconfigured),
    ],
)
def test_without_a_number_the_words_decide(body: dict[str, Any], kind: type[ApiError]) -> None:
    """Each member by itself, as Entra may stop sending the others."""
    assert type(error_from_entra(body, SCOPES, Settings.from_environ(GOOD).authority)) is kind


def test_a_busy_entra_is_asked_again_after_five_seconds() -> None:
    error = error_from_entra(said("temporarily_unavailable"), SCOPES, Settings.from_environ(GOOD).authority)
    assert error.retry_after == 5


@pytest.mark.parametrize(
    ("codes", "logged"),
    [
        ([50013], "AADSTS50013"),
        ([65001, 50013, 50013], "AADSTS50013,AADSTS65001"),
        (list(range(1, 10)), ",".join(f"AADSTS{number}" for number in range(1, 9))),
        ([1, 10**9 - 1], "AADSTS1,AADSTS999999999"),
        ([0, -1, 10**9, 10**400, True, "50013", 50013.0, None, [50013]], "no AADSTS number"),
        ([], "no AADSTS number"),
        ("50013", "no AADSTS number"),
        (None, "no AADSTS number"),
    ],
)
def test_of_the_numbers_the_log_gets_eight_at_most_and_nothing_else(codes: object, logged: str) -> None:
    text = describe({"error": "invalid_grant", "error_codes": codes})
    assert text == f"Entra: invalid_grant, {logged}, trace_id -, correlation_id -"


@pytest.mark.parametrize("value", ["x" * 65, "", "a b", "a\nb", "caf\u00e9", "a.b", 5, None, ["x"]])
def test_an_id_that_is_none_is_not_logged(value: object) -> None:
    assert describe({"error": value, "trace_id": value}).count(" -") == 3
    assert "trace_id " + "x" * 64 in describe({"trace_id": "x" * 64})
