"""Calls the API with a bearer token. Handles a claims challenge and a missing consent, each once."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from client.challenge import requested_claims
from client.errors import SettingsError, UnreachableError
from client.http import BoundedSession
from client.settings import is_loopback, may_receive_tokens
from client.sign_in import SignIn


@dataclass(frozen=True)
class Reply:
    """A response of the API. `headers` are case-insensitive. `ms` is how long the call took."""

    status: int
    reason: str
    headers: Mapping[str, str]
    text: str
    ms: float


class Api:
    """The API at one address. A token given to `call` goes to that host only. Redirects are not followed."""

    def __init__(self, base_url: str) -> None:
        """Raises SettingsError when `base_url` is neither https nor http on this machine."""
        if not may_receive_tokens(base_url):
            raise SettingsError(f"a token is not sent to {base_url}: https, or http on this machine")
        self._base_url = base_url.rstrip("/")
        self._session = BoundedSession(connect=10, read=120)  # a cold start on Azure can take almost a minute
        # Requests to this machine use no proxy, even if the environment names one.
        self._session.trust_env = not is_loopback(urlsplit(base_url).hostname or "")

    def call(self, method: str, path: str, token: str, body: str | None = None) -> Reply:
        """One request. `body` is sent as JSON.

        Raises SettingsError for a path that would leave the API, and UnreachableError when no response comes.
        """
        url = self._base_url + checked_path(path)
        headers = {"Accept": "application/json"} | ({} if body is None else {"Content-Type": "application/json"})
        data = None if body is None else body.encode("utf-8", "surrogateescape")  # as it was typed
        start = time.perf_counter()
        try:
            response = self._session.request(
                method, url, data=data, headers=headers, auth=_Bearer(token), allow_redirects=False
            )
        except requests.RequestException as problem:
            raise UnreachableError(f"{self._base_url} did not respond: {type(problem).__name__}") from problem
        ms = (time.perf_counter() - start) * 1000
        return Reply(response.status_code, response.reason, response.headers, response.text, ms)


def call_as_user(
    api: Api,
    sign_in: SignIn,
    method: str,
    path: str,
    body: str | None = None,
    *,
    step_up: bool = True,
    consent: bool = False,
    tell: Callable[[str], None] = print,
) -> Reply:
    """Signs in and calls.

    With `step_up`, signs in with the claims of a claims challenge and calls again. With `consent` the person is
    asked for the consent that the API lacks, then it is called again. Neither happens a second time.
    """
    reply = api.call(method, path, sign_in.access_token(), body)
    claims: str | None = None
    while True:
        asked = claims_of(reply)
        if step_up and asked is not None:
            claims, step_up = asked, False
            tell(f"The API asks for more: {claims}\nSigning in again to satisfy it.")
            token = sign_in.access_token(claims)
        elif consent and lacks_consent(reply):
            consent = False
            tell("The API may not do this on your behalf yet. Asking for your consent.")
            token = sign_in.access_token(claims, consent=True)
        else:
            return reply
        reply = api.call(method, path, token, body)


def claims_of(reply: Reply) -> str | None:
    """The claims that the response asks for, as JSON text. None if the header cannot be read."""
    try:
        return requested_claims(reply.headers.get("WWW-Authenticate")) if reply.status == 401 else None
    except ValueError:
        return None


def lacks_consent(reply: Reply) -> dict[str, Any] | None:
    """The problem document of a `consent_required` response. None for every other response."""
    try:
        problem = json.loads(reply.text) if reply.status == 403 else None
    except ValueError:
        return None
    return problem if isinstance(problem, dict) and problem.get("code") == "consent_required" else None


def checked_path(path: str) -> str:
    """`path` with its leading slash. Raises SettingsError if it could change the host or the path."""
    wrong = path.startswith("//") or re.search(r"[\\\s\x00-\x1f\x7f#]", path) or urlsplit(path).scheme
    if wrong or ".." in path.split("?")[0].split("/"):
        raise SettingsError(f"{path!r} is not a path of the API: write it like /api/me")
    return path if path.startswith("/") else f"/{path}"


def checked_method(method: str) -> str:
    """`method` in capitals. Raises SettingsError if it is not a method (RFC 9110, section 5.6.2)."""
    if not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", method):
        raise SettingsError(f"{method!r} is not a method: GET, POST, PATCH …")
    return method.upper()


class _Bearer(AuthBase):
    """As an auth object, because requests would otherwise let a ~/.netrc entry replace the Authorization header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
