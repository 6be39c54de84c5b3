"""What an author may choose of a request that bears a user's token: not where it goes, whose it is, or where it ends.

An author may hand on what a caller has sent; then only these checks stand between the caller and request smuggling.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 §9.2.2
RESERVED = frozenset(
    {"authorization", "client-request-id", "connection", "content-length", "cookie", "expect", "host", "http2-settings",
     "keep-alive", "proxy-authorization", "proxy-connection", "te", "traceparent", "tracestate", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


def check_method(method: str) -> None:
    """Raises ValueError for a method that is not sent with a user's token."""
    if method not in METHODS:
        raise ValueError(f"a method is one of {', '.join(sorted(METHODS))}")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ValueError for a header that cannot be sent, or is not the author's to set. Its value is not repeated."""
    for name, value in headers.items():
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise ValueError("a header's name is not one")
        if name.lower() in RESERVED:
            raise ValueError(f"a call as the user sets these headers itself: {', '.join(sorted(RESERVED))}")
        if not (isinstance(value, str) and _VALUE.fullmatch(value)):
            raise ValueError("a header's value cannot be sent")
