"""Entra's signing keys by key id. Keys are cached, refreshed in the background, and fetched for unknown key ids.

Keys roll over without notice; tokens signed by a withdrawn key must stop working:
https://learn.microsoft.com/entra/identity-platform/signing-key-rollover

What `SigningKeys.get` does depends on what is known. The first row that fits counts.

    what is known              what happens
    -------------------------  -----------------------------------------------------------------------------------
    no key at all              Waits for a fetch. If that brings no key: 503, or 500 for an unknown tenant.
    keys of two hours ago      Waits for a fetch, but only 2 s if a fetch failed in the last minute. Then the rows
                               below count.
    the key, and the last      Returns the key.
    list has it
    the key, but the last      Returns the key for two hours after the last list that had it. A second list without
    list lacks it              the key, 5 s later, ends that. After two hours: waits 2 s for a list, then 503 or 401.
    other keys, and the last   503 at once.
    fetch failed
    other keys                 Waits half a second for a fetch, which is started at most every 30 s. If the key is
                               still unknown: 503 if the fetch failed or is unfinished, or if lists of the last
                               minute differ; otherwise 401.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidToken, ServerMisconfigured, ServiceUnavailable
from ..net import WAIT_SECONDS, SingleFlight, TransportError, WaitedTooLongError
from .metadata import EntraBusyError, UnknownTenantError, why_no_keys

if TYPE_CHECKING:
    from .jws import SigningKey

MAX_AGE_SECONDS = 3600.0  # older keys are refreshed in the background; after twice this time, before the next request
NEXT_FETCH_SECONDS = 5.0  # after a failed fetch, or a list without a known key; in that case the next list decides
RECENT_SECONDS = 60.0  # for so long, a failed fetch shortens waits, and two differing lists turn a 401 into a 503
COOLDOWN_SECONDS = 30.0  # between the starts of two fetches for unknown key ids
EMPTY_COOLDOWN_SECONDS = 2.0  # between two fetches while no key is known, and every caller waits for one
MAX_METADATA_RETRY_AFTER_SECONDS = 60.0  # a longer Retry-After is cut: without keys no request succeeds
# The longest waits for a fetch, counted from its start:
SHORT_WAIT_SECONDS = 2.0  # after a failed fetch with usable old keys, or for a second list
UNKNOWN_KEY_WAIT_SECONDS = 0.5  # with an unknown key id: forged tokens must not hold the threads that known tokens need
NEVER = float("-inf")
_FETCH = "signing keys"
log = logging.getLogger(__name__)


class _Miss(NamedTuple):
    """A key that the last list lacked: since when, and until when it may still be used."""

    since: float
    good_until: float


class _Listing(NamedTuple):
    at: float
    keys: Mapping[str, SigningKey]


class KnownKeys(NamedTuple):
    """What Entra's latest key lists say together. Callers pass times in Unix seconds.

    During a rollover Entra's servers disagree for a while: one lists a key, the next does not. So one list withdraws
    no key. A second list that lacks the key, some seconds later, withdraws it.
    """

    keys: Mapping[str, SigningKey] = {}
    fetched_at: float = NEVER
    differ_until: float = NEVER
    """Until this time an unknown key id may still be valid, because two recent lists differ."""
    missed: Mapping[str, _Miss] = {}
    """The keys that the last list lacked. `keys` still holds them."""
    recent: tuple[_Listing, ...] = ()
    """The lists of the last minute."""

    def is_good(self, key_id: str, now: float) -> bool:
        """Whether the key with this id may be used without another fetch."""
        if not self.missed:
            return key_id in self.keys
        miss = self.missed.get(key_id)
        return key_id in self.keys and (miss is None or now < miss.good_until)

    def is_too_old(self, now: float) -> bool:
        """Whether the list is so old that it must be fetched again before any key is used."""
        return not self.keys or now >= self.fetched_at + 2 * MAX_AGE_SECONDS

    def refresh_at(self) -> float:
        """The time of the next refresh."""
        second_looks = [miss.since + NEXT_FETCH_SECONDS for miss in self.missed.values()]
        return min(second_looks, default=self.fetched_at + MAX_AGE_SECONDS)

    def after(self, listed: Mapping[str, SigningKey], at: float) -> KnownKeys:
        """What is known after this list, which was fetched at `at`."""
        keys = {key_id: _same_if_equal(self.keys.get(key_id), key) for key_id, key in listed.items()}
        missed: dict[str, _Miss] = {}
        for key_id in self.keys.keys() - listed.keys():
            miss = self.missed.get(key_id)
            if miss is None or at < miss.since + NEXT_FETCH_SECONDS:
                keys[key_id] = self.keys[key_id]
                missed[key_id] = miss or _Miss(at, self.fetched_at + 2 * MAX_AGE_SECONDS)
        recent = tuple(each for each in self.recent if at < each.at + RECENT_SECONDS)
        differing = [each.at + RECENT_SECONDS for each in recent if each.keys != listed]
        return KnownKeys(keys, at, max([self.differ_until, *differing]), missed, (*recent, _Listing(at, listed)))


def _same_if_equal(known: SigningKey | None, listed: SigningKey) -> SigningKey:
    """Keeps the object of a key that did not change, so that sessions can compare by identity."""
    return known if known is not None and known == listed else listed


class SigningKeys:
    """The signing keys of one authority. Thread-safe. While Entra is down, the last good list is used."""

    def __init__(self, fetch: Callable[[], Mapping[str, SigningKey]], now: Callable[[], float]) -> None:
        """`fetch` is Metadata.fetch_keys."""
        self._fetch_keys, self._now = fetch, now
        self._known = KnownKeys()
        self._refresh_at = self._next_for_unknown = self._failed_at = NEVER
        self._began_at: float | None = None
        self._unknown_tenant, self._why_failed = False, ""
        self._fetches: SingleFlight[str, None] = SingleFlight()

    def fetch_early(self) -> None:
        """Starts a fetch before a token needs a key, if no key is known. An earlier failure counts no more."""
        if not self._known.keys:
            self._failed_at = NEVER
            self._fetches.run_in_background(_FETCH, self._fetch_first)

    def get(self, key_id: str) -> SigningKey:
        """The key with this id.

        Raises:
            InvalidToken: Entra knows no such key.
            ServiceUnavailable: the keys could not be fetched. Or Entra's recent lists disagree about this key.
            ServerMisconfigured: Entra does not know the tenant.
        """
        known, now = self._known, self._now()
        if known.is_good(key_id, now) and not known.is_too_old(now):
            if now >= self._refresh_at:
                self._fetches.run_in_background(_FETCH, self._refresh)
            return known.keys[key_id]
        return self._choose(key_id, ended=self._wait_for_news(key_id, known, now))

    def still_valid(self, key_id: str, key: SigningKey) -> bool | None:
        """Whether the key may still be used. None if the last list is too old to tell. Then call `get`, which waits."""
        known, now = self._known, self._now()
        # A failed fetch postpones `_refresh_at`. Until then the keys stay in use, even if their list is very old.
        if now >= self._refresh_at:
            self._fetches.run_in_background(_FETCH, self._refresh)
            if known.keys and known.is_too_old(now) and now - self._failed_at >= RECENT_SECONDS:
                return None
        current = known.keys.get(key_id)
        return (current is key or current == key) and (not known.missed or known.is_good(key_id, now))

    def _choose(self, key_id: str, ended: bool) -> SigningKey:
        """The key, or the error, after all waiting. `ended`: False if a fetch still ran when the wait was over."""
        known, now = self._known, self._now()
        if known.is_good(key_id, now):
            return known.keys[key_id]
        if not known.keys and self._unknown_tenant:
            raise ServerMisconfigured(reason=f"signing keys: {self._why_failed}")
        if not ended:
            raise ServiceUnavailable(retry_after=1, reason="signing keys are being fetched")
        needs_refresh = not known.keys or key_id in known.keys  # a known key never waits for a fetch for unknown ids
        due = self._refresh_at if needs_refresh else min(self._refresh_at, self._next_for_unknown)
        wait = math.ceil(max(1.0, due - now))  # `due` may be minus infinity: no fetch was tried
        if not known.keys or self._last_fetch_failed:
            reason = f"signing keys could not be fetched ({self._why_failed or 'not tried again yet'})"
            raise ServiceUnavailable(retry_after=wait, reason=reason)
        if key_id in known.keys or now < known.differ_until:
            raise ServiceUnavailable(retry_after=wait, reason="Entra's key lists differ")
        raise InvalidToken(reason="unknown signing key")

    def _wait_for_news(self, key_id: str, known: KnownKeys, now: float) -> bool:
        """Waits as the table above says. Returns False if the wait ran out.

        First comes a refresh, if the last list is too old, or lacks this key although an earlier list had it. If the id
        is unknown after that, a fetch for unknown ids follows.
        """
        ended, is_too_old = True, known.is_too_old(now)
        if key_id in known.keys or is_too_old:
            can_wait_long = not known.keys or (is_too_old and now - self._failed_at >= RECENT_SECONDS)
            ended = self._wait(self._refresh, self._refresh_at, WAIT_SECONDS if can_wait_long else SHORT_WAIT_SECONDS)
        is_unknown = bool(self._known.keys) and key_id not in self._known.keys
        return self._wait_for_unknown(key_id) if ended and is_unknown else ended

    def _wait_for_unknown(self, key_id: str) -> bool:
        """Fetches the keys for an unknown id, if a fetch is allowed now. Returns False if the wait ran out.

        After a failed fetch, nobody waits: the fetch runs in the background, for later requests.
        """
        for _ in range(2):  # twice: the first wait may have joined a refresh that began too early
            if self._last_fetch_failed:
                if self._now() >= self._next_for_unknown:
                    self._fetches.run_in_background(_FETCH, self._fetch_for_unknown)
                return True
            if not self._wait(self._fetch_for_unknown, self._next_for_unknown, UNKNOWN_KEY_WAIT_SECONDS):
                return False
            if key_id in self._known.keys or self._now() < self._next_for_unknown:
                return True
        return True

    def _wait(self, fetch: Callable[[], None], due: float, seconds: float) -> bool:
        """Waits for the running fetch, or starts `fetch` if it is due.

        Returns:
            False if the fetch has not ended `seconds` after it began.
        """
        now, began = self._now(), self._began_at
        left = seconds if began is None else max(0.0, began + seconds - now)
        try:
            if now >= due:
                self._fetches.wait_in_background(_FETCH, fetch, wait=left)
            else:
                self._fetches.join(_FETCH, wait=left)
        except WaitedTooLongError:
            return False
        return True

    def broken_at(self) -> float:
        """While no key is known: the time of the last fetch without one. Otherwise NEVER. Starts nothing."""
        return NEVER if self._known.keys else max(self._failed_at, self._known.fetched_at)

    @property
    def _last_fetch_failed(self) -> bool:
        return self._failed_at > NEVER

    def _fetch_first(self) -> None:
        if not self._known.keys:  # another thread may just have fetched them
            self._fetch()

    def _refresh(self) -> None:
        if self._now() >= self._refresh_at:  # another thread may just have done it
            self._fetch()

    def _fetch_for_unknown(self) -> None:
        if self._now() >= self._next_for_unknown:
            self._next_for_unknown = self._now() + COOLDOWN_SECONDS
            self._fetch()

    def _fetch(self) -> None:
        started = self._began_at = self._now()
        try:
            listed = self._fetch_keys()
        except (TransportError, ValueError) as error:
            self._note_failure(error)
        else:
            self._note_list(listed, started)
        finally:
            self._began_at = None

    def _note_failure(self, error: Exception) -> None:
        count, now = len(self._known.keys), self._now()
        self._failed_at, self._unknown_tenant = now, isinstance(error, UnknownTenantError)
        next_try = now + (NEXT_FETCH_SECONDS if count else EMPTY_COOLDOWN_SECONDS)
        self._why_failed = why_no_keys(error)
        log.warning("signing keys: fetch failed (%s); keeping the %d known", self._why_failed, count)
        if isinstance(error, EntraBusyError):
            next_try = max(next_try, now + min(error.seconds, MAX_METADATA_RETRY_AFTER_SECONDS))
        self._refresh_at, self._next_for_unknown = max(self._refresh_at, next_try), next_try

    def _note_list(self, listed: Mapping[str, SigningKey], at: float) -> None:
        self._known, self._failed_at, self._unknown_tenant = self._known.after(listed, at), NEVER, False
        self._refresh_at = self._known.refresh_at() if self._known.keys else at + EMPTY_COOLDOWN_SECONDS
        if not listed:
            log.warning("signing keys: Entra lists none that may sign; keeping the %d known", len(self._known.keys))
