"""Results and errors → HTTP replies. The one translator."""

from __future__ import annotations

import json
import re
from typing import Any

import azure.functions as func

from .answer import Answer
from .errors import ApiError

_MEDIA_TYPE = re.compile(r"[\x21-\x7e][\x20-\x7e]*")  # the host answers 500 to anything else


def reply_to(result: object) -> func.HttpResponse:
    """What a function returned, as an HTTP reply.

    `HttpResponse` as it is; a downstream API's answer with its status and body; `str` as plain text; None as 204;
    `(result, status)` as that result with that status; anything else as JSON.
    """
    if isinstance(result, func.HttpResponse):
        return result
    if isinstance(result, Answer):
        content_type = result.headers.get("Content-Type", "")
        if not _MEDIA_TYPE.fullmatch(content_type):
            content_type = "application/octet-stream"
        return func.HttpResponse(result.content, status_code=result.status_code, headers={"Content-Type": content_type})
    if result is None:
        return func.HttpResponse(status_code=204)
    body, status = result if isinstance(result, tuple) else (result, 200)
    if isinstance(body, str):
        return func.HttpResponse(body, status_code=status, mimetype="text/plain", charset="utf-8")
    return func.HttpResponse(json.dumps(body, allow_nan=False), status_code=status, mimetype="application/json")


def reply_to_error(error: Exception, correlation_id: str, realm: str = "") -> func.HttpResponse:
    """Any failure as problem+json (RFC 9457), with `WWW-Authenticate` and `Retry-After` where they belong.

    Args:
        realm: the tenant, for the challenge of a 401 or 403.
    """
    if not isinstance(error, ApiError):
        error = ApiError()
    return func.HttpResponse(
        json.dumps(_problem(error, correlation_id)),
        status_code=error.status,
        headers=_headers(error, realm),
        mimetype="application/problem+json",
    )


def _problem(error: ApiError, correlation_id: str) -> dict[str, Any]:
    members = {"status": error.status, "code": error.code, "detail": error.detail, "correlation_id": correlation_id}
    return {**error.extra, **members}


def _headers(error: ApiError, realm: str) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    parameters = error.challenge()
    if parameters is not None:
        pairs = {"realm": realm, **parameters}
        headers["WWW-Authenticate"] = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in pairs.items())
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return headers
