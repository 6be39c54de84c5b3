"""What a tool returned, or its failure, as the result of `tools/call`."""

from __future__ import annotations

import json

from ..errors import ApiError, BadGateway, UnsendableError
from ..hosting import problem
from ..net import Response, parse_body


def result_of(returned: object) -> str:
    """The result as JSON: always text, and `structuredContent` too if what was returned is a JSON object.

    - a downstream API's response: its body.
    - None, or an empty body: no content.
    - `str`: that text.
    - anything else: JSON, in the forms of `json_forms`.

    Raises:
        UnsendableError: the value has no form. The reason says why.
        ApiError: the value is one response of a batch, and an error.
    """
    text, value = _of_response(returned) if isinstance(returned, Response) else _of_value(returned)
    if not isinstance(value, dict):
        return f'{{"content":{_content(text)}}}'
    structured = text if text.isascii() else json.dumps(value)  # the text is JSON, but may have half a surrogate pair
    return f'{{"content":{_content(text)},"structuredContent":{structured}}}'


def error_of(error: Exception, correlation_id: str) -> tuple[str, Exception]:
    """A failure of a tool: its text is the problem document that a plain function would send (RFC 9457).

    An error that is not an ApiError becomes `internal_error`, without any of its text.

    Returns:
        The result as JSON, and the error for the log: another one if the app defined an error that cannot be sent.
    """
    try:
        text = _compact(problem(error if isinstance(error, ApiError) else ApiError(), correlation_id))
    except Exception as unusable:  # noqa: BLE001 — the members of the app's own error class may be anything
        error, text = unusable, _compact(problem(ApiError(), correlation_id))
    return f'{{"content":{_content(text)},"isError":true}}', error


def _content(text: str) -> str:
    """Some model APIs refuse an empty text."""
    return f'[{{"type":"text","text":{_quoted(text)}}}]' if text else "[]"


def _of_response(response: Response) -> tuple[str, object]:
    """The body as text, and the value if it is JSON."""
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
        return text, parse_body(response.content)
    except ValueError:
        return text, None


def _of_value(value: object) -> tuple[str, object]:
    """The value as text, and as a type that JSON has."""
    if value is None or isinstance(value, str):
        return value or "", None
    try:
        return _compact(value), value
    except (TypeError, ValueError, RecursionError):
        from ..hosting.json_forms import json_text

        plain = json.loads(json_text(value))
        return (plain if isinstance(plain, str) else _compact(plain)), plain


# Made once, which json.dumps does not do. A model reads the text, and pays for each character of an escape.
_compact = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
_quoted = json.JSONEncoder().encode
