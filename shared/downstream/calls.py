"""The steps of each call to a downstream API: get a token, send, repeat if that is safe, translate errors.

The downstream token goes to the API's own host alone: https, no redirects, and a path cannot change the host.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from ..errors import ApiError, BadGateway, GatewayTimeout, ServerMisconfigured
from ..exchange import DownstreamToken, Refusal
from ..net import AttemptFailedError, Response, Retries, Transport, TransportError, TransportTimeout
from ..sessions import ExchangedLately, RequestContext
from ..settings import DownstreamApiSettings, Settings
from .claims import token_with_claims
from .errors import claims_in, demand_of, error_from_api
from .file_body import FileBody
from .path import join
from .request import Request

REDIRECTS = frozenset({301, 302, 303, 307, 308})
ATTEMPTS = 3  # of a call that may be repeated
_FILE_SECONDS = 230.0  # to send or receive a file; the deadline of the request comes first
_PASSING = frozenset({408, 429, 500, 502, 503, 504})  # another attempt may succeed


class DownstreamApis:
    """The APIs in the settings, and the transport, threads and retry budgets that all calls share."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        now: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.transport, self.now = transport, now
        self._settings = settings.downstream_apis
        self.threads = ThreadPoolExecutor(settings.waiting_threads, "on-behalf-of")  # starts none before it is used
        self.retries = {name: Retries(ATTEMPTS, sleep) for name in settings.downstream_apis}

    def named(self, name: str) -> DownstreamApiSettings:
        """The settings `DownstreamApis__<name>__…`. Raises ServerMisconfigured when there are none."""
        api = self._settings.get(name.lower())
        if api is None:
            raise ServerMisconfigured(reason=f"no settings DownstreamApis__{name}__BaseUrl and __Scopes")
        return api


class UserCalls:
    """Sends calls to one API as one user: adds the token, repeats what may be repeated, and translates errors."""

    def __init__(self, api: DownstreamApiSettings, apis: DownstreamApis, context: RequestContext) -> None:
        self._api, self._apis, self._context = api, apis, context
        self._authority = context.access_token.authority
        self._retries = apis.retries[api.name.lower()]

    @property
    def base_url(self) -> str:
        """See `DownstreamApi.base_url`."""
        if not self._api.base_url:
            raise ServerMisconfigured(reason=f"the setting DownstreamApis__{self._api.name}__BaseUrl is missing")
        return self._api.base_url

    def send(self, request: Request) -> Response:
        """The response, if it is a success. See `HttpVerbs.request` for the errors."""
        return self.send_with_token(request)[0]

    def send_with_token(
        self, request: Request, token: DownstreamToken | None = None
    ) -> tuple[Response, DownstreamToken]:
        """Like `send`, but also returns the token of the last call. `token`: the first token to try."""
        url = join(self.base_url, request.path)
        token = token or self._context.token_for(self._api)
        response = self._send(url, token, request)
        if is_success(response, request.method):
            return response, token
        another = self.better_token(response, token)
        # An API sends a claims challenge when it checks the token, before it executes the call. So even a POST is sent
        # again. A plain 401 may come from a service behind the API, after a write. So only an idempotent call is sent
        # again. The exchange above is not in vain for a POST: the next call has the new token.
        may_repeat = request.idempotent or bool(response.status_code == 401 and claims_in(response))
        if another is not None and may_repeat and _can_repeat(request):
            token, response = another, self._send(url, another, request)
            if is_success(response, request.method):
                return response, token
        raise self.error(response)

    def better_token(self, refused: Response, token: DownstreamToken) -> DownstreamToken | None:
        """A new token to repeat a call that was refused with 401 or 403. None if no new token would help."""
        status = refused.status_code
        claims = claims_in(refused) if status == 401 else ""
        if claims:  # such as from continuous access evaluation: one more exchange, with these claims
            return token_with_claims(self._context, self._api, claims, token, self._authority)
        if status == 401 or (status == 403 and demand_of(refused, self._api.name, self._authority) is None):
            return self._another_token(token, status)
        return None

    def error(self, response: Response) -> ApiError:
        """The error for the client, from an error response of the API."""
        return error_from_api(response, self._api.name, self._authority, self._apis.now())

    def error_in(self, response: Response, method: str) -> ApiError | None:
        """Like `error`, but None for a success."""
        return None if is_success(response, method) else self.error(response)

    def sleep_before_retry(self, retry_after: float | None) -> bool:
        """Sleeps before a throttled call is repeated, if it may be. Returns whether it may."""
        return self._retries.sleep_before_retry(1, retry_after)

    def retry_after(self, response: Response) -> int | None:
        return response.retry_after(self._apis.now())

    def unanswered(self, error: TransportError) -> ApiError:
        """The error for the client if no complete response came."""
        error_type = GatewayTimeout if isinstance(error, TransportTimeout) else BadGateway
        return error_type(reason=f"{self._api.name}: {error}")

    def _another_token(self, refused: DownstreamToken, status: int) -> DownstreamToken | None:
        """A token of a new exchange, after a refusal without claims. None if it would not help; see docs/errors.md.

        401: the API rejected the token without an explanation. 403: perhaps somebody consented to a permission after
        the exchange. Then a new token has other scopes. With the same scopes it would be refused again.
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
        """Sends the call, and repeats it after a failure that may pass, if that is safe. Returns the last response."""
        may_be_repeated = request.idempotent and _can_repeat(request)

        def attempt() -> Response:
            try:
                response = self._send_once(url, token, request)
            except TransportError as error:
                may_repeat = may_be_repeated and error.may_repeat
                raise AttemptFailedError(self.unanswered(error), may_repeat=may_repeat) from None
            if response.status_code in _PASSING:
                wait = self.retry_after(response)
                raise AttemptFailedError(self.error(response), may_repeat=may_be_repeated, retry_after=wait)
            return response

        return self._retries.run(attempt)

    def _send_once(self, url: str, token: DownstreamToken, request: Request) -> Response:
        self._context.check()
        record, started, outcome = self._context.record, perf_counter(), "unanswered"
        own = {"client-request-id": record.correlation_id, "traceparent": record.traceparent()}
        if isinstance(request.data, FileBody):
            request.data.rewind()
        is_file = request.keep_open or isinstance(request.data, FileBody)
        try:
            response = self._apis.transport.send(
                request.method,
                url,
                bearer=token.token,
                params=request.params,
                data=request.data,
                headers={**own, **request.headers},
                read=self._api.timeout,
                whole=_FILE_SECONDS if is_file else None,
                keep_open=request.keep_open,
            )
            outcome = str(response.status_code)
            return response
        except TransportTimeout:
            outcome = "timeout"
            raise
        finally:
            record.call_ended(self._api.name, outcome, started)


def is_success(response: Response, method: str) -> bool:
    """Whether the function gets the response. A redirect is never followed; for GET and HEAD it is a success."""
    status = response.status_code
    if status in REDIRECTS:
        return method in ("GET", "HEAD") and bool(response.headers.get("Location"))
    return 200 <= status < 300 or status == 304


def _can_repeat(request: Request) -> bool:
    return not isinstance(request.data, FileBody) or request.data.can_rewind
