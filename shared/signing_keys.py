"""Entra's signing keys by key id: fetched once, refreshed in the background, asked for unknown ids now and then.

Keys roll over without notice; tokens signed by a withdrawn key must stop working:
https://learn.microsoft.com/entra/identity-platform/signing-key-rollover
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .errors import InvalidToken, ServerMisconfigured, ServiceUnavailable
from .metadata import EntraBusyError, UnknownTenantError
from .single_flight import WAIT_SECONDS, SingleFlight
from .transport import TransportError

if TYPE_CHECKING:
    from .key_set import SigningKey

MAX_AGE_SECONDS = 3600.0  # older keys are refreshed beside the requests; twice as old ones before the next request
COOLDOWN_SECONDS = 30.0  # between two fetches for unknown key ids; begins with the attempt, whatever comes of it
FAILED_COOLDOWN_SECONDS = 5.0  # the same after a fetch that failed
EMPTY_COOLDOWN_SECONDS = 2.0  # the same while there is no key at all: then every caller is waiting for one
MAX_RETRY_AFTER_SECONDS = 60.0  # what Entra asks for is obeyed up to here: without keys nobody gets in
FAILURE_COUNTS_SECONDS = 60.0  # so long nobody waits much for another try, where old keys can stand in
A_MOMENT_SECONDS = (
    2.0  # how long an unknown key id waits for a fetch while others are known, or an old key just after a failure
)
_FETCH = "signing keys"

log = logging.getLogger(__name__)


class SigningKeys:
    """The signing keys of one authority. Thread-safe.

    A known id does not wait for the network, unless nobody came for two hours: a key withdrawn meanwhile must not open
    the door once more. When Entra is down the last good set stays.
    """

    def __init__(self, fetch: Callable[[], Mapping[str, SigningKey]], now: Callable[[], float]) -> None:
        """`fetch`: see Metadata.fetch_keys."""
        self._fetch_keys, self._now = fetch, now
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at = self._next_fetch = self._failed_at = float("-inf")
        self._unknown_tenant = False
        self._fetches: SingleFlight[str, None] = SingleFlight()

    def get(self, key_id: str) -> SigningKey:
        """The key with this id.

        Raises:
            InvalidToken: Entra knows no such key.
            ServiceUnavailable: the keys could not be fetched, so it may be one of Entra's.
            ServerMisconfigured: Entra does not know the tenant.
        """
        is_certain = True
        if not self._keys:
            is_certain = self._wait_for_fetch(WAIT_SECONDS)
        elif self._age() >= 2 * MAX_AGE_SECONDS:
            is_certain = self._wait_for_fetch(A_MOMENT_SECONDS if self._has_failed_lately() else WAIT_SECONDS)
        elif key_id in self._keys:
            self._refresh_if_old()
        elif self._last_failed():  # strangers must not make threads wait for an Entra that does not answer
            self._start_fetch()
        else:
            is_certain = self._wait_for_fetch(A_MOMENT_SECONDS)
        key = self._keys.get(key_id)
        if key is not None:
            return key
        if not self._keys and self._unknown_tenant:
            raise ServerMisconfigured(reason="Entra does not know the tenant, or the instance is not Entra")
        if not self._keys or self._last_failed() or not is_certain:
            wait = max(1, math.ceil(self._next_fetch - self._now()))
            raise ServiceUnavailable(retry_after=wait, reason="signing keys could not be fetched")
        raise InvalidToken(reason="unknown signing key")

    def still_valid(self, key_id: str, key: SigningKey) -> bool:
        """Whether Entra still publishes this key, as far as known; old knowledge is refreshed in the background."""
        self._refresh_if_old()
        current = self._keys.get(key_id)
        return current is key or current == key

    def _age(self) -> float:
        return self._now() - self._fetched_at

    def _last_failed(self) -> bool:
        return self._failed_at > float("-inf")

    def _has_failed_lately(self) -> bool:
        return self._last_failed() and self._now() - self._failed_at < FAILURE_COUNTS_SECONDS

    def _wait_for_fetch(self, seconds: float) -> bool:
        """Whether a fetch that was due or under way has ended within so many seconds; True when there is none."""
        try:
            if self._now() >= self._next_fetch:
                self._fetches.do_beside(_FETCH, self._fetch_unless_just_tried, wait=seconds)
            else:
                self._fetches.join(_FETCH, wait=seconds)
        except ServiceUnavailable:
            return False
        return True

    def _refresh_if_old(self) -> None:
        if self._age() >= MAX_AGE_SECONDS:
            self._start_fetch()

    def _start_fetch(self) -> None:
        if self._now() >= self._next_fetch:
            self._fetches.start(_FETCH, self._fetch_unless_just_tried)

    def _fetch_unless_just_tried(self) -> None:
        if self._now() >= self._next_fetch:
            self._fetch()

    def _fetch(self) -> None:
        started = self._now()
        self._next_fetch = started + (COOLDOWN_SECONDS if self._keys else EMPTY_COOLDOWN_SECONDS)
        try:
            keys = self._fetch_keys()
        except (TransportError, ValueError) as error:
            self._failed_at, self._unknown_tenant = self._now(), isinstance(error, UnknownTenantError)
            self._next_fetch = self._failed_at + (FAILED_COOLDOWN_SECONDS if self._keys else EMPTY_COOLDOWN_SECONDS)
            log.warning("signing keys: fetch failed (%s); keeping the %d known", type(error).__name__, len(self._keys))
            if isinstance(error, EntraBusyError):
                self._next_fetch = max(self._next_fetch, self._now() + min(error.seconds, MAX_RETRY_AFTER_SECONDS))
            return
        self._keys = {key_id: _same_if_equal(self._keys.get(key_id), key) for key_id, key in keys.items()}
        self._fetched_at, self._failed_at = started, float("-inf")
        self._next_fetch = started + COOLDOWN_SECONDS


def _same_if_equal(known: SigningKey | None, fetched: SigningKey) -> SigningKey:
    """Keeps the object of a key that did not change, so that sessions can compare by identity."""
    return known if known == fetched and known is not None else fetched
