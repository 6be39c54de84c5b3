"""Which class is tried when, with how many inputs: each of them early, and then all of them at length."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .case import Case

FIRST = 20  # inputs of each class in the first round; every round has twice as many, up to the full number
FULL = 500
SLOW = {"HTTP": 200, "answers of Entra": 100, "answers of an API": 200}


@dataclass(frozen=True)
class Turn:
    """One class's part of one round; with the same seed and inputs it is the same again."""

    case: Case
    seed: int
    inputs: int
    weigh: bool


def full(case: Case, *, weigh: bool) -> int:
    """As many inputs as one turn has; a fifth while memory is weighed, which is so much slower."""
    return SLOW.get(case.name, FULL) // (5 if weigh else 1)


def turns(cases: Sequence[Case], seed: int, seconds: float, now: Callable[[], float]) -> Iterator[Turn]:
    """The first round whole, however short the time; then as many turns as fit. Every fourth round weighs memory."""
    end = now() + seconds
    for number in itertools.count():
        weigh = number % 4 == 3
        for case in cases:
            if number and now() >= end:
                return
            yield Turn(case, seed + number, min(FIRST << min(number, 9), full(case, weigh=weigh)), weigh)
