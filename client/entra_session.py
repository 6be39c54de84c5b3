"""What MSAL talks to Entra ID through: an answer that it would stumble over is an error that says what came instead."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

from client.errors import SignInError
from client.http import BoundedSession


class EntraSession(BoundedSession):
    """MSAL's `http_client`. A redirect is not followed: it would carry an authorization code to another host."""

    def __init__(self) -> None:
        """Ten seconds to connect, thirty without a byte."""
        super().__init__(connect=10, read=30)

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As BoundedSession.request. Raises SignInError for an outage, a limit and a stranger's answer."""
        answer = super().request(*args, **{**kwargs, "allow_redirects": False})
        content = _json_object(answer)
        where = f"{urlsplit(answer.url).scheme}://{urlsplit(answer.url).netloc} answered {answer.status_code}"
        if answer.status_code == 429 or answer.status_code >= 500:
            what = reason(content) if content and "error" in content else answer.reason
            raise SignInError(f"{where} ({what}): try again {_when(answer)}")
        if content is None or answer.is_redirect:
            raise SignInError(f"{where}, which is no answer of Entra ID's: is a proxy in between?")
        return answer


def reason(answer: dict[str, Any]) -> str:
    """The error code and Entra's first sentence; the rest is trace ids."""
    code, description = answer.get("error", "no token in the answer"), answer.get("error_description")
    if not isinstance(description, str) or not description.strip():
        return str(code)
    return f"{code}: {description.strip().splitlines()[0].split(' Trace ID:')[0]}"


def _json_object(answer: requests.Response) -> dict[str, Any] | None:
    try:
        content = answer.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _when(answer: requests.Response) -> str:
    pause = answer.headers.get("Retry-After", "")
    return f"in {pause} seconds" if pause.isdecimal() else "later"
