"""Entra's signing keys by key id: fetched once, refreshed in the background, asked for unknown ids now and then.

Keys roll over without notice; tokens signed by a withdrawn key must stop working:
https://learn.microsoft.com/entra/identity-platform/signing-key-rollover
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .errors import InvalidToken, ServiceUnavailable
from .single_flight import WAIT_SECONDS, SingleFlight
from .transport import Transport, TransportError

MAX_AGE_SECONDS = 3600.0  # older keys are refreshed beside the requests; twice as old ones before the next request
COOLDOWN_SECONDS = 30.0  # between two fetches for unknown key ids; begins with the attempt, whatever comes of it
EMPTY_COOLDOWN_SECONDS = 2.0  # the same while there is no key at all: then every caller is waiting for one
FOLLOWER_SECONDS = 2.0  # how long an unknown key id waits for a fetch under way, while others are known
_MIN_KEY_BITS = 2048

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SigningKey:
    """One public key, and the issuer for whose tokens it may be used (`{tenantid}` in it stands for any tenant)."""

    key: RSAPublicKey
    issuer: str

    def may_sign_for(self, tenant_id: str) -> bool:
        return not self.issuer or f"/{tenant_id}/" in self.issuer.replace("{tenantid}", tenant_id) + "/"


class SigningKeys:
    """The signing keys of one authority, such as `https://login.microsoftonline.com/{tenant}`. Thread-safe.

    A known id does not wait for the network, unless nobody came for two hours: a key withdrawn meanwhile must not open
    the door once more. When Entra is down the last good set stays.
    """

    def __init__(self, authority: str, transport: Transport, now: Callable[[], float]) -> None:
        self._authority, self._transport, self._now = authority, transport, now
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at = self._next_fetch = float("-inf")
        self._fetches: SingleFlight[str, None] = SingleFlight()

    def get(self, key_id: str) -> SigningKey:
        """The key with this id.

        Raises:
            InvalidToken: Entra knows no such key.
            ServiceUnavailable: no key could be fetched yet.
        """
        if key_id not in self._keys or self._age() >= 2 * MAX_AGE_SECONDS:
            wait = FOLLOWER_SECONDS if self._keys else WAIT_SECONDS
            with suppress(ServiceUnavailable):  # another thread is still waiting for Entra: judge by what is known
                self._fetches.do("signing keys", self._fetch_unless_just_tried, wait=wait)
        else:
            self._refresh_if_old()
        key = self._keys.get(key_id)
        if key is not None:
            return key
        if not self._keys:
            raise ServiceUnavailable(retry_after=int(EMPTY_COOLDOWN_SECONDS), reason="no signing keys from Entra")
        raise InvalidToken(reason="unknown signing key")

    def still_valid(self, key_id: str, key: SigningKey) -> bool:
        """Whether Entra still publishes this key, as far as known; old knowledge is refreshed in the background."""
        self._refresh_if_old()
        current = self._keys.get(key_id)
        return current is key or current == key

    def _age(self) -> float:
        return self._now() - self._fetched_at

    def _refresh_if_old(self) -> None:
        if self._age() >= MAX_AGE_SECONDS and self._now() >= self._next_fetch:
            self._fetches.start("signing keys", self._fetch_unless_just_tried)

    def _fetch_unless_just_tried(self) -> None:
        if self._now() >= self._next_fetch:
            self._fetch()

    def _fetch(self) -> None:
        started = self._now()
        self._next_fetch = started + (COOLDOWN_SECONDS if self._keys else EMPTY_COOLDOWN_SECONDS)
        try:
            keys = parse_key_set(self._get_json(self._jwks_uri()))
        except (TransportError, ValueError) as error:
            log.warning("signing keys: fetch failed (%s); keeping the %d known", type(error).__name__, len(self._keys))
            return
        self._keys = {key_id: _same_if_equal(self._keys.get(key_id), key) for key_id, key in keys.items()}
        self._fetched_at, self._next_fetch = started, started + COOLDOWN_SECONDS

    def _jwks_uri(self) -> str:
        """From OpenID Connect Discovery 1.0 §4; trusted only on the authority's own host."""
        uri = self._get_json(f"{self._authority}/v2.0/.well-known/openid-configuration").get("jwks_uri")
        if not isinstance(uri, str) or urlsplit(uri)[:2] != urlsplit(self._authority)[:2]:
            raise ValueError("jwks_uri is not on the authority's host")
        return uri

    def _get_json(self, url: str) -> dict[str, Any]:
        answer = self._transport.send("GET", url)
        document = answer.json() if answer.status_code == 200 else None
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        return document


def parse_key_set(document: Mapping[str, Any]) -> dict[str, SigningKey]:
    """The usable keys of a JWKS (RFC 7517 §5): RSA, for signatures, 2048 bits or more. Others are passed over.

    Raises:
        ValueError: it holds no usable key.
    """
    entries = document.get("keys")
    keys: dict[str, SigningKey] = {}
    for entry in entries if isinstance(entries, list) else ():
        key = _parse_key(entry)
        if key is not None:
            keys[entry["kid"]] = key
    if not keys:
        raise ValueError("no usable signing key")
    return keys


def _parse_key(entry: Any) -> SigningKey | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
        return None
    try:
        key = jwt.PyJWK(entry, algorithm="RS256").key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    usable = isinstance(key, RSAPublicKey) and key.key_size >= _MIN_KEY_BITS
    return SigningKey(key, str(entry.get("issuer", ""))) if usable else None


def _same_if_equal(known: SigningKey | None, fetched: SigningKey) -> SigningKey:
    """Keeps the object of a key that did not change, so that sessions can compare by identity."""
    return known if known == fetched and known is not None else fetched
