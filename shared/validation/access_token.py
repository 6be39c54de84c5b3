"""Validates a caller's bearer token: the signature first, then the claims. Only getting a key may cause I/O.

The checks are those of https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import InvalidToken
from ..settings import Authority, Tenants, TokenSettings
from .kinds_of_user import Agent, admitted_agent, check_no_user_account, client_of

if TYPE_CHECKING:
    from .jws import SigningKey

LEEWAY_SECONDS = 60
# Claims that only a user's token has:
_OF_A_USER = frozenset({"scp", "name", "preferred_username", "upn", "unique_name", "amr", "nonce"})


class Keys(Protocol):
    """All that validation of a token needs of `SigningKeys`. services.py puts the two together."""

    def get(self, key_id: str) -> SigningKey: ...


class _Validated:
    """The content of a validated access token, and the key that signed it. The token itself is not kept."""

    __slots__ = (
        *("agent", "authority", "expires_at", "key", "key_id", "name_in_log", "object_id", "payload"),
        *("prompts_for_consent", "scopes"),
    )

    def __init__(
        self,
        payload: bytes,
        expires_at: float,
        scopes: frozenset[str],
        key_id: str,
        key: SigningKey,
        object_id: str,
        name_in_log: str,
        authority: Authority,
        agent: Agent | None = None,
        *,
        prompts_for_consent: bool = False,
    ) -> None:
        self.payload = payload  # the claims as they came: a tenth of the memory of a parsed dict
        self.expires_at, self.scopes = expires_at, scopes
        self.key_id, self.key = key_id, key
        self.object_id = object_id  # `oid`: at hand without parsing, because most functions ask for it
        self.name_in_log = name_in_log  # a pseudonym, unless AzureAd__EnablePiiLogging
        self.authority = authority  # the user's tenant: the token is exchanged there, and the user signs in there again
        self.agent = agent  # the agent that calls for the user, or None
        self.prompts_for_consent = prompts_for_consent  # the client is one of AzureAd__ConsentPromptClients

    def claims(self) -> dict[str, Any]:
        """The claims, parsed anew at each call."""
        parsed: dict[str, Any] = json.loads(self.payload)
        return parsed

    def roles(self) -> frozenset[str]:
        """The app roles (`roles`) that the user, or the application, has in this API."""
        return _texts_in(self.claims().get("roles"))


class ValidatedToken(_Validated):
    """A validated access token of a user."""

    __slots__ = ()

    def auth_contexts(self) -> frozenset[str]:
        """The Conditional Access authentication contexts that the user has satisfied (`acrs`)."""
        return _texts_in(self.claims().get("acrs"))


class ValidatedAppToken(_Validated):
    """A validated access token of an application. Such a token has no user, and is never a ValidatedToken."""

    __slots__ = ()

    def client_id(self) -> str:
        """The client id of the application (`azp`, or `appid` in version 1.0)."""
        return str(client_of(self.claims()))


class AccessTokenValidator:
    """Validates access tokens that Entra issued to this API for a signed-in user or for an application."""

    def __init__(self, authority: Authority, accepted: TokenSettings, keys: Keys, now: Callable[[], float]) -> None:
        self._accepted, self._keys, self._now = accepted, keys, now
        self._client_id = authority.client_id
        self._tenants = Tenants(authority, accepted.allowed_tenants)

    def validate(self, bearer: str) -> ValidatedToken | ValidatedAppToken:
        """Validates a bearer token. The type of the result says whose token it is.

        Raises:
            InvalidToken: the token is malformed, forged, expired, or meant for another API or tenant. Or its claims do
                not clearly say whether it is a user's or an application's.
            UserTokenRequired: the token is genuine, but belongs to an agent that acts without a user.
            GuestNotAllowed, AgentUserNotAllowed: the token is genuine, but users of this kind may not call.
            ServiceUnavailable: Entra's signing keys cannot be had.
        """
        from .jws import key_id_of, parse_segment

        key_id = key_id_of(bearer)
        key = self._keys.get(key_id)
        payload = key.verify(bearer)
        claims = parse_segment(payload)
        authority = self._check_issuer(claims, key)
        self._check_audience(claims)
        expires_at = self._check_time(claims)
        kind, oid, name = _kind_of(claims), claims["oid"], self._name_in_log(claims, authority)
        if kind is ValidatedAppToken:
            check_no_user_account(claims)
            return ValidatedAppToken(payload, expires_at, frozenset(), key_id, key, oid, name, authority)
        agent, scopes = admitted_agent(claims, self._accepted), _split_scopes(claims["scp"])
        prompts = client_of(claims) in self._accepted.consent_prompt_clients
        return ValidatedToken(
            payload, expires_at, scopes, key_id, key, oid, name, authority, agent, prompts_for_consent=prompts
        )

    def _check_issuer(self, claims: Mapping[str, Any], key: SigningKey) -> Authority:
        """The authority of the token's tenant.

        The token's issuer, and one issuer listed with its signing key, must be that tenant's. A multi-tenant key list
        also holds keys that serve a single tenant. So the key's issuer is compared, too:
        https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer
        """
        authority = self._tenants.find(claims.get("tid"))
        if authority is None:
            from .refusals import why_tenant

            raise InvalidToken(reason=why_tenant(claims.get("tid"), several=bool(self._accepted.allowed_tenants)))
        issuer = key.published_by or authority.issuer
        if (claims.get("ver"), claims.get("iss")) not in (("1.0", authority.v1_issuer), ("2.0", issuer)):
            from .refusals import why_issuer

            issuers = {"1.0": authority.v1_issuer, "2.0": issuer}
            raise InvalidToken(reason=why_issuer(claims.get("ver"), claims.get("iss"), issuers))
        # The key's issuer need not equal the token's: for a version 1.0 token, the key may list the 2.0 issuer.
        if not key.may_sign_for((claims["iss"], issuer), authority.tenant_id, by_name=authority.among_several):
            raise InvalidToken(reason="issuer of the signing key: the key is not one of this tenant")
        return authority

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        if claims.get("aud") not in self._accepted.audiences:
            from .refusals import why_audience

            raise InvalidToken(reason=why_audience(claims, self._accepted.audiences, self._client_id))
        client = client_of(claims)
        if self._accepted.allowed_clients and client not in self._accepted.allowed_clients:
            raise InvalidToken(reason="client application: not one of AzureAd__AllowedClients")

    def _check_time(self, claims: Mapping[str, Any]) -> float:
        valid_from, expires_at = max(_seconds(claims, "iat"), _seconds(claims, "nbf")), _seconds(claims, "exp")
        now = self._now()
        if now >= expires_at + LEEWAY_SECONDS:
            raise InvalidToken(reason="expired")
        if now < valid_from - LEEWAY_SECONDS:
            raise InvalidToken(reason="not yet valid: the clock of this computer may be slow")
        return float(expires_at + LEEWAY_SECONDS)

    def _name_in_log(self, claims: Mapping[str, Any], authority: Authority) -> str:
        """A pseudonym, or the object id itself if `AzureAd__EnablePiiLogging` is on.

        Only somebody who knows the object id of a user can tell whose pseudonym it is.
        """
        if self._accepted.enable_pii_logging:
            return str(claims["oid"])
        return hashlib.sha256(f"{authority.client_id} {claims['tid']} {claims['oid']}".encode()).hexdigest()[:16]


def _is_identifier(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _texts_in(value: object) -> frozenset[str]:
    """The texts in a list. The set is empty if the claim is no list, even if it is a single text."""
    return frozenset(filter(_is_text, value)) if isinstance(value, list) else frozenset()


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 < value < 1 << 40:  # Entra sends whole seconds; `type`, because a bool is an int
        raise InvalidToken(reason=f"{name} missing or not a time")
    return value


def _kind_of(claims: Mapping[str, Any]) -> type[ValidatedToken | ValidatedAppToken]:
    """Whether the token is a user's or an application's.

    A user's token has `scp`. An application's token has none, its `sub` is its `oid`, and it names its client. A token
    whose `sub` equals its `oid`, but that has `scp`, is a user's only if `idtyp` is `user`. An ID token has neither
    `scp` nor a client.

    If a token has `idtyp`, that claim must agree with the others. The registration that infra/ creates requests
    `idtyp`.
    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference

    Raises:
        InvalidToken: the token is not clearly one of the two.
    """
    if not (_is_identifier(claims.get("oid")) and _is_identifier(claims.get("sub"))):
        raise InvalidToken(reason="no subject")
    if "cnf" in claims:  # the token is bound to a key, and a bearer header proves no key (RFC 7800)
        raise InvalidToken(reason="proof-of-possession token")
    idtyp, scopes = claims.get("idtyp", ""), claims.get("scp")
    sub_is_oid = claims["sub"] == claims["oid"]
    if isinstance(scopes, str) and scopes.strip(" ") and (idtyp == "user" or (idtyp == "" and not sub_is_oid)):
        return ValidatedToken
    is_app = sub_is_oid and _is_identifier(client_of(claims)) and _OF_A_USER.isdisjoint(claims)
    if is_app and idtyp in ("", "app"):
        return ValidatedAppToken
    from .refusals import why_no_kind

    raise InvalidToken(reason=why_no_kind(claims))


@lru_cache(maxsize=256)
def _split_scopes(scopes: str) -> frozenset[str]:
    """The scopes. Cached, because few different scope strings occur in a tenant."""
    return frozenset(filter(None, scopes.split(" ")))  # RFC 6749 §3.3: only a space separates scopes
