"""Explains a token: its shape, and each check of its validation in order. `dev.py explain` runs it; no request does.

The API's own checks run one after the other. The reason of a refusal tells which one failed.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from ..errors import ApiError, InsufficientScope, InvalidToken, MissingToken, SettingsError
from ..settings import Settings, is_guid
from .access_token import LEEWAY_SECONDS, AccessTokenValidator, ValidatedAppToken, _kind_of, _split_scopes
from .jws import ALGORITHM, MAX_TOKEN_CHARS, SigningKey, key_id_of, parse_key_set, parse_segment
from .kinds_of_user import admitted_agent, check_no_user_account, client_of
from .refusals import ALGORITHMS, is_bearer_token, why_no_bearer

OK, FAILED, UNKNOWN = "ok", "FAILED", "unknown"
_RENAMED = {"not a compact JWS": "form", "not a JSON object": "header"}  # the head of a reason → the check
_TIMES = ("iat", "nbf", "exp", "auth_time")
_MAX_NAME, _MAX_VALUE = 64, 400  # characters that are shown

_EXPECTED = {
    "form": f"three segments of base64url, {MAX_TOKEN_CHARS} characters at most",
    "header": f"alg {ALGORITHM}, and no key or rule of the sender's own",
    "type": "typ JWT or at+jwt, or none",
    "key id": "a kid",
    "signature": "by a key that Entra publishes for the tenant",
    "claims": "a JSON object",
    "tenant": "AzureAd__TenantId, or one of AzureAd__AllowedTenants",
    "issuer": "that of the tenant at AzureAd__Instance, in the version of ver",
    "issuer of the signing key": "that of the tenant",
    "audience": "one of AzureAd__Audiences",
    "default audience": "AzureAd__ClientId, or api:// and this id",
    "client application": "one of AzureAd__AllowedClients, if there are any",
    "times": f"iat, nbf and exp, now and {LEEWAY_SECONDS} seconds around",
    "kind": "an access token of a user, or of an application",
    "user": "a person, or whoever AzureAd__AllowGuests and AzureAd__AllowAgentUsers let in",
    "scope": "one of AzureAd__Scopes, unless the function names others",
}
"""Each check, in order → what the API wants to see. The default audience holds if AzureAd__Audiences is not set."""

_ADVICE = {
    "form": "Copy the whole access token without quotes: three parts with dots between, and no code or refresh token.",
    "header": "Get the token from Entra's v2.0 token endpoint, for a scope of this API.",
    "type": "Send an access token.",
    "key id": "Get the token from Entra.",
    "signature": "Have the client ask for a scope of this API, and pass the token on unchanged.",
    "claims": "Get a new token from Entra.",
    "tenant": "Sign in at the tenant of AzureAd__TenantId. For users of several, set organizations and AllowedTenants.",
    "issuer": "Compare AzureAd__Instance and AzureAd__TenantId with iss and ver: --values shows them.",
    "issuer of the signing key": "Compare the tenant of the token with the key set.",
    "audience": "Have the client ask for api://{client id of this API}/{scope}, or correct AzureAd__Audiences.",
    "default audience": "Have the client ask for api://{client id of this API}/{scope}, or correct AzureAd__ClientId.",
    "client application": "Add the client id to AzureAd__AllowedClients, or call with a client that is listed.",
    "times": "Get a new token. If it is new, correct the clock of the computer that checks it.",
    "kind": "Send the access token for this API, not the ID token. The client must ask for a scope of this API.",
    "user": "Let another account call, or change the setting that is named under `expected`.",
    "scope": "Have the client ask for the scope at sign-in, and have it consented to.",
}
"""What to change, by check."""


class Check(NamedTuple):
    """One check. `seen` names a kind, and no value. `reply` is the status and code that the API responds with."""

    name: str
    outcome: str
    seen: str = ""
    expected: str = ""
    advice: str = ""
    reply: str = ""


def explained(
    token: str, settings: Settings, keys: Mapping[str, SigningKey] | None, now: Callable[[], float], *, values: bool
) -> list[Check]:
    """Every check of a bearer token, in the order of the API. A check after a failed one still runs if it can.

    Args:
        keys: the published keys by key id. None: there are none, and the signature is not checked.
        values: whether `expected` shows the values of settings.
    """
    return [_complete(check, settings, values) for check in _Explanation(token, settings, keys, now).checks()]


class _Explanation:
    def __init__(
        self, token: str, settings: Settings, keys: Mapping[str, SigningKey] | None, now: Callable[[], float]
    ) -> None:
        self._token, self._settings, self._keys = token, settings, keys
        self._validator = AccessTokenValidator(settings.authority, settings.tokens, cast(Any, None), now)
        self._key: SigningKey | None = None

    def checks(self) -> Iterator[Check]:
        form = list(self._form())
        yield from form
        yield self._signature(is_sound=all(check.outcome == OK for check in form))
        claims = claims_of(self._token)
        if claims is None:
            is_told = form[0].outcome == FAILED
            yield Check("claims", UNKNOWN if is_told else FAILED, "they cannot be read", reply=_reply(InvalidToken()))
            return
        yield Check("claims", OK, f"{len(claims)} claims")
        yield from self._issuer(claims)
        yield from self._others({"ver": "2.0", **claims})  # without ver, the issuer is refused

    def _form(self) -> Iterator[Check]:
        seen = self._seen_in_header()
        if is_bearer_token(self._token):
            yield from _checks(lambda: key_id_of(self._token), seen)
            return
        yield Check("form", FAILED, why_no_bearer(f"Bearer {self._token}"), reply=_reply(MissingToken()))
        yield from (Check(name, UNKNOWN, "not reached") for name in seen if name != "form")

    def _seen_in_header(self) -> dict[str, str]:
        header = _segment(self._token, 0) or {}
        alg, typ = (_shown("header", name, header.get(name), values=False) for name in ("alg", "typ"))
        typ = f"typ {typ}" if "typ" in header else "no typ"
        return {"form": "three segments", "header": f"alg {alg}", "type": typ, "key id": "a kid"}

    def _signature(self, *, is_sound: bool) -> Check:
        if not is_sound:
            return Check("signature", UNKNOWN, "not checked, because of the header")
        if self._keys is None:
            return Check("signature", UNKNOWN, "not checked: there is no key set")
        self._key = key = self._keys.get(key_id_of(self._token))
        if key is None:
            return Check("signature", FAILED, "the key set has no key with this kid", reply=_reply(InvalidToken()))
        (check,) = _checks(lambda: key.verify(self._token), {"signature": "a valid one"})
        return check

    def _issuer(self, claims: Mapping[str, Any]) -> Iterator[Check]:
        tenant, issuer = (_kind(name, claims.get(name)) for name in ("tid", "iss"))
        key = self._key or cast(SigningKey, _AnyKey(self._settings, claims))
        seen = {"tenant": tenant, "issuer": issuer, "issuer of the signing key": "a key of this tenant"}
        *checks, of_key = _checks(lambda: self._validator._check_issuer(claims, key), seen)
        yield from checks
        is_guess = self._key is None and of_key.outcome == OK
        yield of_key._replace(outcome=UNKNOWN, seen="not checked: there is no key") if is_guess else of_key

    def _others(self, claims: Mapping[str, Any]) -> Iterator[Check]:
        validator, client = self._validator, _kind("azp", client_of(claims))
        seen = {"audience": _kind("aud", claims.get("aud")), "client application": client}
        yield from _checks(lambda: validator._check_audience(claims), seen)
        (times,) = _checks(lambda: validator._check_time(claims), {"times": "valid"})
        yield times._replace(seen=f"{times.seen}{_until(claims.get('exp'), validator._now())}")
        (kind,) = _checks(lambda: _kind_of(claims), {"kind": "a user's"})
        if kind.outcome == FAILED:
            yield from (kind, *(Check(name, UNKNOWN, "not reached") for name in ("user", "scope")))
        elif _kind_of(claims) is ValidatedAppToken:
            yield kind._replace(seen="an application's")
            yield from _checks(lambda: check_no_user_account(claims), {"user": "an application"})
            yield Check("scope", UNKNOWN, "an application has none; each function names its roles")
        else:
            yield kind
            yield from _checks(lambda: admitted_agent(claims, self._settings.tokens), {"user": "one of these"})
            yield self._scope(_split_scopes(claims["scp"]))

    def _scope(self, scopes: frozenset[str]) -> Check:
        required = self._settings.scopes
        if not required:
            return Check("scope", UNKNOWN, "AzureAd__Scopes is not set; each function names its own")
        if scopes.isdisjoint(required):
            return Check("scope", FAILED, "none of them", reply=_reply(InsufficientScope(required)))
        return Check("scope", OK, "one of them")


class _AnyKey:
    """A stand-in for a key that is not known. This one may sign for every issuer."""

    def __init__(self, settings: Settings, claims: Mapping[str, Any]) -> None:
        self.published_by = settings.authority.discovered_issuer(claims.get("iss"))

    def may_sign_for(self, *_: object, **__: object) -> bool:
        return True


def _checks(run: Callable[[], object], seen: Mapping[str, str]) -> Iterator[Check]:
    """The outcome of checks that one function makes in this order. `seen`: what each check sees if it passes."""
    names = list(seen)
    try:
        run()
    except ApiError as error:
        head, _, told = error.reason.partition(": ")
        failed = _RENAMED.get(head, head)
        number = names.index(failed) if failed in names else len(names) - 1
        yield from (Check(name, OK, seen[name]) for name in names[:number])
        yield Check(names[number], FAILED, told if told and failed in names else error.reason, reply=_reply(error))
        yield from (Check(name, UNKNOWN, "not reached") for name in names[number + 1 :])
    else:
        yield from (Check(name, OK, kind) for name, kind in seen.items())


def _until(end: object, now: float) -> str:
    """How long ago the token ended, or when it will."""
    if type(end) is not int:
        return ""
    minutes = round(abs(end - now) / 60)
    return f"; it ended {minutes} min ago" if end <= now else f"; it ends in {minutes} min"


def _complete(check: Check, settings: Settings, values: bool) -> Check:
    """The check with what was expected and, after a failure, what to change."""
    own = settings.authority.client_id
    is_default = check.name == "audience" and settings.tokens.audiences == (own, f"api://{own}")
    words = "default audience" if is_default else check.name
    given = f" ({' '.join(_given(check.name, settings))})" if values and _given(check.name, settings) else ""
    advice = _ADVICE[words] if check.outcome == FAILED else ""
    return check._replace(expected=_EXPECTED[words] + given, advice=advice)


def _given(name: str, settings: Settings) -> tuple[str, ...]:
    """The values of the settings that a check compares with."""
    authority, tokens = settings.authority, settings.tokens
    return {
        "tenant": tokens.allowed_tenants or (authority.tenant_id,),
        "issuer": (authority.issuer, authority.v1_issuer),
        "audience": tokens.audiences,
        "client application": tokens.allowed_clients,
        "scope": settings.scopes,
    }.get(name, ())


def _reply(error: ApiError) -> str:
    return f"{error.status} {error.code}"


def claims_of(token: str) -> dict[str, Any] | None:
    """The claims, without a check of the signature. None if the claims cannot be read."""
    return _segment(token, 1)


def _segment(token: str, number: int) -> dict[str, Any] | None:
    segments = token.split(".")
    if len(token) > MAX_TOKEN_CHARS or len(segments) != 3 or not is_bearer_token(token):
        return None
    try:
        return parse_segment(base64.urlsafe_b64decode(segments[number] + "=" * (-len(segments[number]) % 4)))
    except (InvalidToken, ValueError):
        return None


def shape_of(token: str, *, values: bool) -> dict[str, dict[str, str]]:
    """The names in header and claims, each with the kind of its value. With `values`, each has the value itself."""
    parts = {"header": _segment(token, 0), "claims": _segment(token, 1)}
    return {
        part: {_shown_name(name): _shown(part, name, value, values) for name, value in sorted(members.items())}
        for part, members in parts.items()
        if members is not None
    }


def _shown_name(name: str) -> str:
    """The name, made safe: a forged token may hold anything, such as what a terminal would take for a command."""
    return name if name.isprintable() and 0 < len(name) <= _MAX_NAME else ascii(name[:_MAX_NAME])


def _shown(part: str, name: str, value: object, values: bool) -> str:
    if values:
        text = json.dumps(value)
        return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}..."
    if part == "header" and value in (*ALGORITHMS, "JWT", "at+jwt"):
        return str(value)
    return _kind(name, value)


def _kind(name: str, value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true or false"
    if isinstance(value, (int, float)):
        return "time" if name in _TIMES else "number"
    if isinstance(value, list):
        return f"list of {len(value)}"
    if not isinstance(value, str):
        return "object"
    if is_guid(value):
        return "GUID"
    return "address" if value.startswith(("https://", "http://", "api://")) else "text"


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """What `dev.py explain` shows.

    Args:
        question: `token`; `environ`, with the settings; `keys`, a JWKS or None; `values`, whether to show values.

    Returns:
        `shape`, and `checks`, or `problems` if settings or keys are wrong.
    """
    token, values = question["token"], bool(question.get("values"))
    found: dict[str, Any] = {"shape": shape_of(token, values=values)}
    environ = {name: value for name, value in question["environ"].items() if _is_about_tokens(name)}
    try:
        settings = Settings.from_environ(environ)
        keys = None if question.get("keys") is None else parse_key_set(question["keys"])
    except SettingsError as error:
        return {**found, "problems": error.problems}
    except (ValueError, AttributeError):
        return {**found, "problems": {"--keys": "is no JWKS: a JSON object with a list `keys`"}}
    checks = explained(token, settings, keys, time.time, values=values)
    return {**found, "checks": [check._asdict() for check in checks]}


def _is_about_tokens(name: str) -> bool:
    """Whether a setting says which tokens are accepted. Other settings may need what exists only in Azure."""
    return name.lower().startswith("azuread__") and not name.lower().startswith(
        ("azuread__clientc", "azuread__clients")
    )


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
