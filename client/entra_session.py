"""The HTTP client that MSAL uses. A response that MSAL cannot read becomes an error that says what came instead."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

from client.errors import SignInError
from client.http import BoundedSession


class EntraSession(BoundedSession):
    """MSAL's `http_client`. A redirect is not followed: it would carry an authorization code to another host."""

    def __init__(self) -> None:
        """The timeouts are 10 seconds to connect and 30 seconds without a byte."""
        super().__init__(connect=10, read=30)

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As BoundedSession.request. Raises SignInError for an outage, a rate limit, or a foreign response."""
        response = super().request(*args, **{**kwargs, "allow_redirects": False})
        content = _json_object(response)
        where = f"{urlsplit(response.url).scheme}://{urlsplit(response.url).netloc} responded {response.status_code}"
        if response.status_code == 429 or response.status_code >= 500:
            what = reason(content) if content and "error" in content else response.reason
            raise SignInError(f"{where} ({what}): try again {_when(response)}")
        if content is None or response.is_redirect:
            raise SignInError(f"{where}, which is not a response of Entra ID: is a proxy in between?")
        return response


def reason(response: dict[str, Any]) -> str:
    """The error code and Entra's first sentence. The rest is trace ids."""
    code, description = response.get("error", "no token in the response"), response.get("error_description")
    if not isinstance(description, str) or not description.strip():
        return str(code)
    return f"{code}: {description.strip().splitlines()[0].split(' Trace ID:')[0]}"


def _json_object(response: requests.Response) -> dict[str, Any] | None:
    try:
        content = response.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _when(response: requests.Response) -> str:
    pause = response.headers.get("Retry-After", "")
    return f"in {pause} seconds" if pause.isdecimal() else "later"
