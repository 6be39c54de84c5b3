"""Why a token is accepted or refused: the API's own checks one by one, by kind, and never a value unless asked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import ApiError
from shared.settings.settings import Settings
from shared.validation.access_token import AccessTokenValidator
from shared.validation.explain import FAILED, OK, UNKNOWN, Check, answer, explained, shape_of
from shared.validation.jws import SigningKey, parse_key_set
from tests.support.clock import Clock
from tests.support.genuine import GONE, changed, public_jwk
from tests.support.lab import said_by
from tests.support.tokens import STRANGER, encoded, signed

from .test_settings import CLIENT, GOOD, TENANT
from .test_validator import CLAIMS, NOW

NAMES = [
    *("form", "header", "type", "key id", "signature", "claims", "tenant", "issuer", "issuer of the signing key"),
    *("audience", "client application", "times", "kind", "user", "scope"),
]
KEY = {"key": SigningKey(STRANGER.public_key(), frozenset({CLAIMS["iss"]}))}
HEADER = {"alg": "RS256", "kid": "key", "typ": "JWT"}
OTHER = "3c1a0000-0000-4000-8000-000000000001"


def token(header: dict[str, Any] | None = None, **claims: object) -> str:
    return signed(changed(HEADER, header or {}), changed(CLAIMS, claims))


def checks(
    bearer: str, keys: dict[str, SigningKey] | None = KEY, *, values: bool = False, **settings: str
) -> dict[str, Check]:
    made = Settings.from_environ({**GOOD, **settings})
    return {check.name: check for check in explained(bearer, made, keys, Clock(), values=values)}


def outcomes(found: dict[str, Check]) -> dict[str, list[str]]:
    return {each: [name for name, check in found.items() if check.outcome == each] for each in (FAILED, UNKNOWN)}


def test_a_valid_token_passes_every_check_in_the_order_of_the_api() -> None:
    found = checks(token())
    assert list(found) == NAMES
    assert outcomes(found) == {FAILED: [], UNKNOWN: []}
    assert all(check.seen and check.expected and not check.advice for check in found.values())
    assert (found["audience"].seen, found["kind"].seen, found["header"].seen) == ("GUID", "a user's", "alg RS256")


Make = Callable[[], str]
BROKEN: dict[str, tuple[Make, str, str, str]] = {  # the token, the check, what it has seen, the reply
    "opaque": (lambda: "EwB4", "form", "one segment, an opaque token of another service; ", "401 invalid_token"),
    "encrypted": (lambda: "a.b.c.d.e", "form", "encrypted (JWE); ", "401 invalid_token"),
    "too long": (lambda: "a" * 40_000, "form", "longer than 32768 characters", "401 invalid_token"),
    "HS256": (lambda: token({"alg": "HS256"}), "header", "alg HS256: not Entra's, ", "401 invalid_token"),
    "no JSON": (lambda: f"{encoded(b'x')}.{encoded(CLAIMS)}.x", "header", "not a JSON object", "401 invalid_token"),
    "DPoP": (lambda: token({"typ": "dpop+jwt"}), "type", "typ names no access token", "401 invalid_token"),
    "no kid": (lambda: token({"kid": GONE}), "key id", "no kid, or one that is too long", "401 invalid_token"),
    "another kid": (lambda: token({"kid": "a"}), "signature", "the key set has no key with this", "401 invalid_token"),
    "changed": (
        lambda: f"{encoded(HEADER)}.{encoded({**CLAIMS, 'x': 1})}.{token().rpartition('.')[2]}",
        "signature",
        "does not fit; the token was changed on its way, or is not Entra's",
        "401 invalid_token",
    ),
    "of Graph": (
        lambda: f"{encoded({**HEADER, 'nonce': 'x'})}.{token().partition('.')[2]}",
        "signature",
        "does not fit; the header has a nonce: a token for a Microsoft API",
        "401 invalid_token",
    ),
    "cut off": (lambda: token()[:-1], "signature", "incomplete; the token was probably cut off", "401 invalid_token"),
    "in quotes": (lambda: f'"{token()}"', "form", "characters that no token has, such as quotes", "401 missing_token"),
    "on two lines": (lambda: token().replace(".", ".\n"), "form", "a space in the token", "401 missing_token"),
    "no claims": (lambda: signed(HEADER, b"[]"), "claims", "they cannot be read", "401 invalid_token"),
    "another tenant": (lambda: token(tid=OTHER), "tenant", "another than AzureAd__TenantId", "401 invalid_token"),
    "no version": (lambda: token(ver=GONE), "issuer", "the token has no ver that is 1.0 or 2.0", "401 invalid_token"),
    "another issuer": (lambda: token(iss="https://x"), "issuer", "another than that of Azure", "401 invalid_token"),
    "audience": (lambda: token(aud=OTHER), "audience", "another API (a client id); the client", "401 invalid_token"),
    "expired": (lambda: token(exp=NOW - 90), "times", "expired; it ended 2 min ago", "401 invalid_token"),
    "early": (lambda: token(nbf=NOW + 90), "times", "not yet valid: the clock of this", "401 invalid_token"),
    "no times": (lambda: token(iat=GONE), "times", "iat missing or not a time", "401 invalid_token"),
    "no subject": (lambda: token(sub=GONE), "kind", "no subject", "401 invalid_token"),
    "PoP": (lambda: token(cnf={}), "kind", "proof-of-possession token", "401 invalid_token"),
    "ID token": (lambda: token(scp=GONE, azp=GONE), "kind", "not an access token of a user or", "401 invalid_token"),
    "an agent": (lambda: token(xms_sub_fct="11"), "user", "token of an agent without a", "403 user_token_required"),
    "its user": (lambda: token(xms_sub_fct="13"), "user", "account of an agent", "403 agent_user_not_allowed"),
    "scope": (lambda: token(scp="other"), "scope", "none of them", "403 insufficient_scope"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_check_that_fails_is_named_with_what_to_change(case: str) -> None:
    make, name, seen, reply = BROKEN[case]
    bearer = make()
    found = checks(bearer)
    assert outcomes(found)[FAILED] == [name]
    check = found[name]
    assert check.seen.startswith(seen)
    assert (check.reply, bool(check.expected), bool(check.advice)) == (reply, True, True)
    assert list(found) == NAMES[: len(found)]


OF_THE_VALIDATOR = [
    name for name, row in BROKEN.items() if row[3] not in ("403 insufficient_scope", "401 missing_token")
]
OF_THE_VALIDATOR.remove("another kid")  # SigningKeys refuses it, before the validator has a key


@pytest.mark.parametrize("case", OF_THE_VALIDATOR)
def test_the_api_gives_the_same_reply_for_the_same_check(case: str) -> None:
    """The checks are its own. So what explains a token cannot differ from what validates it."""

    class Keys:
        def get(self, key_id: str) -> SigningKey:
            return KEY.get(key_id, SigningKey(STRANGER.public_key()))

    settings = Settings.from_environ(GOOD)
    validator = AccessTokenValidator(settings.authority, settings.tokens, Keys(), Clock())
    bearer = BROKEN[case][0]()
    with pytest.raises(ApiError) as raised:
        validator.validate(bearer)
    first = next(check for check in checks(bearer).values() if check.outcome == FAILED)
    assert first.reply == f"{raised.value.status} {raised.value.code}"
    assert first.seen.partition("; it e")[0] in raised.value.reason or first.name == "claims"


def test_checks_after_a_failed_one_are_made_if_they_can_be() -> None:
    found = checks(token({"alg": "HS256"}, aud=OTHER, exp=NOW - 90, scp="other"))
    assert outcomes(found) == {
        FAILED: ["header", "audience", "times", "scope"],
        UNKNOWN: ["type", "key id", "signature", "issuer of the signing key", "client application"],
    }


def test_settings_decide_as_they_do_in_the_api() -> None:
    assert outcomes(checks(token(azp=CLIENT), AzureAd__AllowedClients=OTHER))[FAILED] == ["client application"]
    assert outcomes(checks(token(aud="api://x"), AzureAd__Audiences="api://x"))[FAILED] == []
    assert outcomes(checks(token(), AzureAd__AllowGuests="false"))[FAILED] == ["user"]
    without = {name: value for name, value in GOOD.items() if name != "AzureAd__Scopes"}
    made = list(explained(token(), Settings.from_environ(without), KEY, Clock(), values=False))
    assert (made[-1].outcome, made[-1].seen) == (UNKNOWN, "AzureAd__Scopes is not set; each function names its own")


@pytest.mark.parametrize(
    ("settings", "expected", "advice"),
    [
        ({}, "AzureAd__ClientId, or api:// and this id", "or correct AzureAd__ClientId."),
        ({"AzureAd__Audiences": "api://x"}, "one of AzureAd__Audiences", "or correct AzureAd__Audiences."),
    ],
)
def test_a_wrong_audience_names_the_setting_that_decides(settings: dict[str, str], expected: str, advice: str) -> None:
    check = checks(token(aud=OTHER), KEY, values=False, **settings)["audience"]
    assert (check.outcome, check.expected) == (FAILED, expected)
    assert check.advice.endswith(advice)


def test_the_time_that_is_left_is_shown() -> None:
    assert checks(token(exp=NOW + 2700))["times"].seen == "valid; it ends in 45 min"
    assert checks(token(exp=NOW - 3600))["times"].seen == "expired; it ended 60 min ago"
    assert checks(token(exp="x"))["times"].seen == "exp missing or not a time"


def test_an_applications_token_has_no_scope_to_check() -> None:
    found = checks(token(sub="object-of-alice", scp=GONE))
    assert outcomes(found) == {FAILED: [], UNKNOWN: ["scope"]}
    assert found["kind"].seen == "an application's"


def test_without_keys_the_signature_and_its_issuer_are_said_to_be_unchecked() -> None:
    bearer = f"{token().rpartition('.')[0]}.{encoded(b'forged')}"
    found = checks(bearer, None)
    assert outcomes(found) == {FAILED: [], UNKNOWN: ["signature", "issuer of the signing key"]}
    assert found["signature"].seen == "not checked: there is no key set"
    assert outcomes(checks(bearer))[FAILED] == ["signature"]


def test_a_key_of_another_issuer() -> None:
    foreign = {"key": SigningKey(STRANGER.public_key(), frozenset({"https://x"}))}
    assert outcomes(checks(token(), foreign))[FAILED] == ["issuer of the signing key"]


def test_no_value_of_a_claim_is_shown_unless_it_is_asked_for() -> None:
    bearer = token(
        {"x": "hunter2"}, name="hunter2", email="hunter2@contoso.example", groups=["hunter2"], b=True, n=None
    )
    told = f"{shape_of(bearer, values=False)} {list(checks(bearer).values())}"
    assert not any(value in told for value in ("hunter2", TENANT, CLIENT, "access_as_user", str(NOW)))
    shape = shape_of(bearer, values=False)
    assert shape["header"] == {"alg": "RS256", "kid": "text", "typ": "JWT", "x": "text"}
    kinds = {
        "name": "text",
        "groups": "list of 1",
        "exp": "time",
        "tid": "GUID",
        "iss": "address",
        "b": "true or false",
    }
    assert kinds.items() <= shape["claims"].items()
    assert shape["claims"]["n"] == "null"
    assert shape_of(bearer, values=True)["claims"]["name"] == '"hunter2"'
    assert TENANT in checks(bearer, values=True)["tenant"].expected


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    odd = {"\x1b[2J": 1, "a" * 100: 1, "\u202egnp": 1, "": 1, "long": "x" * 1000}
    for values in (False, True):
        shape = shape_of(signed({**HEADER, "\x1b]0;": "\x1b[31m"}, odd), values=values)
        text = json.dumps(shape, ensure_ascii=False)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert max(len(part) for members in shape.values() for pair in members.items() for part in pair) < 410


TOO_LONG = signed(HEADER, {**CLAIMS, "x": "y" * 40_000})


@pytest.mark.parametrize("bearer", ["", "a", "a.b", "a.b.c", "....", "\x00", "eyJ.eyJ.x", "é.é.é", TOO_LONG])
def test_what_is_no_token_has_no_shape(bearer: str) -> None:
    assert shape_of(bearer, values=True) == {}
    assert checks(bearer)["form"].outcome == FAILED or checks(bearer)["header"].outcome == FAILED


ENVIRON = {name: GOOD[name] for name in ("AzureAd__TenantId", "AzureAd__ClientId")}


def test_the_program_reads_a_question_and_prints_the_answer() -> None:
    """As `dev.py explain` starts it, in a process of its own; with the time of day."""
    now = int(time.time())
    question = {
        "token": token(iat=now, nbf=now, exp=now + 60),
        "environ": {**ENVIRON, "AzureAd__ClientCredentials__0__SourceType": "@Microsoft.KeyVault(x)", "Other": "x"},
        "keys": {"keys": [public_jwk(STRANGER.public_key(), kid="key", issuer=CLAIMS["iss"])]},
        "values": False,
    }
    program = "import io, json, runpy, sys; sys.stdin = io.StringIO(sys.argv[1])"
    said = json.loads(said_by(f"import sys; sys.argv.append({json.dumps(question)!r})\n{program}\n{RUN}", {}))
    assert {check["name"]: check["outcome"] for check in said["checks"]} == {
        **dict.fromkeys(NAMES[:-1], OK),
        "scope": UNKNOWN,
    }


RUN = 'runpy.run_module("shared.validation.explain", run_name="__main__")'


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"environ": {}}, {"AzureAd__TenantId", "AzureAd__ClientId"}),
        ({"environ": {**ENVIRON, "AzureAd__AlowedClients": "hunter2"}}, {"AzureAd__AlowedClients"}),
        ({"keys": []}, {"--keys"}),
        ({"keys": {}}, {"--keys"}),
        ({"keys": "hunter2"}, {"--keys"}),
    ],
)
def test_wrong_settings_and_keys_are_named_and_the_shape_is_shown(changes: dict[str, Any], named: set[str]) -> None:
    found = answer({"token": token(), "environ": ENVIRON, "keys": None, "values": False, **changes})
    assert set(found) == {"shape", "problems"}
    assert set(found["problems"]) == named
    assert "hunter2" not in str(found)


def test_a_key_set_is_read_as_the_api_reads_it() -> None:
    jwks = {"keys": [public_jwk(STRANGER.public_key(), kid="key")]}
    assert outcomes(checks(token(), parse_key_set(jwks))) == {FAILED: [], UNKNOWN: []}
