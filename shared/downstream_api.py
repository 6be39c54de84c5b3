"""Calls one named API as the user: its address, its scopes, its failures. Microsoft Graph is one of them.

The bearer token goes to the API's own host and nowhere else: https, no redirects, and a path cannot change the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from .claims_challenge import claims_of
from .errors import (
    AccessDenied,
    ApiError,
    BadGateway,
    ClaimsChallenge,
    GatewayTimeout,
    NotFound,
    RequestRejected,
    ServerMisconfigured,
    ServiceUnavailable,
)
from .http_verbs import HttpVerbs, Request
from .sessions import Caller, Refusal
from .settings import DownstreamApiSettings, Settings
from .strict_json import parse_object
from .transport import Answer, Transport, TransportError, TransportTimeout

RETRY_AFTER_SECONDS = 5  # where the API names no time of its own
_MAX_PROBLEM_BYTES = 4 * 1024


class DownstreamApis:
    """The APIs that the settings name, callable on behalf of whoever is given."""

    def __init__(self, settings: Settings, transport: Transport, now: Callable[[], float]) -> None:
        self.settings, self.transport, self.now = settings, transport, now

    def named(self, name: str) -> DownstreamApiSettings:
        """The settings `DownstreamApis__<name>__…`. Raises ServerMisconfigured when there are none."""
        api = self.settings.downstream_apis.get(name.lower())
        if api is None:
            raise ServerMisconfigured(reason=f"no settings DownstreamApis__{name}__BaseUrl and __Scopes")
        return api


class DownstreamApi(HttpVerbs[Answer]):
    """One downstream API, called on behalf of one user for the length of one request. Made by `User.api`."""

    def __init__(self, name: str, apis: DownstreamApis, caller: Caller) -> None:
        self._api, self._apis, self._caller = apis.named(name), apis, caller

    def send(self, request: Request) -> Answer:
        """See `request`."""
        url = join(self._api.base_url, request.path)
        token = self._caller.token_for(self._api.scopes)
        answer = self._send(url, token, request)
        claims = claims_of(answer)
        if claims:  # continuous access evaluation: one more exchange, with what the API asks for
            token = self._caller.token_for(self._api.scopes, Refusal(token, claims))
            answer = self._send(url, token, request)
        if 200 <= answer.status_code < 300 or answer.status_code == 304:
            return answer
        raise self._error(answer)

    def _send(self, url: str, token: str, request: Request) -> Answer:
        headers = {"client-request-id": self._caller.correlation_id, **request.headers}
        try:
            return self._apis.transport.send(
                request.method, url, bearer=token, params=request.params, data=request.data, headers=headers
            )
        except TransportTimeout as error:
            raise GatewayTimeout(reason=f"{self._api.name}: {error}") from None
        except TransportError as error:
            raise BadGateway(reason=f"{self._api.name}: {error}") from None

    def _error(self, answer: Answer) -> ApiError:
        status, reason = answer.status_code, f"{self._api.name}: HTTP {answer.status_code}{_error_code(answer)}"
        claims = claims_of(answer)
        if claims:
            return ClaimsChallenge(claims, authorization_uri=self._apis.settings.authorization_uri, reason=reason)
        if status == 429 or (status == 503 and "Retry-After" in answer.headers):
            wait = answer.retry_after(self._apis.now())
            return ServiceUnavailable(retry_after=RETRY_AFTER_SECONDS if wait is None else wait, reason=reason)
        if status == 401 or not 400 <= status < 500:
            return BadGateway(reason=reason)
        by_status: dict[int, type[ApiError]] = {403: AccessDenied, 404: NotFound}
        error = by_status[status](reason=reason) if status in by_status else RequestRejected(status, reason=reason)
        problem = _problem(answer)
        if problem:
            error.extra["downstream"] = problem
        return error


def join(base_url: str, path: str) -> str:
    """The address of `path` below `base_url`.

    A value put into the path may still bring its own query: quote what comes from a caller (urllib.parse.quote).

    Raises:
        ValueError: the path is not one that surely stays there. Its text is not repeated: it may come from a caller.
    """
    is_below = path.startswith("/") and not path.startswith("//") and "#" not in path and path.isprintable()
    if not is_below or any(map(_leads_astray, path.partition("?")[0].split("/"))):
        raise ValueError("a downstream path begins with one slash and has no '..', backslash, '#' or control character")
    url = f"{base_url}{path}"
    if urlsplit(url)[:2] != urlsplit(base_url)[:2]:
        raise ValueError("a downstream path cannot change the host")
    return url


def _leads_astray(step: str) -> bool:
    """Whether some server, decoding as often as it likes, could take this step for a way up or sideways."""
    for _ in range(len(step)):
        decoded = unquote(step)
        if decoded == step:
            break
        step = decoded
    name = step.partition(";")[0].strip()  # some take what follows a semicolon for a parameter
    return name in (".", "..") or "/" in step or "\\" in step or not step.isprintable()


def _error_code(answer: Answer) -> str:
    """For the log: the code of an error in Graph's form, such as ErrorAccessDenied; nothing of its prose."""
    try:
        code = answer.json()["error"]["code"]
    except (ValueError, TypeError, KeyError):
        return ""
    return f" {code}" if isinstance(code, str) and code.isascii() and code.isalnum() and len(code) <= 64 else ""


def _problem(answer: Answer) -> dict[str, Any] | None:
    """An RFC 9457 document is written for the client of an API, so it is passed on; other error bodies are not."""
    is_problem = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/problem+json"
    try:
        return parse_object(answer.content) if is_problem and len(answer.content) <= _MAX_PROBLEM_BYTES else None
    except ValueError:
        return None
