"""An HTTP response, as the transport reads it and a function gets it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

MAX_RETRY_AFTER_SECONDS = 3600


@dataclass(frozen=True)
class Response:
    """An HTTP response, read to its end."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None

    def retry_after(self, now: float) -> int | None:
        """Seconds until the server accepts the next request (RFC 9110 §10.2.3); None: it did not say."""
        value = self.headers.get("Retry-After", "").strip()
        try:
            seconds = int(value) if value.isdigit() else int(parsedate_to_datetime(value).timestamp() - now) + 1
        except (ValueError, OverflowError):
            return None
        return max(0, min(seconds, MAX_RETRY_AFTER_SECONDS))
