"""A first level with many users in it, to measure Sessions. Its tokens are not from Entra.

A hundred thousand genuine tokens would take minutes to sign and validate. A known token is not validated again. So the
validator and the exchanger are stand-ins here that make claims and tokens of the usual size.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Sequence
from copy import copy

from shared.exchange.downstream_token import DownstreamToken
from shared.services import Services
from shared.sessions import Sessions
from shared.validation.access_token import ValidatedToken

TOKEN_CHARS = 2000  # of a downstream token
SCOPES = ("https://graph.microsoft.com/.default",)
_SAMPLE = 2000  # users who come again, of however many there are


class Population:
    """Sessions of users who differ in their claims and tokens."""

    def __init__(self, services: Services, token: str, max_sessions: int = 0) -> None:
        """`token`: a genuine one, after which the others are made. `max_sessions`: instead of both bounds in force."""
        settings = services.settings
        bounds = (max_sessions, 10**12) if max_sessions else (settings.max_sessions, settings.max_session_bytes)
        self._model = services.sessions.open(token).access_token
        self._oid = self._model.claims()["oid"].encode()
        self._head, self._ends_at = token[:-8], time.time() + 3600
        self.sessions = Sessions(self, services.signing_keys, self, time.time, *bounds)

    def bearer(self, number: int) -> str:
        """The token of one of them."""
        return f"{self._head}{number:08}"

    def come(self, numbers: Sequence[int]) -> None:
        """Each of them is let in and gets a downstream token."""
        for number in numbers:
            bearer = self.bearer(number)
            self.sessions.token_for(self.sessions.open(bearer), bearer, SCOPES, correlation_id="")

    def regulars(self, count: int) -> Callable[[], str]:
        """The bearer of one of the first `count`, another one at each call."""
        sample = random.Random(1).sample(range(count), min(count, _SAMPLE))  # noqa: S311 — the same in each run
        bearers, at = [self.bearer(number) for number in sample], -1

        def next_one() -> str:
            nonlocal at
            at = (at + 1) % len(bearers)
            return bearers[at]

        return next_one

    def validate(self, token: str) -> ValidatedToken:  # noqa: ARG002
        """The stand-in for the validator."""
        one = copy(self._model)
        one.object_id = str(uuid.uuid4())
        one.payload = one.payload.replace(self._oid, one.object_id.encode())
        return one

    def exchange(self, *_: object, **__: object) -> DownstreamToken:
        """The stand-in for Entra."""
        text = f"{uuid.uuid4().hex:0<{TOKEN_CHARS}}"
        return DownstreamToken(text, self._ends_at, self._ends_at - 300)
