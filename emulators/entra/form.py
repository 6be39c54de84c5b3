"""The form a client posts to the token endpoint."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from .refusals import EntraError

FORM = "application/x-www-form-urlencoded"


class Form(dict[str, str]):
    """The parameters by name. An empty value counts as absent (RFC 6749, 3.2)."""

    def require(self, name: str) -> str:
        """The value of a parameter that must be there."""
        if name not in self:
            raise EntraError(900144, parameter=name)
        return self[name]


def parse_form(text: str) -> Form:
    """Reads a query string or a form body; refuses a parameter that comes twice."""
    try:
        pairs = parse_qsl(text, errors="strict", max_num_fields=100)
    except ValueError:
        raise EntraError(9002313, reason="the parameters cannot be read") from None
    form = Form(pairs)
    if len(form) != len(pairs):
        raise EntraError(9002313, reason="a parameter occurs more than once")
    return form


async def read_form(request: Request) -> Form:
    """The posted form; refuses any other content type, as Entra does."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM:
        raise EntraError(900144, parameter="grant_type")
    try:
        return parse_form((await request.body()).decode("utf-8"))
    except UnicodeDecodeError:
        raise EntraError(9002313, reason="the body is not UTF-8") from None
