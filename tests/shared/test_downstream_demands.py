"""What a called API, or one behind it, demands of the user reaches the client; its addresses only if they are ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import AccessDenied, ApiError, ClaimsChallenge, ConsentRequired
from tests.support.lab import Lab

PROBLEM = {"Content-Type": "application/problem+json"}
CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'


def refused(lab: Lab, status: int, headers: dict[str, str], body: object = None) -> ApiError:
    services, token = lab.services(), lab.stack.issue_access_token("alice")
    lab.user(services, token).token("Graph")
    lab.stack.faults.add("graph", status=status, headers=headers, body=body)
    with pytest.raises(ApiError) as raised:
        lab.user(services, token).api("Graph").get("/me")
    return raised.value


def ours(lab: Lab) -> str:
    return lab.services().settings.authority.url


def web_challenge(**parameters: str) -> dict[str, str]:
    """As Microsoft.Identity.Web writes it: the quotes in the claims are not escaped."""
    return {"WWW-Authenticate": "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())}


def test_missing_consent_as_microsoft_identity_web_says_it(lab: Lab) -> None:
    page = f"{ours(lab)}/oauth2/v2.0/authorize?client_id=1&scope=api%3A%2F%2Fx%2FA.Read"
    mark = lab.stack.audit.mark()
    error = refused(
        lab, 403, web_challenge(consentUri=page, scopes="api://x/A.Read,api://x/A.Write", proposedAction="consent")
    )
    assert isinstance(error, ConsentRequired)
    assert error.extra == {"scopes": ["api://x/A.Read", "api://x/A.Write"], "consent_url": page}
    assert len(lab.exchanges(mark)) == 1  # no new one: the token that was refused is not the one that lacks consent


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/t/oauth2/v2.0/authorize",
        "{instance}/00000000-0000-0000-0000-00000000e711/oauth2/v2.0/authorize?client_id=evil",
        "{ours}.evil.example/authorize",
        "{ours}evil/oauth2",
        "{ours}/../evil/authorize",
        "{ours}/%2e%2e/evil/authorize",
        "{ours}\\evil",
        "{ours}/authorize#evil",
        "{ours}/oauth2/v2.0/logout?post_logout_redirect_uri=https://evil.example",
        "{ours}/oauth2/v2.0/authorize/../logout?evil",
        "{ours}/adminconsentevil",
        "javascript:evil()",
        "//evil.example",
        "",
    ],
)
@pytest.mark.parametrize("kind", ["header", "body"])
def test_an_address_that_is_not_on_our_authority_is_left_out(lab: Lab, kind: str, address: str) -> None:
    authority = lab.services().settings.authority
    page = address.replace("{ours}", authority.url).replace("{instance}", authority.instance)
    if kind == "header":
        error = refused(lab, 403, web_challenge(consentUri=page, scopes="A", proposedAction="consent"))
    else:
        body = {"code": "consent_required", "scopes": ["A"], "admin_consent_url": page, "consent_url": page}
        error = refused(lab, 403, PROBLEM, body)
    assert isinstance(error, ConsentRequired)
    assert error.extra == {"scopes": ["A"]}


def test_missing_consent_as_this_template_says_it(lab: Lab) -> None:
    page = f"{ours(lab)}/adminconsent?client_id=1"
    scopes = ["A", 7, "B C", "é", "x" * 300, 'a"b', *["D"] * 50]
    body = {"code": "consent_required", "status": 403, "scopes": scopes, "admin_consent_url": page}
    error = refused(lab, 403, PROBLEM, body)
    assert isinstance(error, ConsentRequired)
    assert error.scopes == ("A", *["D"] * 26)
    assert error.extra["admin_consent_url"] == page
    assert set(error.extra) == {"scopes", "admin_consent_url"}


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, web_challenge(consentUri="x", claims=CLAIMS, scopes="A", proposedAction="consent"), None),
        (403, web_challenge(claims=CLAIMS, proposedAction="consent"), None),
        (403, web_challenge(proposedAction="consent", claims=CLAIMS), None),
        (401, PROBLEM, {"code": "insufficient_claims", "claims": CLAIMS}),
    ],
)
def test_a_claims_challenge_of_an_api_behind_it_is_passed_on(
    lab: Lab, status: int, headers: dict[str, str], body: object
) -> None:
    error = refused(lab, status, headers, body)
    assert isinstance(error, ClaimsChallenge)
    assert json.loads(error.claims) == json.loads(CLAIMS)
    assert error.authorization_uri == f"{ours(lab)}/oauth2/v2.0/authorize"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"WWW-Authenticate": f'Bearer claims="{CLAIMS}"'}, None),
        ({"WWW-Authenticate": 'Basic proposedAction="consent"'}, None),
        ({"WWW-Authenticate": 'Bearer proposedAction="other", claims="{}"'}, None),
        ({"WWW-Authenticate": 'Bearer error="insufficient_scope"'}, None),
        ({}, {"code": "consent_required", "scopes": ["A"]}),  # not as a problem document
        (PROBLEM, {"code": "access_denied", "scopes": ["A"]}),
        (PROBLEM, {"code": "insufficient_claims", "claims": CLAIMS}),  # that is a 401
        (PROBLEM, [1]),
    ],
)
def test_any_other_403_is_one(lab: Lab, headers: dict[str, str], body: Any) -> None:
    assert type(refused(lab, 403, headers, body)) is AccessDenied


@pytest.mark.parametrize("claims", ["{", "{}", "[1]", '{"a":1}', "{" + " " * 20_000 + "}", '{"a":{}}x'])
def test_claims_that_are_none_leave_the_consent(lab: Lab, claims: str) -> None:
    error = refused(lab, 403, web_challenge(scopes="A", proposedAction="consent", claims=claims[:9000]))
    assert isinstance(error, ConsentRequired)


def test_the_log_does_not_hold_the_claims(lab: Lab) -> None:
    error = refused(lab, 403, web_challenge(claims=CLAIMS, proposedAction="consent"))
    assert error.reason == "Graph: HTTP 403"
    assert "acrs" not in str(error)
