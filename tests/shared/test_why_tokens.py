"""Each mistake with a token has its own words in the operator's log line. The client sees the same 401 for all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import azure.functions as func
import jwt
import pytest

from shared import User
from shared.errors import InvalidToken, MissingToken
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.genuine import GONE, Genuine
from tests.support.lab import Lab
from tests.support.tokens import encoded

ELSEWHERE = "3c1a0000-0000-4000-8000-000000000001"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
ASK = "the client must ask for a scope of this API, api://{client id}/{scope}"
MICROSOFT = f"a token for a Microsoft API, such as Graph; {ASK}"
NO_KIND = "not an access token of a user or of an application"

Make = Callable[[Genuine], str]
FORMS: dict[str, tuple[Make, str]] = {
    "opaque": (lambda g: "EwB4A8l6BAAU", f"not a compact JWS: one segment, an opaque token of another service; {ASK}"),
    "encrypted": (lambda g: "a.b.c.d.e", "not a compact JWS: encrypted (JWE); "),
    "two segments": (lambda g: g.text(), "not a compact JWS: 2 segments, or characters that no segment has"),
    "four segments": (lambda g: f"{g.token()}.x", "not a compact JWS: 4 segments"),
    "too long": (lambda g: "a" * 40_000, "not a compact JWS: longer than 32768 characters"),
    "of Static Web Apps": (
        lambda g: jwt.encode({"prn": "alice"}, "x" * 32, "HS256"),
        "header: alg HS256: not Entra's, but perhaps that of Static Web Apps or App Service; ",
    ),
    "RS384": (lambda g: g.with_header(alg="RS384"), "header: alg RS384, and only RS256 is accepted"),
    "none": (lambda g: g.with_header(alg="none"), "header: alg none, and only RS256 is accepted"),
    "no algorithm": (lambda g: g.with_header(alg=GONE), "header: no alg, and only RS256 is accepted"),
    "a word as algorithm": (lambda g: g.with_header(alg="hunter2"), "header: an unknown alg, and only RS256"),
    "a list as algorithm": (lambda g: g.with_header(alg=["RS256"]), "header: an unknown alg, and only RS256"),
    "its own key": (lambda g: g.with_header(jku="https://hunter2", jwk={}), "header: jku, jwk is not accepted"),
    "another type": (lambda g: g.with_header(typ="dpop+jwt"), "type: typ names no access token"),
    "no key id": (lambda g: g.with_header(kid=GONE), "key id: no kid, or one that is too long"),
    "a nonce": (
        lambda g: f"{encoded({**g.header, 'nonce': 'hunter2'})}.{g.token().split('.', 1)[1]}",
        f"signature: InvalidSignatureError; the header has a nonce: {MICROSOFT}",
    ),
    "changed": (lambda g: f"{g.text(x='y')}.{encoded(g.signature())}", "signature: InvalidSignatureError"),
}
CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "no tenant": ({"tid": GONE}, "tenant: the token names none (tid)"),
    "another tenant": ({"tid": ELSEWHERE}, "tenant: another than AzureAd__TenantId"),
    "personal accounts": ({"tid": PERSONAL}, "tenant: that of personal accounts, which may not call"),
    "a tenant that is none": ({"tid": "hunter2"}, "tenant: tid is not the id of a tenant"),
    "no version": ({"ver": GONE}, "issuer: the token has no ver that is 1.0 or 2.0"),
    "a list as version": ({"ver": ["2.0"]}, "issuer: the token has no ver that is 1.0 or 2.0"),
    "the other version": ({"ver": "1.0"}, "issuer: that of the other version than ver says"),
    "no issuer": ({"iss": GONE}, "issuer: the token names none (iss)"),
    "another issuer": ({"iss": "https://hunter2"}, "issuer: another than that of AzureAd__Instance and "),
    "no audience": ({"aud": GONE}, "audience: not one text"),
    "two audiences": ({"aud": ["hunter2", "x"]}, "audience: not one text"),
    "another id": ({"aud": ELSEWHERE}, f"audience: another API (a client id); {ASK}"),
    "another uri": ({"aud": "api://hunter2"}, f"audience: another API (api://); {ASK}"),
    "another address": ({"aud": "https://hunter2.example"}, f"audience: another API (an address); {ASK}"),
    "not even an address": ({"aud": "https://[hunter2"}, f"audience: another API (an address); {ASK}"),
    "Graph by id": ({"aud": "00000003-0000-0000-c000-000000000000"}, f"audience: {MICROSOFT}"),
    "Graph by name": ({"aud": "https://graph.microsoft.com/"}, f"audience: {MICROSOFT}"),
    "Azure": ({"aud": "https://management.azure.com"}, f"audience: {MICROSOFT}"),
    "an ID token": ({"aud": ELSEWHERE, "scp": GONE, "azp": GONE, "idtyp": GONE}, "audience: an ID token, which is for"),
    "not yet": ({"nbf": 4_000_000_000, "exp": 4_000_003_600}, "not yet valid: the clock of this computer may be slow"),
    "an ID token for this API": ({"scp": GONE, "azp": GONE, "idtyp": GONE}, f"{NO_KIND}: an ID token; the client must"),
    "no scopes": ({"scp": GONE}, f"{NO_KIND}: it has no scopes (scp), and is not an application's"),
    "an application with a scope": ({"idtyp": "app"}, f"{NO_KIND}: it has scopes, but idtyp, or sub equal to oid, "),
}
API = "API"
"""In the rows below it stands for the client id of this API."""
AUDIENCES: dict[str, tuple[str, str, str]] = {  # AzureAd__Audiences, aud
    "case": ("api://Notes", "api://notes", "differs from an accepted one in upper and lower case; correct AzureAd__"),
    "slash": ("api://notes", "api://notes/", "differs from an accepted one in a slash at its end; correct AzureAd__"),
    "no slash": ("https://notes.example/", "https://Notes.example", "differs from an accepted one in a slash at its "),
    "bare": (f"api://{API}", API, "the bare client id, as in v2.0 tokens, and AzureAd__Audiences has the form api://"),
    "v1": (API, f"api://{API}", "the form api:// or spn:, as in v1.0 tokens, and AzureAd__Audiences has the bare"),
    "spn": (API, f"spn:{API}", "the form api:// or spn:, as in v1.0 tokens, and AzureAd__Audiences has the bare"),
    "another name": (API, f"api://contoso.example/{API}", "another name of this API, with its client id; add it to"),
}


HEADERS = {
    "": "no Authorization header",
    " ": "no Authorization header",
    "Basic aHVudGVyMg==": "Authorization is not Bearer and a token",
    "hunter2": "Authorization is not Bearer and a token",
    "Bearer": "nothing after Bearer",
    "Bearer ": "nothing after Bearer",
    "Bearer a,Bearer hunter2": "more than one Authorization header, or a comma in it",
    "Bearer bearer hunter2": "the word Bearer twice",
    "Bearer hunter2 a": "a space in the token",
    'Bearer "hunter2"': "characters that no token has, such as quotes or brackets",
    "Bearer <hunter2>": "characters that no token has, such as quotes or brackets",
}


@pytest.mark.parametrize("header", HEADERS)
def test_the_header_without_a_token(lab: Lab, caplog: pytest.LogCaptureFixture, header: str) -> None:
    caplog.set_level("INFO")

    @RequiresUser(LazyServices(lab.environ(), lab.clock))()
    def hello(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    request = func.HttpRequest("GET", "https://localhost/", headers={"Authorization": header}, body=b"")
    reply: func.HttpResponse = hello(req=request)
    assert (reply.status_code, json.loads(reply.get_body())["detail"]) == (401, MissingToken.detail)
    assert reply.headers["WWW-Authenticate"].startswith("Bearer realm=")
    assert f'code=missing_token reason="no bearer token: {HEADERS[header]}"' in caplog.text
    assert "hunter2" not in caplog.text + reply.get_body().decode()


def refused(lab: Lab, make: Make, **settings: str) -> str:
    """The reason. The response is the same for every token."""
    genuine = Genuine.taken_apart(lab.stack.issue_access_token("alice"), lab.stack.entra.keys.current)
    with pytest.raises(InvalidToken) as raised:
        lab.services(**settings).sessions.open(make(genuine))
    error = raised.value
    assert (error.status, error.code, error.detail, error.extra) == (401, "invalid_token", InvalidToken.detail, {})
    assert error.challenge() == {"error": "invalid_token"}
    assert "hunter2" not in error.reason
    return error.reason


@pytest.mark.parametrize("case", FORMS)
def test_the_form_of_a_token(lab: Lab, case: str) -> None:
    make, reason = FORMS[case]
    assert refused(lab, make).startswith(reason)


@pytest.mark.parametrize("case", CLAIMS)
def test_the_claims_of_a_token(lab: Lab, case: str) -> None:
    changes, reason = CLAIMS[case]
    assert refused(lab, lambda genuine: genuine.with_claims(**changes)).startswith(reason)


@pytest.mark.parametrize("case", AUDIENCES)
def test_the_kinds_of_wrong_audience(lab: Lab, case: str) -> None:
    accepted, audience, reason = AUDIENCES[case]
    api = lab.environ()["AzureAd__ClientId"]
    accepted, audience = accepted.replace(API, api), audience.replace(API, api)
    told = refused(lab, lambda genuine: genuine.with_claims(aud=audience), AzureAd__Audiences=accepted)
    assert told.startswith(f"audience: {reason}")
    assert api not in told


def test_a_genuine_token_for_graph(lab: Lab) -> None:
    """Its signature is over the hash of the nonce in its header, so no API but Graph can check it."""
    told = refused(lab, lambda _: lab.stack.issue_access_token("alice", app="graph"))
    assert told == f"signature: InvalidSignatureError; the header has a nonce: {MICROSOFT}"


def test_a_tenant_that_is_not_in_the_list(several: Lab) -> None:
    told = refused(several, lambda genuine: genuine.with_claims(tid=ELSEWHERE))
    assert told == "tenant: another than those of AzureAd__AllowedTenants"


def test_the_line_in_the_log_has_the_reason_and_the_body_has_not(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    @RequiresUser(LazyServices(lab.environ(), lab.clock))()
    def hello(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    token = lab.stack.issue_access_token("alice", aud="https://management.azure.com")
    headers = {"Authorization": f"Bearer {token}"}
    reply: func.HttpResponse = hello(req=func.HttpRequest("GET", "https://localhost/", headers=headers, body=b""))
    body = json.loads(reply.get_body())
    assert (reply.status_code, body["code"], body["detail"]) == (401, "invalid_token", InvalidToken.detail)
    assert set(body) == {"status", "code", "detail", "correlation_id"}
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
    line = next(line for line in caplog.messages if line.startswith("request "))
    assert f"code=invalid_token reason={json.dumps(f'audience: {MICROSOFT}')}" in line
