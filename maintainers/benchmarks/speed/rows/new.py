"""A new token: the check of its signature and claims."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import cycle
from time import time

import jwt

from emulators.applications import API_ID
from shared.services import Services
from shared.settings.settings import Settings
from shared.validation.access_token import AccessTokenValidator

from ..msal_peer import AUTHORITY
from ..raw import verifying
from ..result import Result, compared
from ..rounds import in_turns
from ..tenant import tenant


def measure(quick: bool) -> Iterator[Result]:
    """Ours against `jwt.decode`, which is given the key and checks signature, times, audience and issuer."""
    with tenant() as there:
        for row, padding, count in (("new", 0, 400), ("new-28k", 19_400, 50)):
            yield _compared(row, there.tokens(count // 20 if quick else count, padding), quick)


def _compared(row: str, tokens: Sequence[str], quick: bool) -> Result:
    services = Services(Settings.from_environ(os.environ))
    settings = services.settings
    validator = AccessTokenValidator(settings.authority, settings.tokens, services.signing_keys, time)
    key = validator.validate(tokens[0]).key.key
    mine, theirs = cycle(tokens), cycle(tokens)
    calls = {
        "ours": lambda: validator.validate(next(mine)),
        "peer": lambda: jwt.decode(
            next(theirs), key, algorithms=["RS256"], audience=API_ID, issuer=f"{AUTHORITY}/v2.0"
        ),
        "floor": verifying(tokens[0], key),
    }
    taken = in_turns(calls, 3 if quick else 25, quick)
    return compared(row, "time", taken["ours"], taken["peer"], taken["floor"])
