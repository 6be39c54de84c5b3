"""The validation of one access token by itself, with given keys and a clock that stands still."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import InvalidToken
from shared.settings.settings import Settings
from shared.validation.access_token import AccessTokenValidator, ValidatedAppToken, ValidatedToken
from shared.validation.jws import SigningKey
from tests.support.clock import Clock
from tests.support.tokens import STRANGER, signed

from .test_settings import CLIENT, GOOD, TENANT

NOW = int(Clock()())
ISSUER = f"https://login.microsoftonline.com/{TENANT}/v2.0"
CLAIMS: dict[str, Any] = {
    "aud": CLIENT,
    "iss": ISSUER,
    "ver": "2.0",
    "tid": TENANT,
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 3600,
    "oid": "object-of-alice",
    "sub": "subject-of-alice",
    "azp": "client",
    "scp": "access_as_user",
}


def validated(changes: dict[str, Any] | None = None, issuer: str = ISSUER, **settings: str) -> Any:
    """The validated token of these claims with the changes. None removes a claim."""

    class Keys:
        def get(self, key_id: str) -> SigningKey:
            assert key_id == "key"
            return SigningKey(STRANGER.public_key(), frozenset({issuer}))

    claims = {name: value for name, value in {**CLAIMS, **(changes or {})}.items() if value is not None}
    made = Settings.from_environ({**GOOD, **settings})
    validator = AccessTokenValidator(made.authority, made.tokens, Keys(), Clock())
    return validator.validate(signed({"alg": "RS256", "kid": "key"}, claims))


def test_what_a_token_says_in_the_end() -> None:
    token = validated()
    assert (token.expires_at, token.scopes, token.key_id) == (NOW + 3660, frozenset({"access_as_user"}), "key")
    assert token.claims() == json.loads(token.payload) == CLAIMS
    assert token.key == SigningKey(STRANGER.public_key(), frozenset({ISSUER}))


@pytest.mark.parametrize("issuer", ["", ISSUER, "https://login.microsoftonline.com/{tenantid}/v2.0"])
def test_the_key_vouches_for_this_issuer(issuer: str) -> None:
    assert validated(issuer=issuer)
    v1 = {"ver": "1.0", "iss": f"https://sts.windows.net/{TENANT}/", "appid": "client", "azp": None}
    assert validated(v1, issuer=issuer)


@pytest.mark.parametrize(
    "issuer",
    [
        f"https://login.microsoftonline.com/{CLIENT}/v2.0",
        "https://login.microsoftonline.us/{tenantid}/v2.0",
        f"{ISSUER}/",
        f"https://login.microsoftonline.com/x/{TENANT}/v2.0",
    ],
)
def test_a_key_for_another_issuer_vouches_for_nothing(issuer: str) -> None:
    with pytest.raises(InvalidToken, match="issuer of the signing key"):
        validated(issuer=issuer)


@pytest.mark.parametrize("name", ["iat", "nbf", "exp"])
@pytest.mark.parametrize("value", [0, -1, 1 << 40, True, 1.5, "1800000000", None])
def test_what_is_not_a_time_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidToken, match=f"{name} missing or not a time"):
        validated({name: value})


def test_the_first_and_the_last_second_are_times() -> None:
    assert validated({"iat": 1, "nbf": 1, "exp": (1 << 40) - 1}).expires_at == (1 << 40) + 59


@pytest.mark.parametrize("name", ["oid", "sub"])
@pytest.mark.parametrize("value", ["", "caf\u00e9", "a\nb", "a\x00", "\u202e", 7, ["a"], {}, True, None])
def test_what_is_not_an_identifier_is_no_subject(name: str, value: object) -> None:
    with pytest.raises(InvalidToken, match="no subject"):
        validated({name: value})


APP = {"scp": None, "sub": CLAIMS["oid"]}


@pytest.mark.parametrize("idtyp", [None, "app"])
def test_a_token_of_an_application_is_told_apart(idtyp: str | None) -> None:
    token = validated({**APP, "idtyp": idtyp})
    assert isinstance(token, ValidatedAppToken)
    assert not isinstance(token, ValidatedToken)
    assert (token.client_id(), token.scopes) == (CLAIMS["azp"], frozenset())


NEITHER: dict[str, dict[str, Any]] = {
    "no scope": {"scp": None},
    "an empty scope": {"scp": ""},
    "a scope of spaces": {"scp": "  "},
    "a list of scopes": {"scp": ["access_as_user"]},
    "a user without a scope": {"scp": None, "idtyp": "user", "sub": "another"},
    "a user without a scope, who is its own subject": {**APP, "idtyp": "user"},
    "no client, as in an ID token": {**APP, "azp": None},
    "no client, but it says app": {**APP, "azp": None, "idtyp": "app"},
    "a client that is a number": {**APP, "azp": 5, "appid": "client"},
    "the client claim of the other version": {**APP, "azp": None, "appid": "client"},
    "says app and has a scope": {**APP, "scp": "access_as_user", "idtyp": "app"},
    "says app and has an empty scope": {**APP, "scp": "", "idtyp": "app"},
    "says app and has another subject": {**APP, "sub": "another", "idtyp": "app"},
    "a user's scope, but it says app": {"idtyp": "app"},
    "does not say what it is, and has a scope and itself as the subject": {**APP, "scp": "access_as_user"},
    "idtyp as a list": {**APP, "idtyp": ["app"]},
    "idtyp as a list, with a scope": {"idtyp": ["user"]},
    "idtyp in capitals": {**APP, "idtyp": "App"},
    "another idtyp": {**APP, "idtyp": "device"},
    "another idtyp, with a scope": {"idtyp": "device"},
    "idtyp true": {**APP, "idtyp": True},
    **{f"an application with {name}": {**APP, name: "x"} for name in ("name", "preferred_username", "upn", "nonce")},
    "an application that signed in with a password": {**APP, "idtyp": "app", "amr": ["pwd"]},
    "an application with a name that says app": {**APP, "idtyp": "app", "unique_name": "x"},
}


@pytest.mark.parametrize("row", NEITHER)
def test_what_is_neither_a_users_nor_an_applications_is_refused(row: str) -> None:
    with pytest.raises(InvalidToken, match="not an access token of a user or of an application"):
        validated(NEITHER[row])


@pytest.mark.parametrize("idtyp", [None, "user"])
def test_a_token_of_a_user_may_say_so(idtyp: str | None) -> None:
    assert type(validated({"idtyp": idtyp})) is ValidatedToken


@pytest.mark.parametrize(
    ("roles", "held"),
    [
        (["Jobs.Run", "Jobs.Run"], {"Jobs.Run"}),
        (["Jobs.Run", 5, None, ["x"]], {"Jobs.Run"}),
        ("Jobs.Run", set()),
        ({"Jobs.Run": 1}, set()),
        (None, set()),
    ],
)
@pytest.mark.parametrize("kind", [{}, APP])
def test_roles_are_a_list_of_texts(kind: dict[str, Any], roles: object, held: set[str]) -> None:
    assert validated({**kind, "roles": roles}).roles() == held


@pytest.mark.parametrize(
    ("acrs", "contexts"),
    [
        (["c1", "c2", "c1"], {"c1", "c2"}),
        (["c1", 5, None, ["c2"]], {"c1"}),
        ([], set()),
        ("c1", set()),
        ({"c1": 1}, set()),
        (None, set()),
    ],
)
def test_the_authentication_contexts_are_a_list_of_texts(acrs: object, contexts: set[str]) -> None:
    assert validated({"acrs": acrs}).auth_contexts() == contexts


def test_a_user_has_one_pseudonym_per_api_and_tenant_unless_names_are_wanted() -> None:
    name = validated().name_in_log
    assert name == validated({"sub": "another", "exp": NOW + 5}).name_in_log
    assert name != validated({"oid": "object-of-olga"}).name_in_log
    assert name != validated(AzureAd__ClientId=TENANT, AzureAd__Audiences=CLIENT).name_in_log
    assert (len(name), set(name) <= set("0123456789abcdef")) == (16, True)
    assert validated(AzureAd__EnablePiiLogging="true").name_in_log == CLAIMS["oid"]
