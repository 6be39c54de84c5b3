"""Validation, one defect per row: the signature is checked before any claim, and every refusal is the same."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

from emulators.people import CONTOSO, FABRIKAM
from shared import AsyncUser
from shared.errors import ApiError, InvalidToken, UserTokenRequired
from shared.requires_user import RequiresUser
from shared.services import LazyServices, Services
from shared.settings.settings import Settings
from shared.validation.jws import SigningKey
from tests.support.clock import Clock
from tests.support.lab import Lab
from tests.support.tokens import STRANGER, decoded, encoded, parts, signed


def refused(lab: Lab, token: str) -> ApiError:
    with pytest.raises(ApiError) as raised:
        lab.services().sessions.open(token)
    assert token[:20] not in f"{raised.value!r}{raised.value.__cause__!r}"
    return raised.value


def test_a_genuine_token_is_accepted_and_says_who_it_is(lab: Lab) -> None:
    user = lab.user(lab.services(), lab.stack.issue_access_token("alice"))
    assert (user.name, user.tenant_id, user.scopes) == ("Alice Ahlberg", CONTOSO, frozenset({"access_as_user"}))
    assert "Alice" not in repr(user)


def test_a_v1_token_of_the_api_is_accepted(lab: Lab) -> None:
    assert lab.user(lab.services(), lab.stack.issue_access_token("alice", version=1)).claims["ver"] == "1.0"


CLAIM_DEFECTS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": lambda now: now - 61}, "expired"),
    "not yet valid": ({"nbf": lambda now: now + 120}, "not yet valid"),
    "issued in the future": ({"iat": lambda now: now + 120}, "not yet valid"),
    "no exp": ({"exp": None}, "exp missing"),
    "no iat": ({"iat": None}, "iat missing"),
    "exp as text": ({"exp": "9999999999"}, "exp missing"),
    "exp true": ({"exp": True}, "exp missing"),
    "exp huge": ({"exp": 10**400}, "exp missing"),
    "exp fractional": ({"exp": 9999999999.5}, "exp missing"),
    "wrong audience": ({"aud": "00000003-0000-0000-c000-000000000000"}, "audience"),
    "several audiences": ({"aud": ["a", "b"]}, "audience"),
    "no audience": ({"aud": None}, "audience"),
    "wrong issuer": ({"iss": f"https://login.microsoftonline.com/{FABRIKAM}/v2.0"}, "issuer"),
    "issuer with a slash more": ({"iss": f"https://login.microsoftonline.com/{CONTOSO}/v2.0/"}, "issuer"),
    "issuer of the other version": ({"iss": f"https://sts.windows.net/{CONTOSO}/"}, "issuer"),
    "no issuer": ({"iss": None}, "issuer"),
    "no version": ({"ver": None}, "issuer"),
    "no version, no issuer": ({"ver": None, "iss": None}, "issuer"),
    "unknown version": ({"ver": "3.0", "iss": ""}, "issuer"),
    "foreign tenant": ({"tid": FABRIKAM}, "tenant"),
    "foreign tenant and issuer": (
        {"tid": FABRIKAM, "iss": f"https://login.microsoftonline.com/{FABRIKAM}/v2.0"},
        "tenant",
    ),
    "no tenant": ({"tid": None}, "tenant"),
    "no scope": ({"scp": None}, "not an access token of a user or of an application"),
    "empty scope": ({"scp": " "}, "not an access token of a user or of an application"),
    "scope as list": ({"scp": ["access_as_user"]}, "not an access token of a user or of an application"),
    "no object id": ({"oid": None}, "no subject"),
    "object id as number": ({"oid": 7}, "no subject"),
    "audience with more": ({"aud": "a9150000-5b3c-4e8d-a1f6-2b4c6d8e0f13/x"}, "audience"),
    "audience in upper case": ({"aud": "A9150000-5B3C-4E8D-A1F6-2B4C6D8E0F13"}, "audience"),
    "bound to a key": ({"cnf": {"kid": "x"}}, "proof-of-possession"),
    "no subject": ({"sub": None}, "no subject"),
}


@pytest.mark.parametrize("defect", CLAIM_DEFECTS)
def test_a_defect_in_a_claim_is_an_invalid_token(lab: Lab, defect: str) -> None:
    changes, reason = CLAIM_DEFECTS[defect]
    claims = {name: value(int(lab.clock())) if callable(value) else value for name, value in changes.items()}
    error = refused(lab, lab.stack.issue_access_token("alice", **claims))
    assert type(error) is InvalidToken
    assert reason in error.reason
    assert (error.detail, error.challenge()) == (InvalidToken.detail, {"error": "invalid_token"})


@pytest.mark.parametrize(
    ("claim", "seconds", "reason"),
    [
        ("exp", -59, None),
        ("exp", -60, "expired"),
        ("exp", -61, "expired"),
        ("nbf", 60, None),
        ("nbf", 61, "not yet valid"),
        ("iat", 60, None),
        ("iat", 61, "not yet valid"),
    ],
)
def test_the_leeway_is_a_minute_and_no_more(lab: Lab, claim: str, seconds: int, reason: str | None) -> None:
    """To the second, on a clock that stands still. RFC 7519 §4.1.4: on or after `exp` it is over."""
    clock = Clock(float(int(lab.clock())))
    services = Services(Settings.from_environ(lab.environ()), now=clock)
    times: dict[str, Any] = {"iat": int(clock()) - 90, "nbf": int(clock()) - 90, claim: int(clock()) + seconds}
    token = lab.stack.issue_access_token("alice", **times)
    if reason is None:
        assert services.sessions.open(token).access_token.expires_at == parts(token)[1]["exp"] + 60
    else:
        with pytest.raises(InvalidToken, match=reason):
            services.sessions.open(token)


def test_a_session_ends_with_the_leeway_of_its_token(lab: Lab) -> None:
    clock = Clock(float(int(lab.clock())))
    services = Services(Settings.from_environ(lab.environ()), now=clock)
    token = lab.stack.issue_access_token("alice", exp=int(clock()) + 100)
    session = services.sessions.open(token)
    clock.forward(159)
    assert services.sessions.find(token) is session
    clock.forward(1)
    assert services.sessions.find(token) is None
    with pytest.raises(InvalidToken, match="expired"):
        services.sessions.open(token)


HEADER_DEFECTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "jku": lambda header: {**header, "jku": "https://evil.example/keys"},
    "x5u": lambda header: {**header, "x5u": "https://evil.example/cert"},
    "jwk": lambda header: {**header, "jwk": {"kty": "RSA"}},
    "x5c": lambda header: {**header, "x5c": ["MII"]},
    "crit": lambda header: {**header, "crit": ["exp"]},
    "empty crit": lambda header: {**header, "crit": []},
    "b64": lambda header: {**header, "b64": True},
    "no kid": lambda header: {name: value for name, value in header.items() if name != "kid"},
    "kid as number": lambda header: {**header, "kid": 7},
    "unknown kid": lambda header: {**header, "kid": "unknown"},
    "kid as path": lambda header: {**header, "kid": "../../etc/passwd"},
    "lower-case alg": lambda header: {**header, "alg": "rs256"},
    "typ of a logout token": lambda header: {**header, "typ": "logout+jwt"},
    "typ of a DPoP proof": lambda header: {**header, "typ": "dpop+jwt"},
    "alg as list": lambda header: {**header, "alg": ["RS256"]},
}


@pytest.mark.parametrize("defect", HEADER_DEFECTS)
def test_a_defect_in_the_header_is_an_invalid_token_even_under_a_genuine_signature(lab: Lab, defect: str) -> None:
    header, claims = parts(lab.stack.issue_access_token("alice"))
    changed = HEADER_DEFECTS[defect](header)
    assert type(refused(lab, signed(changed, claims, lab.stack.entra.keys.current.key))) is InvalidToken


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384", "RS512", "PS256", "ES256", ""])
def test_only_rs256(lab: Lab, algorithm: str) -> None:
    token = lab.stack.issue_access_token("alice")
    header, claims = parts(token)
    forged = f"{encoded({**header, 'alg': algorithm})}.{encoded(claims)}."
    genuine = token.rpartition(".")[2]
    for token in (forged, forged + genuine):
        error = refused(lab, token)
        assert (type(error), error.reason.partition(":")[0] in ("header", "not a compact JWS")) == (InvalidToken, True)


@pytest.mark.parametrize("algorithm", ["PS256", "RS384", "RS512"])
def test_a_key_verifies_rs256_alone(lab: Lab, algorithm: str) -> None:
    """A second check of the algorithm: here the header was not checked before."""
    current, claims = lab.stack.entra.keys.current, {"a": 1}
    key = SigningKey(current.key.public_key())
    assert json.loads(key.verify(lab.stack.sign({}, claims))) == claims
    with pytest.raises(InvalidToken, match="signature"):
        key.verify(lab.stack.sign({"alg": algorithm}, claims))


def test_a_public_key_is_no_shared_secret(lab: Lab) -> None:
    """Algorithm confusion: HS256 with the published key as the secret."""
    header, claims = parts(lab.stack.issue_access_token("alice"))
    text = f"{encoded({**header, 'alg': 'HS256'})}.{encoded(claims)}"
    for secret in (lab.stack.entra.keys.current.der, lab.stack.entra.keys.current.pem()):
        forged = f"{text}.{encoded(hmac.digest(secret, text.encode(), 'sha256'))}"
        assert type(refused(lab, forged)) is InvalidToken


def test_a_strangers_signature_under_a_known_kid(lab: Lab) -> None:
    header, claims = parts(lab.stack.issue_access_token("alice"))
    forged = signed(header, claims, STRANGER)
    assert refused(lab, forged).reason.startswith("signature")


def test_the_signature_is_judged_before_the_claims(lab: Lab) -> None:
    """A forger must not learn from a 403 that only the scope was missing."""
    header, claims = parts(lab.stack.issue_app_token())
    forged = signed(header, {**claims, "aud": "x"}, STRANGER)
    error = refused(lab, forged)
    assert (type(error), error.reason.split(":")[0]) == (InvalidToken, "signature")


TAMPERED = {
    "another oid": lambda h, p, s: [h, encoded({**json.loads(decoded(p)), "oid": "other"}), s],
    "signature changed": lambda h, p, s: [h, p, s[:-8] + ("A" * 8 if s[-8:] != "A" * 8 else "B" * 8)],
    "signature cut": lambda h, p, s: [h, p, s[:20]],
    "signature padded": lambda h, p, s: [h, p, s + "="],
    "payload padded": lambda h, p, s: [h, p + "==", s],
    "no signature": lambda h, p, _: [h, p, ""],
    "no header": lambda _, p, s: ["", p, s],
    "no payload": lambda h, _, s: [h, "", s],
    "line break": lambda h, p, s: [h, p, s + "\n"],
    "four parts": lambda h, p, s: [h, p, s, s],
    "two parts": lambda h, p, _: [h, p],
    "not ASCII": lambda h, p, s: [h.replace(h[5], "é"), p, s],
    "header a list": lambda _, p, s: [encoded([1]), p, s],
    "kid an object": lambda _, p, s: [encoded({"alg": "RS256", "kid": {"a": 1}}), p, s],
    "header of one character": lambda _, p, s: ["A", p, s],
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_token(lab: Lab, how: str) -> None:
    header, payload, signature = lab.stack.issue_access_token("alice").split(".")
    tampered: list[str] = TAMPERED[how](header, payload, signature)  # type: ignore[no-untyped-call]  # lambdas
    assert type(refused(lab, ".".join(tampered))) is InvalidToken


def test_a_header_member_given_twice_is_refused(lab: Lab) -> None:
    header, payload, signature = lab.stack.issue_access_token("alice").split(".")
    twice = encoded(decoded(header)[:-1] + b',"alg":"RS256"}')
    assert refused(lab, f"{twice}.{payload}.{signature}").reason == "not a JSON object"


def test_an_endless_token_is_refused_without_a_look_at_it(lab: Lab) -> None:
    mark = lab.stack.audit.mark()
    assert refused(lab, "a" * 1_000_000).reason == "not a compact JWS: longer than 32768 characters"
    assert lab.stack.audit.entries(mark) == []


@pytest.mark.parametrize(("chars", "passes"), [(4096, True), (4100, False)])
def test_a_header_has_4_kb_at_the_most(lab: Lab, chars: int, passes: bool) -> None:
    """A genuine token with an unknown member that makes the encoded header so long."""
    header, claims = parts(lab.stack.issue_access_token("alice"))
    room = chars * 3 // 4 - len(json.dumps({**header, "x": ""}))
    token = signed({**header, "x": "y" * room}, claims, lab.stack.entra.keys.current.key)
    assert len(token.partition(".")[0]) == chars
    if passes:
        assert lab.services().sessions.open(token)
    else:
        assert refused(lab, token).reason == "header: longer than 4096 characters"


def test_an_async_function_asks_for_its_scope_too(lab: Lab) -> None:
    @RequiresUser(LazyServices(lab.environ(), lab.clock))(scopes=["something.else"])
    async def hello(req: func.HttpRequest, user: AsyncUser) -> object:
        raise AssertionError("must not run")

    headers = {"Authorization": f"Bearer {lab.stack.issue_access_token('alice')}"}
    reply = asyncio.run(hello(req=func.HttpRequest("GET", "http://localhost/", headers=headers, body=b"")))
    assert (reply.status_code, json.loads(reply.get_body())["code"]) == (403, "insufficient_scope")
    assert 'error="insufficient_scope", scope="something.else"' in reply.headers["WWW-Authenticate"]


def test_an_id_token_is_no_access_token(lab: Lab) -> None:
    api = lab.environ()["AzureAd__ClientId"]
    error = refused(lab, lab.stack.issue_id_token("alice", aud=api))
    assert (type(error), error.reason) == (
        InvalidToken,
        "not an access token of a user or of an application: an ID token; the client must send its access token",
    )


def test_a_genuine_app_only_token_is_told_what_it_is(lab: Lab) -> None:
    assert type(refused(lab, lab.stack.issue_app_token())) is UserTokenRequired


APP_ONLY: dict[str, Any] = {
    "idtyp": None,
    "scp": None,
    "name": None,
    "preferred_username": None,
    "roles": ["X"],
    "oid": "5e4f0000-0000-4000-8000-000000000005",
    "sub": "5e4f0000-0000-4000-8000-000000000005",
}


def test_an_app_only_token_without_the_optional_claim_idtyp_is_recognized(lab: Lab) -> None:
    assert type(refused(lab, lab.stack.issue_access_token("alice", **APP_ONLY))) is UserTokenRequired


def test_an_app_only_token_cannot_dress_up_with_a_scope(lab: Lab) -> None:
    token = lab.stack.issue_access_token("alice", **{**APP_ONLY, "idtyp": "app", "scp": "access_as_user"})
    assert type(refused(lab, token)) is InvalidToken


def test_the_list_of_allowed_clients_is_enforced(lab: Lab) -> None:
    client = lab.stack.environ("client")["CLIENT_APP_ID"]
    token = lab.stack.issue_access_token("alice")
    assert lab.services(AzureAd__AllowedClients=client.upper()).sessions.open(token)
    with pytest.raises(InvalidToken) as raised:
        lab.services(AzureAd__AllowedClients="3c1a0000-0000-4000-8000-000000000001").sessions.open(token)
    assert raised.value.reason == "client application: not one of AzureAd__AllowedClients"


def test_other_audiences_can_be_configured(lab: Lab) -> None:
    token = lab.stack.issue_access_token("alice", aud="api://other")
    assert lab.services(AzureAd__Audiences="api://other").sessions.open(token)


def test_what_is_kept_of_a_token_is_not_the_token(lab: Lab) -> None:
    token = lab.stack.issue_access_token("alice")
    session = lab.services().sessions.open(token)
    assert token.split(".")[2] not in repr([getattr(session, name) for name in session.__slots__])
    assert session.access_token.expires_at > time.time()
