"""Header and claims of the tokens that the emulated Entra issued or verified. The token itself is never kept."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections import OrderedDict
from typing import Any

from ..requests_io import fingerprint

MAX_TOKENS = 400
MAX_PART = 16_000
"""Longest header or payload that is kept, in characters of the token."""
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){0,3}")


class DecodedTokens:
    """A bounded store by fingerprint. The token that was not used for the longest time leaves first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, token: str) -> None:
        """Decodes a token and forgets it. What is no JWT, or too large to show, is not kept."""
        header, _, rest = token.partition(".")
        claims = rest.partition(".")[0]
        if not 0 < len(header) <= MAX_PART or not 0 < len(claims) <= MAX_PART:
            return
        try:
            decoded: dict[str, Any] = {"header": _part(header), "claims": _part(claims)}
        except (binascii.Error, ValueError, RecursionError):
            return
        name = fingerprint(token)
        with self._lock:
            self._kept[name] = {**decoded, "id": name}
            self._kept.move_to_end(name)
            while len(self._kept) > MAX_TOKENS:
                self._kept.popitem(last=False)

    def exchanged(self, issued: str, assertion: str, record: int) -> None:
        """The token `issued` was made from `assertion`, in the request with that number."""
        with self._lock:
            if issued in self._kept:
                self._kept[issued] = {**self._kept[issued], "from": assertion, "record": record}

    def get(self, name: str | None) -> dict[str, Any] | None:
        """What is known of the token with this fingerprint, or None."""
        with self._lock:
            if name is None or name not in self._kept:
                return None
            self._kept.move_to_end(name)
            return self._kept[name]


def _part(text: str) -> dict[str, Any]:
    decoded = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    if not isinstance(decoded, dict):
        raise ValueError("not a JSON object")
    return decoded


def without_tokens(text: str, limit: int) -> str:
    """`text` with everything that looks like a token removed, and not longer than `limit`."""
    cut = _JWT.sub("[token]", text[: limit + MAX_PART])
    return cut if len(cut) <= limit else f"{cut[:limit]}…"
