"""The reply that a fault with a status gives."""

from __future__ import annotations

import json

from starlette.responses import Response

from .fault import Fault
from .requests_io import json_reply


def fault_reply(fault: Fault, status: int) -> Response:
    """Text and bytes as they are, anything else as JSON."""
    if status in (204, 304):  # these have no body (RFC 9110, 6.4.1)
        return Response(None, status, fault.headers)
    if isinstance(fault.body, bytes):
        return Response(fault.body, status, fault.headers)
    if isinstance(fault.body, str):
        return Response(fault.body, status, fault.headers, _guess_type(fault.body))
    return json_reply({"error": f"fault {status}"} if fault.body is None else fault.body, status, fault.headers)


def _guess_type(text: str) -> str:
    try:
        json.loads(text)
    except ValueError:
        return "text/html" if text.lstrip().startswith("<") else "text/plain"
    return "application/json"
