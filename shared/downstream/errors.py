"""A downstream API's response other than success → the error for the client; docs/errors.md has the table."""

from __future__ import annotations

from typing import Any

from ..errors import (
    AccessDenied,
    ApiError,
    BadGateway,
    ClaimsChallenge,
    NotFound,
    RequestRejected,
    ServiceUnavailable,
)
from ..net import Response, claims_of, parse_object
from ..settings import Authority

_OURS = frozenset({401, 407, 417, 421, 426, 431})  # about our token or connection: nothing that our caller could fix
_MAX_PROBLEM_BYTES = 4 * 1024


def error_from_api(response: Response, api: str, authority: Authority, now: float) -> ApiError:
    """The error for the client that this response of the API `api` becomes."""
    status, reason = response.status_code, f"{api}: HTTP {response.status_code}{_error_code(response)}"
    claims = claims_of(response)
    if claims:
        return ClaimsChallenge(claims, authorization_uri=authority.authorization_uri, reason=reason)
    if status == 429 or (status == 503 and "Retry-After" in response.headers):
        return ServiceUnavailable(retry_after=response.retry_after(now), reason=reason)
    if status in _OURS or not 400 <= status < 500:
        return BadGateway(reason=reason)
    by_status: dict[int, type[ApiError]] = {403: AccessDenied, 404: NotFound}
    error = by_status[status](reason=reason) if status in by_status else RequestRejected(status, reason=reason)
    problem = _problem(response)
    if problem:
        error.extra["downstream"] = problem
    return error


def _error_code(response: Response) -> str:
    """For the log: the code of an error in Graph's form, such as ErrorAccessDenied; nothing of its prose."""
    try:
        code = response.json()["error"]["code"]
    except (ValueError, TypeError, KeyError):
        return ""
    return f" {code}" if isinstance(code, str) and code.isascii() and code.isalnum() and len(code) <= 64 else ""


def _problem(response: Response) -> dict[str, Any] | None:
    """An RFC 9457 document is written for the client of an API, so it is passed on; other error bodies are not."""
    is_problem = (
        response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/problem+json"
    )
    try:
        return parse_object(response.content) if is_problem and len(response.content) <= _MAX_PROBLEM_BYTES else None
    except ValueError:
        return None
