"""What one of each costs: measured on this machine, or taken from a file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Costs:
    """Seconds of one core, and bytes."""

    known_seconds: float  # a whole request whose session and downstream token are held, with its line in the log
    validation_seconds: float  # of a new token, in addition
    exchange_seconds: float  # this process's part of an exchange; the 80 ms or so that Entra takes cost no CPU
    shared_hit_seconds: float  # a token found in Redis: key derived, get, opened
    shared_new_seconds: float  # what Redis adds to an exchange: get, get_or_lock, sealed, put
    session_bytes: float  # of one session without what was exchanged
    token_bytes: float  # of one exchanged token in it
    entry_bytes: float  # of one entry in Redis, with Redis's own share
    store: str  # what stood for Redis
    machine: str  # on which all this was measured

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


def read(path: Path) -> Costs:
    """Costs that `--save-costs` wrote. Raises ValueError naming what is wrong with them."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {os.path.abspath(path)}") from error
    except OSError as error:
        raise ValueError(f"{os.path.abspath(path)} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: it must be what --save-costs wrote") from error
    names = {field.name for field in fields(Costs)}
    if not isinstance(given, dict) or set(given) != names:
        raise ValueError(f"{path} must be an object with exactly {', '.join(sorted(names))}")
    words = {"store", "machine"}
    numbers = {name: given[name] for name in names - words}
    wrong = [name for name, number in numbers.items() if not isinstance(number, (int, float)) or number < 0]
    wrong += [name for name in words if not isinstance(given[name], str)]
    if wrong:
        raise ValueError(f"{path}: {', '.join(sorted(wrong))} is not what it must be")
    return Costs(**{**given, **{name: float(number) for name, number in numbers.items()}})
