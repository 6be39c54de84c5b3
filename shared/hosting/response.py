"""Turns the result or the exception of a function into an HTTP response that the host can send.

A result that cannot be sent becomes a 500, with one sentence in the log. The host alone would send an empty 500, or
drop the connection, and log no reason. The sentence names key paths, types, header names and statuses, and no other
value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import azure.functions as func

from ..errors import ApiError, BadGateway, ConsentRequired, UnsendableError
from ..net import Response

if TYPE_CHECKING:
    from ..validation import ValidatedAppToken, ValidatedToken
    from .protected_resource import Resource

MEDIA_TYPE = re.compile(r"[\x21-\x7e][\x20-\x7e]*")

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")  # the host sends 500 for anything beyond ASCII
_SET_BY_THE_HOST = frozenset({"connection", "content-length", "transfer-encoding"})


def reply_to(result: object) -> func.HttpResponse:
    """The HTTP response for the result of a function.

    - `HttpResponse`: as it is.
    - a downstream API's response: its status, body and content type; for a redirect its status and address.
    - `str`: plain text.
    - None: 204.
    - `(body, status)` or `(body, status, headers)`: that body (None: an empty one), status and headers.
      A redirect of an API as the body keeps its own status.
    - bytes: `application/octet-stream`.
    - anything else: JSON; see json_forms.

    Raises:
        UnsendableError: the result cannot be sent. The reason says why.
    """
    if isinstance(result, func.HttpResponse):
        return sendable(result)
    if isinstance(result, Response):
        return _passed_on(result, result.status_code, {})
    if result is None:
        return func.HttpResponse(status_code=204)
    if isinstance(result, tuple):
        return sendable(_from_tuple(result))
    return _with_body(result, 200, {})


def turn_into_consent_prompt(error: BaseException, token: ValidatedToken | ValidatedAppToken) -> bool:
    """Makes missing consent a 401, if the caller's client is one of `AzureAd__ConsentPromptClients`.

    Any other failure, and any other client's, stays as it is. Returns whether the failure is such a 401.
    """
    if not (isinstance(error, ConsentRequired) and token.prompts_for_consent):
        return False
    error.prompt()
    return True


def reply_to_error(
    error: BaseException, correlation_id: str, realm: str = "", resource: Resource | None = None
) -> func.HttpResponse:
    """Any failure as problem+json (RFC 9457), with `WWW-Authenticate` and `Retry-After` where they belong.

    Args:
        realm: the tenant, for the challenge of a 401 or 403.
        resource: what the challenge says of the address that was called.

    Raises:
        Exception: an error class of the app's own, whose status or members cannot be sent.
    """
    if not isinstance(error, ApiError):
        error = ApiError()
    reply = func.HttpResponse(
        json.dumps(problem(error, correlation_id)),
        status_code=error.status,
        headers=_headers(error, realm, resource),
        mimetype="application/problem+json",
    )
    return sendable(reply)


def _passed_on(response: Response, status: int, headers: dict[str, str]) -> func.HttpResponse:
    response.raise_for_status()  # one of a batch may be an error
    if 300 <= response.status_code < 400 and response.status_code != 304:
        return _redirect(response)
    content_type = response.headers.get("Content-Type", "")
    if not MEDIA_TYPE.fullmatch(content_type):
        content_type = "application/octet-stream"
    if not any(name.lower() == "content-type" for name in headers):
        headers = {"Content-Type": content_type, **headers}
    return sendable(func.HttpResponse(response.content, status_code=status, headers=headers))


def _redirect(response: Response) -> func.HttpResponse:
    """Passes on the address without the body. No cache may keep it: the address alone may give access."""
    location = response.headers.get("Location", "")
    if not _is_https_address(location):
        raise BadGateway(reason=f"HTTP {response.status_code}, a redirect to an address that is not https")
    headers = {"Location": location, "Cache-Control": "no-store"}
    return sendable(func.HttpResponse(status_code=response.status_code, headers=headers))


def _is_https_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 — reading it raises ValueError for a port that is no number
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and " " not in text and "\\" not in text
    return is_plain and parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc


def _from_tuple(result: tuple[Any, ...]) -> func.HttpResponse:
    """`(body, status)` or `(body, status, headers)`, as in Flask."""
    if len(result) not in (2, 3):
        raise UnsendableError(
            f"the function returned a tuple of {len(result)}; return (body, status), (body, status, headers), or a list"
        )
    body, status, headers = result if len(result) == 3 else (*result, {})
    status, headers = status_code(status), checked_headers(headers)
    if isinstance(body, Response):
        return _passed_on(body, status, headers)
    return _with_body(body, status, headers)


def _with_body(body: object, status: int, headers: dict[str, str]) -> func.HttpResponse:
    if body is None:
        return func.HttpResponse(status_code=status, headers=headers)
    if isinstance(body, (bytes, bytearray)):
        return func.HttpResponse(bytes(body), status_code=status, headers=headers, mimetype="application/octet-stream")
    if isinstance(body, str):
        return func.HttpResponse(body, status_code=status, headers=headers, mimetype="text/plain", charset="utf-8")
    return func.HttpResponse(_json(body), status_code=status, headers=headers, mimetype="application/json")


def problem(error: ApiError, correlation_id: str) -> dict[str, Any]:
    """The members of the problem document of an error (RFC 9457). Raises as `reply_to_error`."""
    if not 400 <= error.status <= 599:
        raise UnsendableError(f"{type(error).__name__} has the status {error.status}; an error needs one of 400 to 599")
    members = {"status": error.status, "code": error.code, "detail": error.detail, "correlation_id": correlation_id}
    return {**error.extra, **members}


def _headers(error: ApiError, realm: str, resource: Resource | None) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    parameters = error.challenge()
    if parameters is not None:
        pairs = {"realm": realm, **parameters}
        if resource is not None:
            pairs |= resource.parameters(parameters.get("scope"))
        headers["WWW-Authenticate"] = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in pairs.items())
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return headers


def status_code(value: object) -> int:
    """The second item of `(body, status)`. Raises UnsendableError unless it is 200 to 599."""
    if isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599:
        return int(value)
    raise UnsendableError(
        f"the function returned a tuple whose second item, of type {type(value).__name__}, is not a status of 200 to "
        "599; return (body, status), or a list for a JSON array"
    )


def checked_headers(headers: object) -> dict[str, str]:
    """The third item of `(body, status, headers)`. Raises UnsendableError for what cannot be sent or the host sets."""
    if not isinstance(headers, Mapping):
        raise UnsendableError(f"the headers that the function returned are a {type(headers).__name__}; return a dict")
    for name, value in headers.items():
        _check_header(name, value)
        if name.lower() in _SET_BY_THE_HOST:
            raise UnsendableError(f"the function returned the header {name}; leave it out, the host sets it")
    return dict(headers)


def sendable(reply: func.HttpResponse) -> func.HttpResponse:
    """The reply itself. Raises UnsendableError when the host could not send it."""
    status = reply.status_code
    if not isinstance(status, int) or not 200 <= status <= 599:
        shown = status if isinstance(status, int) else f"of type {type(status).__name__}"
        raise UnsendableError(f"the function returned an HttpResponse with a status {shown}; it must be 200 to 599")
    has_type = False
    for name, value in reply.headers.items():
        _check_header(name, value)
        has_type = has_type or name.lower() == "content-type"
    if not has_type and not MEDIA_TYPE.fullmatch(f"{reply.mimetype}; charset={reply.charset}"):
        raise UnsendableError("the mimetype of the HttpResponse that the function returned is not printable ASCII")
    return reply


def _check_header(name: object, value: object) -> None:
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise UnsendableError("the function returned a header whose name is not a token of RFC 9110")
    if not isinstance(value, str):
        raise UnsendableError(f"the function returned the header {name} as a {type(value).__name__}; it must be a str")
    if not _HEADER_VALUE.fullmatch(value):
        raise UnsendableError(f"the function returned the header {name} with characters that are not printable ASCII")
    if name.lower() == "set-cookie":
        try:
            SimpleCookie(value)  # azure-functions reads it this way after the function, where no code catches the error
        except CookieError:
            raise UnsendableError(
                "the function returned a Set-Cookie header that azure-functions cannot read"
            ) from None


def _json(body: object) -> str:
    """The body as JSON. json_forms is imported only for types that JSON lacks."""
    try:
        return json.dumps(body, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        from .json_forms import json_text

        return json_text(body)
