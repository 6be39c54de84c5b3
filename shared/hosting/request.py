"""Reads the JSON body of a request."""

from __future__ import annotations

from typing import Any

import azure.functions as func

from ..errors import BadRequest
from ..net import parse_body

_CHUNKED = (
    "The body was sent with Transfer-Encoding: chunked, which Azure Functions does not pass on. "
    "Send it with a Content-Length header."
)


def json_body(request: func.HttpRequest) -> Any:
    """The body of the request, parsed as JSON (RFC 8259).

    Azure Functions does not pass on a body with `Transfer-Encoding: chunked`. The error then says so.

    Args:
        request: what the HTTP trigger gave the function.

    Returns:
        A dict, a list, text, a number, a bool or None.

    Raises:
        BadRequest: the body is empty, not UTF-8, not JSON, nested too deeply, or has a number out of range. 400.
    """
    try:
        return parse_body(request.get_body())
    except ValueError:
        chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
        raise BadRequest(_CHUNKED if chunked else "The body must be JSON.") from None
