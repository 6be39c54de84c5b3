"""The doctor's own requests. Each is bounded, follows no redirect, and changes nothing.

A token goes to the host of its service alone, also for the next page of a list.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from client.http import BoundedSession
from client.settings import is_loopback

from .verdicts import CannotTellError

CONNECT_SECONDS, READ_SECONDS = 10.0, 20.0
MAX_PAGES = 20
MAX_BYTES = 4_000_000
WHOLE_SECONDS = 60.0
"""For one response, however slowly it arrives."""
Json = dict[str, Any]


class Service(NamedTuple):
    """A service of Microsoft: its address, and the scope of a token for it."""

    name: str
    url: str
    scope: str


class Reply(NamedTuple):
    """A response: `body` is {} when it is no JSON object."""

    status: int
    body: Json
    date: str


class _Bearer(AuthBase):
    """Sets the header. With an `auth` of one's own, requests never takes credentials from a .netrc file instead."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Reader:
    """Reads from services, with tokens from `token_for`, one for each scope."""

    def __init__(self, token_for: Callable[[str], str], session: requests.Session | None = None) -> None:
        self._token_for = token_for
        self._session = session or BoundedSession(connect=CONNECT_SECONDS, read=READ_SECONDS)
        self._tokens: dict[str, str | CannotTellError] = {}

    def get(self, service: Service, path: str, right: str) -> Json | None:
        """The object at `path`, or None when there is none. `right`: what a person needs who may not read it."""
        return self._ask("GET", service, f"{service.url}{path}", right)

    def listed(self, service: Service, path: str, right: str) -> list[Json] | None:
        """All items of a list, from all of its pages; None when there is no such list."""
        found: list[Json] = []
        url = f"{service.url}{path}"
        for _ in range(MAX_PAGES):
            page = self._ask("GET", service, url, right)
            if page is None:
                return None
            found += [one for one in page.get("value") or () if isinstance(one, dict)]
            following = page.get("@odata.nextLink") or page.get("nextLink")
            if not following:
                return found
            url = str(following)
            if urlsplit(url)[:2] != urlsplit(service.url)[:2]:
                raise CannotTellError(
                    f"{service.name} names a next page at another host", "report this to its operator"
                )
        raise CannotTellError(f"a list of {service.name} has more than {MAX_PAGES} pages", "a look in the portal")

    def names_of_settings(self, service: Service, path: str, right: str) -> list[str] | None:
        """The names of app settings. ARM lists them with POST, which changes nothing. The values are dropped here."""
        body = self._ask("POST", service, f"{service.url}{path}", right)
        if body is None:
            return None
        properties = body.get("properties")
        return sorted(properties) if isinstance(properties, dict) else []

    def token(self, scope: str) -> str:
        """The token for a scope; asked for once, also when there is none. Raises CannotTellError."""
        if scope not in self._tokens:
            try:
                self._tokens[scope] = self._token_for(scope)
            except CannotTellError as problem:
                self._tokens[scope] = problem
        found = self._tokens[scope]
        if isinstance(found, CannotTellError):
            raise found
        return found

    def send(self, method: str, url: str, token: str = "") -> Reply:
        """One request and its response, whatever its status. Raises CannotTellError when there is none."""
        host = urlsplit(url).hostname or ""
        # Requests to this machine use no proxy, even if the environment names one: it would get the token in the clear.
        proxies = {"no_proxy": host} if is_loopback(host) else None
        try:
            with self._session.request(
                method,
                url,
                auth=_Bearer(token),
                proxies=proxies,
                allow_redirects=False,
                stream=True,
                data=b"" if method == "POST" else None,
            ) as response:
                raw = b"".join(_bounded(response))
                return Reply(response.status_code, _object(raw), response.headers.get("Date", ""))
        except requests.RequestException as problem:
            raise CannotTellError(
                f"{host} does not respond ({type(problem).__name__})", "a way to it: check the network and HTTPS_PROXY"
            ) from None

    def _ask(self, method: str, service: Service, url: str, right: str) -> Json | None:
        reply = self.send(method, url, self.token(service.scope))
        if reply.status == 200:
            return reply.body
        if reply.status == 404:
            return None
        code = _code(reply.body)
        said = f"{service.name} responds {reply.status}" + (f" {code}" if code else "")
        if reply.status == 403 and code.startswith("ForbiddenByConnection"):
            raise CannotTellError(said, "a place in the network that the vault lets in")
        if reply.status == 403:
            raise CannotTellError(said, right)
        if reply.status == 400 and "/me" in url:
            raise CannotTellError(said, "a sign-in of a person: az login. An application has no /me")
        if reply.status == 401:
            raise CannotTellError(said, "a new sign-in: az login")
        raise CannotTellError(said, "another try, some minutes later")


def _bounded(response: requests.Response) -> Iterator[bytes]:
    read, end = 0, time.monotonic() + WHOLE_SECONDS
    for chunk in response.iter_content(65_536):
        read += len(chunk)
        if read > MAX_BYTES or time.monotonic() > end:
            raise requests.exceptions.ContentDecodingError("too long")
        yield chunk


def _object(raw: bytes) -> Json:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _code(body: Json) -> str:
    """The code of an error, of Key Vault the inner one; "" when it has none that can be shown."""
    error = body.get("error")
    if not isinstance(error, dict):
        return ""
    inner = error.get("innererror")
    code = str((inner.get("code") if isinstance(inner, dict) else None) or error.get("code") or "")
    return code if code.isascii() and code.replace("_", "").isalnum() and len(code) <= 60 else ""
