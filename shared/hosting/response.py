"""Turns the result or the exception of a function into an HTTP response that the host can send.

Types that JSON lacks, such as datetime, UUID and dataclasses, become JSON too. A result that cannot be sent becomes a
500, with one sentence in the log. The host alone would send an empty 500, or drop the connection, and log no reason.
The sentence names key paths, types and header names, never a value.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from http.cookies import CookieError, SimpleCookie
from inspect import isawaitable, iscoroutine, isgenerator
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import azure.functions as func

from ..downstream import BatchResponse
from ..errors import ApiError, BadGateway
from ..net import Response

MEDIA_TYPE = re.compile(r"[\x21-\x7e][\x20-\x7e]*")

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")  # the host sends 500 for anything beyond ASCII
_SET_BY_THE_HOST = frozenset({"connection", "content-length", "transfer-encoding"})
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}", re.ASCII)  # any other key may be data: a mail address, an id
_MAX_PATH = 200
_NO_FORM = (
    "the function returned a value that contains itself, is nested too deeply, or has keys that JSON cannot carry"
)


class UnsendableError(ApiError):
    """The result of the function cannot be sent. The caller gets 500 `internal_error`, and the log has the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)


def reply_to(result: object) -> func.HttpResponse:
    """The HTTP response for the result of a function.

    - `HttpResponse`: as it is.
    - a downstream API's response: its status, body and content type; for a redirect its status and address.
    - `str`: plain text.
    - None: 204.
    - `(body, status)` or `(body, status, headers)`: that body (None: an empty one), status and headers.
    - bytes: `application/octet-stream`.
    - anything else: JSON; see json_text.

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


def reply_to_error(error: BaseException, correlation_id: str, realm: str = "") -> func.HttpResponse:
    """Any failure as problem+json (RFC 9457), with `WWW-Authenticate` and `Retry-After` where they belong.

    Args:
        realm: the tenant, for the challenge of a 401 or 403.

    Raises:
        Exception: an error class of the app's own, whose status or members cannot be sent.
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


def _passed_on(response: Response, status: int, headers: dict[str, str]) -> func.HttpResponse:
    if isinstance(response, BatchResponse):
        response.raise_for_status()
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


def status_code(value: object) -> int:
    """The second item of `(body, status)`. Raises UnsendableError unless it is 200 to 599."""
    if isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599:
        return int(value)
    raise UnsendableError(
        f"the function returned a tuple whose second item, of type {type(value).__name__}, is not a status of 200 to "
        "599; return (body, status), or a list for a JSON array"
    )


def checked_headers(headers: object) -> dict[str, str]:
    """The third item of `(body, status, headers)`. Raises UnsendableError unless HTTP can carry it."""
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
    for name, value in reply.headers.items():
        _check_header(name, value)
    if "Content-Type" not in reply.headers and not MEDIA_TYPE.fullmatch(f"{reply.mimetype}; charset={reply.charset}"):
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


def json_text(body: object) -> str:
    """The body as JSON (RFC 8259).

    - datetime, date, time: ISO 8601. timedelta: seconds.
    - UUID, Decimal, path: text. A Decimal as a number could lose digits.
    - Enum: its value. bytes: text, if they are UTF-8.
    - set, frozenset: an array, sorted if that is possible. deque: an array.
    - dataclass, pydantic model, any mapping: an object.
    - an API's response: its JSON.

    Raises:
        UnsendableError: JSON has no form for it.
        BadGateway: it holds an API's response that is not JSON.
    """
    try:
        try:
            return json.dumps(body, allow_nan=False, default=_plain)
        except TypeError:  # also for the keys of a dict, for which json does not call `default`
            return json.dumps(_with_plain_keys(body), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        if iscoroutine(body):
            body.close()  # otherwise Python warns later that it was never awaited
        raise UnsendableError(_why_not_json(body)) from None


def _plain(value: Any) -> object:
    """The value as a type that JSON has. Then `json` asks for its parts. Raises TypeError or ValueError."""
    if isinstance(value, _UnusableKey):
        raise TypeError
    if isinstance(value, Response):
        return value.json()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (UUID, PurePath)) or (isinstance(value, Decimal) and value.is_finite()):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return value.decode()
    if isinstance(value, Set):
        return _in_order(value)
    if isinstance(value, deque):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if _is_pydantic_model(value):
        return value.model_dump(mode="json", by_alias=True, warnings=False)  # a warning repeats the value in the log
    raise TypeError


def _in_order(values: Set[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return list(values)


def _is_pydantic_model(value: object) -> bool:
    """Whether it is a pydantic model. It imports nothing: without the library loaded, no model exists."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _with_plain_keys(value: object) -> object:
    """The whole value in JSON's own types, with its keys. It is slower than `json` alone."""
    if isinstance(value, dict):
        return {_key(key): _with_plain_keys(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_plain_keys(part) for part in value]
    return value if _is_basic(value) else _with_plain_keys(_plain(value))


def _key(key: object) -> object:
    plain = key if _is_basic(key) else _plain(key)
    if isinstance(key, (bytes, bytearray)) or not _is_basic(plain):
        raise TypeError
    return plain


def _is_basic(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float))


def _why_not_json(body: object) -> str:
    """One sentence about the first value that JSON cannot carry."""
    open_parts: list[Iterator[tuple[str, object]]] = [iter([("", body)])]
    seen: dict[int, object] = {}  # with the objects themselves, so that no id is used twice
    while open_parts:
        path, value = next(open_parts[-1], (None, None))
        if path is None:
            open_parts.pop()
        elif isinstance(value, float) and not math.isfinite(value):
            return f"the function returned NaN or Infinity{_at(path)}; JSON has neither, return None instead"
        elif _is_basic(value) or id(value) in seen:
            continue
        else:
            seen[id(value)] = value
            try:
                open_parts.append(_parts(path, value))
            except (TypeError, ValueError):
                return f"the function returned {_kind_of(value)}{_at(path)}; {_advice(value)}"
    return _NO_FORM


def _parts(path: str, value: object) -> Iterator[tuple[str, object]]:
    """The parts of the value, each with its path. Raises TypeError or ValueError if JSON cannot carry the value."""
    path = path[-_MAX_PATH:]  # in something nested 100,000 deep, whole paths would take half a minute
    if isinstance(value, dict):
        return _members(path, value)
    if isinstance(value, (list, tuple)):
        return ((f"{path}[{place}]", part) for place, part in enumerate(value))
    return iter([(path, _plain(value))])


def _members(path: str, value: dict[Any, object]) -> Iterator[tuple[str, object]]:
    for key, part in value.items():
        try:
            _key(key)
        except (TypeError, ValueError):
            yield path, _UnusableKey(type(key).__name__)
        yield (f"{path}.{key}" if isinstance(key, str) and _PLAIN_KEY.fullmatch(key) else f"{path}[*]"), part


@dataclass(frozen=True)
class _UnusableKey:
    """The type of a key that JSON cannot carry, even where it could carry the same as a value."""

    type_name: str


def _kind_of(value: object) -> str:
    if isinstance(value, _UnusableKey):
        return f"a dict with a {value.type_name} as a key"
    return "an API's response" if isinstance(value, Response) else f"a {type(value).__name__}"


def _at(path: str) -> str:
    return f" at {path[-_MAX_PATH:]}" if path else ""


def _advice(value: object) -> str:
    if isinstance(value, _UnusableKey):
        return "make it a str"
    if isinstance(value, Response):
        return "it is not JSON, return its .text"
    if isinstance(value, BaseException):
        return "raise it instead"
    if isawaitable(value):
        return "await it in an async def function"
    if isinstance(value, (bytes, bytearray)):
        return "they are not UTF-8, return base64.b64encode(...).decode()"
    if isinstance(value, func.HttpResponse):
        return "return it alone; it has a status and headers of its own"
    if isgenerator(value):
        return "make it a list"
    return "JSON has no form for it, make it a dict, list, str, int, float, bool or None"
