"""What several responses of Entra together say about its keys. Every time is given; there is no server and no clock."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.validation.jws import SigningKey
from shared.validation.signing_keys import KnownKeys
from tests.support.tokens import STRANGER

HOUR = 3600.0
A = SigningKey(STRANGER.public_key())
B = SigningKey(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())
BOTH = {"a": A, "b": B}


def test_nothing_is_known_at_first() -> None:
    known = KnownKeys()
    assert not known.is_good("a", 0)
    assert known.is_too_old(0)


def test_keys_are_refreshed_after_an_hour_and_too_old_after_two() -> None:
    known = KnownKeys().after({"a": A}, 1000)
    assert (known.is_good("a", 9e9), known.is_good("b", 1000)) == (True, False)
    assert known.refresh_at() == 1000 + HOUR
    assert not known.is_too_old(1000 + 2 * HOUR - 0.1)
    assert known.is_too_old(1000 + 2 * HOUR)


def test_one_response_withdraws_nothing_and_a_second_one_five_seconds_later_does() -> None:
    known = KnownKeys().after(BOTH, 1000).after({"b": B}, 1010)
    assert (known.is_good("a", 1010), known.is_good("b", 9e9), known.is_good("z", 1010)) == (True, True, False)
    assert known.refresh_at() == 1015
    early = known.after({"b": B}, 1014.9)
    assert early.is_good("a", 1014.9)
    assert early.refresh_at() == 1015  # the first miss counts, not the second
    assert not early.after({"b": B}, 1015).is_good("a", 1015)
    assert set(known.after({"b": B}, 1015).keys) == {"b"}


def test_of_two_keys_that_are_missed_the_first_is_looked_for_first() -> None:
    third = {"c": SigningKey(B.key, frozenset({"c"}))}
    known = KnownKeys().after({**BOTH, **third}, 1000).after({"b": B, **third}, 1010).after(third, 1012)
    assert known.refresh_at() == 1015


def test_a_key_that_is_listed_again_was_never_missed() -> None:
    known = KnownKeys().after(BOTH, 1000).after({"b": B}, 1010).after(BOTH, 1016)
    assert known.is_good("a", 1016 + 3 * HOUR)
    assert known.refresh_at() == 1016 + HOUR
    assert known.after({"b": B}, 1030).is_good("a", 1030)


def test_a_missed_key_is_good_for_two_hours_since_it_was_listed() -> None:
    known = KnownKeys().after(BOTH, 1000).after({"b": B}, 1010)
    assert known.is_good("a", 1000 + 2 * HOUR - 0.1)
    assert not known.is_good("a", 1000 + 2 * HOUR)
    still = known.after({"b": B}, 1012)
    assert not still.is_good("a", 1000 + 2 * HOUR)  # a second response without it does not make it valid for longer


@pytest.mark.parametrize(("later", "differ"), [(59.9, True), (60.0, False)])
def test_responses_of_one_minute_that_differ_leave_room_for_an_unknown_key(later: float, differ: bool) -> None:
    known = KnownKeys().after({"a": A}, 1000).after(BOTH, 1000 + later)
    assert (known.differ_until > 1000 + later) == differ
    if differ:
        assert known.differ_until == 1060


def test_equal_responses_do_not_differ_and_the_latest_difference_counts() -> None:
    known = KnownKeys().after(BOTH, 1000).after(dict(BOTH), 1010)
    assert known.differ_until < 0
    known = known.after({"a": A}, 1020).after({"a": A}, 1030)
    assert known.differ_until == 1070  # 60 s after the last response that differed


def test_the_object_of_a_key_stays_while_the_key_does() -> None:
    """Sessions compare by identity first."""
    same, changed = SigningKey(A.key), SigningKey(A.key, frozenset({"https://login.example"}))
    known = KnownKeys().after({"a": A}, 1000)
    assert known.after({"a": same}, 1010).keys["a"] is A
    assert known.after({"a": changed}, 1010).keys["a"] is changed
    assert known.after({"a": A, "b": B}, 1010).keys["b"] is B
