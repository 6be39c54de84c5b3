"""What a downstream API's answer other than success becomes for our caller; docs/errors.md has the table."""

from __future__ import annotations

from typing import Any

from .answer import Answer
from .claims_challenge import claims_of
from .errors import (
    AccessDenied,
    ApiError,
    BadGateway,
    ClaimsChallenge,
    NotFound,
    RequestRejected,
    ServiceUnavailable,
)
from .settings import Settings
from .strict_json import parse_object

RETRY_AFTER_SECONDS = 5  # where the API names no time of its own
_OURS = frozenset({401, 407, 417, 421, 426, 431})  # about our token or connection: nothing that our caller could fix
_MAX_PROBLEM_BYTES = 4 * 1024


def error_from_api(answer: Answer, api: str, settings: Settings, now: float) -> ApiError:
    """The error that this answer of the API so named means to our caller."""
    status, reason = answer.status_code, f"{api}: HTTP {answer.status_code}{_error_code(answer)}"
    claims = claims_of(answer)
    if claims:
        return ClaimsChallenge(claims, authorization_uri=settings.authorization_uri, reason=reason)
    if status == 429 or (status == 503 and "Retry-After" in answer.headers):
        wait = answer.retry_after(now)
        return ServiceUnavailable(retry_after=RETRY_AFTER_SECONDS if wait is None else wait, reason=reason)
    if status in _OURS or not 400 <= status < 500:
        return BadGateway(reason=reason)
    by_status: dict[int, type[ApiError]] = {403: AccessDenied, 404: NotFound}
    error = by_status[status](reason=reason) if status in by_status else RequestRejected(status, reason=reason)
    problem = _problem(answer)
    if problem:
        error.extra["downstream"] = problem
    return error


def _error_code(answer: Answer) -> str:
    """For the log: the code of an error in Graph's form, such as ErrorAccessDenied; nothing of its prose."""
    try:
        code = answer.json()["error"]["code"]
    except (ValueError, TypeError, KeyError):
        return ""
    return f" {code}" if isinstance(code, str) and code.isascii() and code.isalnum() and len(code) <= 64 else ""


def _problem(answer: Answer) -> dict[str, Any] | None:
    """An RFC 9457 document is written for the client of an API, so it is passed on; other error bodies are not."""
    is_problem = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/problem+json"
    try:
        return parse_object(answer.content) if is_problem and len(answer.content) <= _MAX_PROBLEM_BYTES else None
    except ValueError:
        return None
