"""Entra's reply to a refusal, with the ids and the time stamp it always carries."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from ..requests_io import is_guid, json_reply
from .refusals import EntraError

ERROR_PAGE = "https://login.microsoftonline.com/error?code={code}"


@dataclass(frozen=True)
class Trace:
    """The ids by which Microsoft's support would find a request."""

    trace_id: str
    correlation_id: str

    @staticmethod
    def of(request: Request, parameter: str | None = None) -> Trace:
        """Echoes the caller's client-request-id (header or parameter) when it is a GUID."""
        asked = request.headers.get("client-request-id") or parameter or request.query_params.get("client-request-id")
        correlation = asked.lower() if asked is not None and is_guid(asked) else str(uuid.uuid4())
        return Trace(str(uuid.uuid4()), correlation)


def stamp(at: float) -> str:
    """A moment as Entra writes it in its errors."""
    try:
        return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "beyond the calendar"


def refusal_body(refused: EntraError, trace: Trace, now: float) -> dict[str, object]:
    """The JSON of an error reply."""
    ids = f"Trace ID: {trace.trace_id} Correlation ID: {trace.correlation_id} Timestamp: {stamp(now)}"
    body: dict[str, object] = {
        "error": refused.error,
        "error_description": f"{refused.message} {ids}",
        "error_codes": [refused.code],
        "timestamp": stamp(now),
        "trace_id": trace.trace_id,
        "correlation_id": trace.correlation_id,
        "error_uri": ERROR_PAGE.format(code=refused.code),
    }
    if refused.suberror is not None:
        body["suberror"] = refused.suberror
    if refused.claims is not None:
        body["claims"] = refused.claims
    return body


def refusal_reply(refused: EntraError, trace: Trace, now: float) -> Response:
    """The error reply of an endpoint that applications call."""
    return json_reply(refusal_body(refused, trace, now), refused.status, trace_headers(trace))


def trace_headers(trace: Trace) -> dict[str, str]:
    """The headers by which a reply can be traced."""
    return {"x-ms-request-id": trace.trace_id, "client-request-id": trace.correlation_id}
