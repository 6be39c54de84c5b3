"""What Entra's key lists of the last minutes say together. No I/O and no clock: times are arguments.

During a rollover Entra's servers disagree for a while: one lists a key, the next does not. So one list withdraws
nothing; a second one that lacks the key, some seconds later, does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .key_set import SigningKey

MAX_AGE_SECONDS = 3600.0  # older keys are refreshed in the background; twice as old ones before the next request
SECOND_LOOK_SECONDS = 5.0  # after a list that lacks a key: the next list decides whether it is withdrawn
DIFFERENCE_COUNTS_SECONDS = 60.0  # lists that differ within this time: Entra's servers disagree

NEVER = float("-inf")


class _Miss(NamedTuple):
    """A key that the last list lacked: since when, and until when it may still be used."""

    since: float
    good_until: float


class _Answer(NamedTuple):
    at: float
    keys: Mapping[str, SigningKey]


@dataclass(frozen=True)
class KnownKeys:
    """What is known at one moment. Times are in seconds since the epoch."""

    keys: Mapping[str, SigningKey] = field(default_factory=dict)
    fetched_at: float = NEVER
    differ_until: float = NEVER
    """Until then two lists of the last minute differ, so an unknown key id may still be valid."""
    missed: Mapping[str, _Miss] = field(default_factory=dict)
    """Those of `keys` that the last list lacked."""
    _answers: tuple[_Answer, ...] = ()
    """Those of the last minute."""

    def is_good(self, key_id: str, now: float) -> bool:
        """Whether the key with this id may be used without another look at what Entra lists."""
        if not self.missed:
            return key_id in self.keys
        miss = self.missed.get(key_id)
        return key_id in self.keys and (miss is None or now < miss.good_until)

    def is_too_old(self, now: float) -> bool:
        """Whether a key could have been withdrawn so long ago that the list must be fetched before any is used."""
        return not self.keys or now >= self.fetched_at + 2 * MAX_AGE_SECONDS

    def refresh_at(self) -> float:
        """When to ask again, if nothing else makes it necessary."""
        second_looks = [miss.since + SECOND_LOOK_SECONDS for miss in self.missed.values()]
        return min(second_looks, default=self.fetched_at + MAX_AGE_SECONDS)

    def after(self, listed: Mapping[str, SigningKey], at: float) -> KnownKeys:
        """What is known after a list that was fetched at this time."""
        keys = {key_id: _same_if_equal(self.keys.get(key_id), key) for key_id, key in listed.items()}
        missed: dict[str, _Miss] = {}
        for key_id in self.keys.keys() - listed.keys():
            miss = self.missed.get(key_id)
            if miss is None or at < miss.since + SECOND_LOOK_SECONDS:
                keys[key_id] = self.keys[key_id]
                missed[key_id] = miss or _Miss(at, self.fetched_at + 2 * MAX_AGE_SECONDS)
        recent = tuple(response for response in self._answers if at < response.at + DIFFERENCE_COUNTS_SECONDS)
        differing = [response.at + DIFFERENCE_COUNTS_SECONDS for response in recent if response.keys != listed]
        return KnownKeys(keys, at, max([self.differ_until, *differing]), missed, (*recent, _Answer(at, listed)))


def _same_if_equal(known: SigningKey | None, listed: SigningKey) -> SigningKey:
    """Keeps the object of a key that did not change, so that sessions can compare by identity."""
    return known if known is not None and known == listed else listed
