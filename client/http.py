"""Sessions of requests with timeouts, because requests has no timeout by default."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


class BoundedSession(requests.Session):
    """A session in which every request has a timeout: (seconds to connect, seconds without a byte)."""

    def __init__(self, *, connect: float, read: float) -> None:
        """A connection that could not be made is tried once more. A request that got a response is not sent again."""
        super().__init__()
        self._timeout = (connect, read)
        # urllib3 would otherwise take a 503 with Retry-After for a reason to send again, and hide it in a RetryError.
        retry = Retry(1, read=0, status=0, redirect=0, other=0, respect_retry_after_header=False)
        adapter = HTTPAdapter(max_retries=retry)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As requests.Session.request, with the session's timeout unless the caller names one."""
        kwargs.setdefault("timeout", self._timeout)
        return super().request(*args, **kwargs)
