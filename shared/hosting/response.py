"""Results and errors → HTTP replies. The one translator."""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func

from ..errors import ApiError
from ..net import Response
from .sendable import MEDIA_TYPE, UnsendableError, checked_headers, json_text, sendable, status_code


def reply_to(result: object) -> func.HttpResponse:
    """What a function returned, as an HTTP reply.

    `HttpResponse` as it is; a downstream API's answer with its status and body; `str` as plain text; None as 204;
    `(body, status)` or `(body, status, headers)` as that body (None: an empty one) with that status and those headers;
    anything else as JSON.

    Raises:
        UnsendableError: it cannot be sent; the reason says why.
    """
    if isinstance(result, func.HttpResponse):
        return sendable(result)
    if isinstance(result, Response):
        return _passed_on(result)
    if result is None:
        return func.HttpResponse(status_code=204)
    if isinstance(result, tuple):
        return sendable(_from_tuple(result))
    return _with_body(result, 200, {})


def reply_to_error(error: BaseException, correlation_id: str, realm: str = "") -> func.HttpResponse:
    """Any failure as problem+json (RFC 9457), with `WWW-Authenticate` and `Retry-After` where they belong.

    Args:
        realm: the tenant, for the challenge of a 401 or 403.

    Raises:
        Exception: the error is one of the function author's whose status or members cannot be sent.
    """
    if not isinstance(error, ApiError):
        error = ApiError()
    if not 400 <= error.status <= 599:
        raise UnsendableError(f"{type(error).__name__} has the status {error.status}; an error needs one of 400 to 599")
    reply = func.HttpResponse(
        json.dumps(_problem(error, correlation_id)),
        status_code=error.status,
        headers=_headers(error, realm),
        mimetype="application/problem+json",
    )
    return sendable(reply)


def _passed_on(response: Response) -> func.HttpResponse:
    content_type = response.headers.get("Content-Type", "")
    if not MEDIA_TYPE.fullmatch(content_type):
        content_type = "application/octet-stream"
    headers = {"Content-Type": content_type}
    return sendable(func.HttpResponse(response.content, status_code=response.status_code, headers=headers))


def _from_tuple(result: tuple[Any, ...]) -> func.HttpResponse:
    """`(body, status)` or `(body, status, headers)`, as in Flask."""
    if len(result) not in (2, 3):
        raise UnsendableError(
            f"the function returned a tuple of {len(result)}; return (body, status), (body, status, headers), or a list"
        )
    body, status, headers = result if len(result) == 3 else (*result, {})
    return _with_body(body, status_code(status), checked_headers(headers))


def _with_body(body: object, status: int, headers: dict[str, str]) -> func.HttpResponse:
    if body is None:
        return func.HttpResponse(status_code=status, headers=headers)
    if isinstance(body, str):
        return func.HttpResponse(body, status_code=status, headers=headers, mimetype="text/plain", charset="utf-8")
    return func.HttpResponse(json_text(body), status_code=status, headers=headers, mimetype="application/json")


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
