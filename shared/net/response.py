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
    """An HTTP response, read to its end. A function may return it: status, body and content type go to the caller.

    Attributes:
        status_code: the HTTP status.
        headers: the headers. Upper and lower case in their names do not matter.
        content: the body as bytes, 16 MiB at most.
    """

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8. What is not UTF-8 becomes U+FFFD."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None

    def retry_after(self, now: float) -> int | None:
        """How long the server asks to wait (`Retry-After`, RFC 9110 §10.2.3).

        Args:
            now: seconds since 1970, such as `time.time()`. The header may hold a date.

        Returns:
            Seconds, from 0 to 3600. None without a header, or for one that cannot be read.
        """
        value = self.headers.get("Retry-After", "").strip()
        try:
            seconds = int(value) if value.isdigit() else int(parsedate_to_datetime(value).timestamp() - now) + 1
        except (ValueError, OverflowError):
            return None
        return max(0, min(seconds, MAX_RETRY_AFTER_SECONDS))
