"""What is called: a plan, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

KNOWN, ELSEWHERE, FIRST, NEW, BAD = "known", "known elsewhere", "first of an API", "new", "bad"
KINDS = (KNOWN, ELSEWHERE, FIRST, NEW, BAD)
"""The first three are known tokens: for this API at this process, at another process only, or for another API only."""
SHARE_NEW, SHARE_BAD = 0.04, 0.01
SCOPE_SETS = {
    "/api/me": "Microsoft Graph: User.Read email openid profile",
    "/api/orders": "Orders API: Orders.Read Orders.Write",
}
"""What each path needs a token for, as Entra's audit trail has it: two downstream APIs, so two scope sets."""
PATHS = tuple(SCOPE_SETS)

_SETTLED = 50  # requests after which a token that was new is called a known one


@dataclass(frozen=True)
class Step:
    """One call. `token` is the number of a token; a bad one is that token with another signature."""

    number: int
    kind: str
    token: int
    process: int
    path: str

    @property
    def expected(self) -> int:
        """The only right status."""
        return 401 if self.kind == BAD else 200


def warm_up(tokens: int, processes: int) -> list[Step]:
    """Every token at every process for every path, so that all of them are known."""
    each = [(token, process, path) for token in range(tokens) for path in PATHS for process in range(processes)]
    return [Step(number, NEW, *step) for number, step in enumerate(each)]


def plan(count: int, known: int, processes: int, seed: int, first: int) -> list[Step]:
    """So many calls, numbered from `first`, round robin; tokens below `known` are known everywhere."""
    return list(_steps(count, known, processes, random.Random(seed), first))  # noqa: S311 — a load


def _steps(count: int, known: int, processes: int, chance: random.Random, first: int) -> Iterator[Step]:
    tokens, born = known, dict.fromkeys(range(known), -_SETTLED)
    used = {(token, path, process) for token in range(known) for path in PATHS for process in range(processes)}
    settled = known
    for at in range(count):
        while settled < tokens and born[settled] + _SETTLED <= at:
            settled += 1
        dice, process, path = chance.random(), at % processes, chance.choice(PATHS)
        if dice < SHARE_NEW:
            kind, token, born[tokens] = NEW, tokens, at
            tokens += 1
        else:
            token = chance.randrange(settled)
            here = (token, path, process) in used
            there = any((token, path, other) in used for other in range(processes))
            known_as = KNOWN if here else ELSEWHERE if there else FIRST
            kind = BAD if dice < SHARE_NEW + SHARE_BAD else known_as
        if kind != BAD:
            used.add((token, path, process))
        yield Step(first + at, kind, token, process, path)
