"""What answers say together: pure, so every moment can be named."""

from __future__ import annotations

import pytest

from shared.key_set import SigningKey
from shared.known_keys import DIFFERENCE_COUNTS_SECONDS, MAX_AGE_SECONDS, SECOND_LOOK_SECONDS, KnownKeys
from tests.tokens import STRANGER

KEY = SigningKey(STRANGER.public_key())


def told(*answers: tuple[float, str]) -> KnownKeys:
    """What is known after answers that listed these key ids, a letter each, at these moments."""
    known = KnownKeys()
    for at, listed in answers:
        known = known.after(dict.fromkeys(listed, KEY), at)
    return known


@pytest.mark.parametrize(
    ("answers", "usable"),
    [
        ([(0, "ab")], "ab"),
        ([(0, "ab"), (100, "b")], "ab"),
        ([(0, "ab"), (100, "b"), (100 + SECOND_LOOK_SECONDS, "b")], "b"),
        ([(0, "ab"), (100, "b"), (99 + SECOND_LOOK_SECONDS, "b")], "ab"),
        ([(0, "ab"), (100, "b"), (102, "b"), (100 + SECOND_LOOK_SECONDS, "b")], "b"),
        ([(0, "ab"), (100, "b"), (110, "ab"), (120, "b")], "ab"),
        ([(0, "ab"), (100, "b"), (110, "a")], "ab"),
        ([(0, "ab"), (100, "b"), (110, "a"), (120, "b")], "ab"),
        ([(0, "ab"), (100, "bc"), (110, "bc")], "bc"),
        ([(0, "ab"), (100, ""), (110, "")], ""),
        ([(0, "ab"), (100, ""), (110, "a")], "a"),
    ],
)
def test_two_answers_some_seconds_apart_withdraw_a_key(answers: list[tuple[float, str]], usable: str) -> None:
    assert sorted(told(*answers).keys) == sorted(usable)


def test_a_missed_key_is_good_until_two_hours_after_it_was_listed() -> None:
    known = told((1000, "ab"), (1500, "b"))
    end = 1000 + 2 * MAX_AGE_SECONDS
    assert (known.is_good("a", end - 1), known.is_good("a", end), known.is_good("b", end)) == (True, False, True)
    assert not known.is_good("c", 1500)


def test_a_key_that_changed_is_replaced_at_once() -> None:
    for_another = SigningKey(STRANGER.public_key(), frozenset({"https://login.example/t/v2.0"}))
    known = told((0, "a")).after({"a": for_another}, 1)
    assert known.keys == {"a": for_another}


def test_a_key_that_did_not_change_stays_the_same_object() -> None:
    known = told((0, "a")).after({"a": SigningKey(STRANGER.public_key())}, 1)
    assert known.keys["a"] is KEY


def test_the_second_look_comes_soon_after_the_first_miss_and_else_in_an_hour() -> None:
    assert told((10, "a")).refresh_at() == 10 + MAX_AGE_SECONDS
    assert told((10, "ab"), (20, "a")).refresh_at() == 20 + SECOND_LOOK_SECONDS
    assert told((10, "ab"), (20, "a"), (22, "a")).refresh_at() == 20 + SECOND_LOOK_SECONDS
    assert told((10, "ab"), (20, "a"), (30, "a")).refresh_at() == 30 + MAX_AGE_SECONDS


@pytest.mark.parametrize(
    ("answers", "until"),
    [
        ([(0, "a"), (59, "b")], 60),
        ([(0, "a"), (60, "b")], None),
        ([(0, "a"), (30, "a"), (50, "b")], 90),
        ([(0, "a"), (50, "b"), (100, "b")], 60),
        ([(0, "ab"), (10, "b"), (20, "ab")], 70),
    ],
)
def test_answers_differ_while_two_of_the_last_minute_do(answers: list[tuple[float, str]], until: float | None) -> None:
    assert DIFFERENCE_COUNTS_SECONDS == 60
    assert told(*answers).differ_until == (float("-inf") if until is None else until)


def test_answers_are_kept_for_a_minute_only() -> None:
    known = told(*((float(at), "ab"[at // 10 % 2]) for at in range(0, 10_000, 10)))
    assert len(known._answers) <= 7
