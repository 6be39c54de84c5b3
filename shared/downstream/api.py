"""Calls one named API as the user: its address, its scopes, its failures. Microsoft Graph is one of them.

The bearer token goes to the API's own host and nowhere else: https, no redirects, and a path cannot change the host.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from ..errors import ApiError, BadGateway, GatewayTimeout, ServerMisconfigured
from ..exchange import DownstreamToken, Refusal
from ..net import AttemptFailedError, Response, Retries, Transport, TransportError, TransportTimeout, claims_of
from ..sessions import ExchangedLately, RequestContext
from ..settings import DownstreamApiSettings, Settings
from .claims import token_with_claims
from .errors import error_from_api
from .request import HttpVerbs, Request, join

ATTEMPTS = 3  # of a call that may be repeated
_PASSING = frozenset({408, 429, 500, 502, 503, 504})  # another attempt may fare better


class ApiResponse(Response):
    """The 2xx or 304 response of a downstream API. A body that is not JSON is a failure of that API."""

    def json(self) -> Any:
        """The body, parsed as JSON.

        Raises:
            BadGateway: it is not JSON, or is nested too deeply.
        """
        try:
            return super().json()
        except ValueError:
            raise BadGateway(reason=f"HTTP {self.status_code}, and not the JSON that it should be") from None


class DownstreamApis:
    """The APIs that the settings name, and what all calls of them share."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        now: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.authority, self.transport, self.now = settings.authority, transport, now
        self._settings = settings.downstream_apis
        self.threads = ThreadPoolExecutor(settings.waiting_threads, "on-behalf-of")  # starts none before it is used
        self.retries = {name: Retries(ATTEMPTS, sleep) for name in settings.downstream_apis}

    def named(self, name: str) -> DownstreamApiSettings:
        """The settings `DownstreamApis__<name>__…`. Raises ServerMisconfigured when there are none."""
        api = self._settings.get(name.lower())
        if api is None:
            raise ServerMisconfigured(reason=f"no settings DownstreamApis__{name}__BaseUrl and __Scopes")
        return api


class DownstreamApi(HttpVerbs[Response]):
    """One downstream API, called as the user while the request lasts. `user.api` makes it."""

    def __init__(self, name: str, apis: DownstreamApis, context: RequestContext) -> None:
        self._api, self._apis, self._context = apis.named(name), apis, context
        self._retries = apis.retries[name.lower()]

    @property
    def base_url(self) -> str:
        """The setting `DownstreamApis__<name>__BaseUrl`, without a slash at its end: for the client of an SDK.

        Raises:
            ServerMisconfigured: it is not set, which is allowed where only `credential` or `token` is used. 500.
        """
        if not self._api.base_url:
            raise ServerMisconfigured(reason=f"the setting DownstreamApis__{self._api.name}__BaseUrl is missing")
        return self._api.base_url

    def send(self, request: Request) -> Response:
        """See `request`."""
        url = join(self.base_url, request.path)
        token = self._context.token_for(self._api)
        response = self._send(url, token, request)
        if _is_success(response):
            return _as_api_response(response)
        claims = claims_of(response)
        if claims:  # continuous access evaluation: one more exchange, with what the API asks for
            met = token_with_claims(self._context, self._api, claims, token, self._apis.authority)
            response = self._send(url, met, request)
        elif response.status_code in (401, 403):
            another = self._another_token(token, response.status_code)
            if another is not None and request.idempotent:
                response = self._send(url, another, request)
        if _is_success(response):
            return _as_api_response(response)
        raise error_from_api(response, self._api.name, self._apis.authority, self._apis.now())

    def _another_token(self, refused: DownstreamToken, status: int) -> DownstreamToken | None:
        """One with which the call may fare better, if a new exchange brings it; see docs/errors.md.

        401: the API knows something against this token, and no more of it is said. 403: perhaps a permission that was
        consented to after the exchange; a token with the same scopes would be refused as this one was.
        """
        refusal = Refusal(refused.token, is_void=status == 401)
        try:
            another = self._context.token_for(self._api, refusal)
        except ExchangedLately:
            return None
        except ApiError:
            if status == 401:
                raise
            return None  # the API's 403 stands, even while Entra fails
        return None if status == 403 and another.granted == refused.granted else another

    def _send(self, url: str, token: DownstreamToken, request: Request) -> Response:
        """The API's response, unless another attempt may get a better one; then that one's, if it may be made."""

        def attempt() -> Response:
            try:
                response = self._send_once(url, token, request)
            except TransportError as error:
                may_repeat = request.idempotent and error.may_repeat
                raise AttemptFailedError(self._unanswered(error), may_repeat=may_repeat) from None
            if response.status_code in _PASSING:
                now = self._apis.now()
                failure = error_from_api(response, self._api.name, self._apis.authority, now)
                wait = response.retry_after(now)
                raise AttemptFailedError(failure, may_repeat=request.idempotent, retry_after=wait)
            return response

        return self._retries.run(attempt)

    def _send_once(self, url: str, token: DownstreamToken, request: Request) -> Response:
        record, started, outcome = self._context.record, perf_counter(), "unanswered"
        own = {"client-request-id": record.correlation_id, "traceparent": record.traceparent()}
        try:
            response = self._apis.transport.send(
                request.method,
                url,
                bearer=token.token,
                params=request.params,
                data=request.data,
                headers={**own, **request.headers},
            )
            outcome = str(response.status_code)
            return response
        except TransportTimeout:
            outcome = "timeout"
            raise
        finally:
            record.call_ended(self._api.name, outcome, started)

    def _unanswered(self, error: TransportError) -> ApiError:
        kind = GatewayTimeout if isinstance(error, TransportTimeout) else BadGateway
        return kind(reason=f"{self._api.name}: {error}")


def _is_success(response: Response) -> bool:
    return 200 <= response.status_code < 300 or response.status_code == 304


def _as_api_response(response: Response) -> ApiResponse:
    return ApiResponse(response.status_code, response.headers, response.content)
