"""What a tool returned, or its failure, as the result of `tools/call`."""

from __future__ import annotations

import json
from typing import Any

from ..errors import ApiError, BadGateway, UnsendableError
from ..hosting import problem
from ..net import Response


def result_of(returned: object) -> dict[str, Any]:
    """The result: always text, and `structuredContent` too if what was returned is a JSON object.

    - a downstream API's response: its body.
    - None, or an empty body: no content.
    - `str`: that text.
    - anything else: JSON, in the forms of `json_forms`.

    Raises:
        UnsendableError: the value has no form. The reason says why.
        ApiError: it is one response of a batch, and an error.
    """
    text, structured = _of_response(returned) if isinstance(returned, Response) else _of_value(returned)
    result: dict[str, Any] = {"content": _content(text)}
    if isinstance(structured, dict):
        result["structuredContent"] = structured
    return result


def error_of(error: Exception, correlation_id: str) -> tuple[dict[str, Any], Exception]:
    """A failure of a tool: its text is the problem document that a plain function would send (RFC 9457).

    An error that is not an ApiError becomes `internal_error`, without any of its text.

    Returns:
        The result, and the error for the log. It is another one if the app defined an error that cannot be sent.
    """
    try:
        text = _compact(problem(error if isinstance(error, ApiError) else ApiError(), correlation_id))
    except Exception as unusable:  # noqa: BLE001 — the members of the app's own error class may be anything
        error, text = unusable, _compact(problem(ApiError(), correlation_id))
    return {"content": _content(text), "isError": True}, error


def _content(text: str) -> list[dict[str, str]]:
    """Some model APIs refuse an empty text."""
    return [{"type": "text", "text": text}] if text else []


def _of_response(response: Response) -> tuple[str, object]:
    response.raise_for_status()  # one of a batch may be an error
    if response.status_code >= 300:
        raise BadGateway(reason=f"HTTP {response.status_code} as the result of a tool")
    try:
        text = response.content.decode()
    except UnicodeDecodeError:
        raise UnsendableError("the tool returned an API's response that is not text; return a part of it") from None
    if "json" not in response.headers.get("Content-Type", ""):
        return text, None
    try:
        return text, response.json()
    except ValueError:
        return text, None


def _of_value(value: object) -> tuple[str, object]:
    if value is None or isinstance(value, str):
        return value or "", None
    try:
        return _compact(value), value
    except (TypeError, ValueError, RecursionError):
        from ..hosting.json_forms import json_text

        plain = json.loads(json_text(value))
        return (plain if isinstance(plain, str) else _compact(plain)), plain


# Made once: json.dumps would make one for each call. A model reads the text, and pays for each character of an escape.
_compact = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
