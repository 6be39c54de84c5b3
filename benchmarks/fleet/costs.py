"""What one of each costs: measured on this machine, or taken from a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Costs:
    """Seconds of one core, and bytes."""

    known_seconds: float  # a token whose session is held: found, its signing key checked, its downstream token read
    validation_seconds: float  # of a new token
    exchange_seconds: float  # this process's part of an exchange; the 80 ms or so that Entra takes cost no CPU
    shared_hit_seconds: float  # a token found in Redis: key derived, GET, opened
    shared_new_seconds: float  # what Redis adds to an exchange: looked for, locked, sealed, put, unlocked
    session_bytes: float  # of one session without what was exchanged
    token_bytes: float  # of one exchanged token in it
    entry_bytes: float  # of one entry in Redis, with Redis's own share
    store: str  # what stood for Redis

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


def read(path: Path) -> Costs:
    """Costs that `--save-costs` wrote. Raises ValueError naming what is wrong with them."""
    given = json.loads(path.read_text(encoding="utf-8"))
    names = {field.name for field in fields(Costs)}
    if not isinstance(given, dict) or set(given) != names:
        raise ValueError(f"{path} must be an object with exactly {', '.join(sorted(names))}")
    numbers = {name: given[name] for name in names - {"store"}}
    wrong = [name for name, number in numbers.items() if not isinstance(number, (int, float)) or number < 0]
    if wrong or not isinstance(given["store"], str):
        raise ValueError(f"{path}: {', '.join(sorted(wrong)) or 'store'} is not what it must be")
    return Costs(**{name: float(number) for name, number in numbers.items()}, store=given["store"])
