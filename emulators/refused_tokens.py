"""Access tokens that an API no longer accepts, without a reason: 401, and no claims challenge."""

from __future__ import annotations

import threading
from collections import OrderedDict

from .requests_io import fingerprint

KEPT = 10_000
"""Tokens that an API remembers to have seen; the oldest are forgotten first."""


class RefusedTokens:
    """What one API knows of the tokens it was shown. Safe across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, bool] = OrderedDict()

    def refuse_seen(self) -> int:
        """Refuses every token that was seen before, and returns their number. New tokens are accepted."""
        with self._lock:
            for token in self._seen:
                self._seen[token] = False
            return len(self._seen)

    def accepts(self, token: str) -> bool:
        """Whether this token is accepted still. It counts as seen from now on."""
        with self._lock:
            accepted = self._seen.setdefault(fingerprint(token), True)
            if len(self._seen) > KEPT:
                self._seen.popitem(last=False)
            return accepted
