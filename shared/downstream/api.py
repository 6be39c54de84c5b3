"""Calls one named downstream API, such as Microsoft Graph: gets a token, sends, and repeats what is safe to repeat.

A function uses `DownstreamApi`. Its `get`, `post` and so on are in request.py and end in `send` here. `ApiCalls` has
the steps of each call. Lists, batches, downloads and uploads go through it, too. pages.py, batch.py and download.py are
imported inside methods, because few functions use them. The token goes to the API's own host alone: https, no
redirects, and a path cannot change the host.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Unpack

from ..errors import ApiError, BadGateway, GatewayTimeout, ServerMisconfigured
from ..exchange import Refusal
from ..net import AttemptFailedError, Response, Retries, Transport, TransportError, TransportTimeout
from ..sessions import ExchangedLately, RequestContext
from ..settings import Authority, DownstreamApiSettings, Settings, problem_of_api
from ..telemetry import RequestRecord
from .claims import BearerToken, token_with_claims
from .errors import claims_in, demand_of, error_from_api
from .file_body import FileBody
from .request import MAX_DOWNLOAD_BYTES, MAX_PAGES, HttpVerbs, ListOptions, Request, checked_request, join

if TYPE_CHECKING:
    from .batch import BatchCall, BatchResponse
    from .download import ByteStream
    from .pages import PageReader

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
        """The settings `DownstreamApis__<name>__…` of an API that is called as the user.

        Raises:
            ServerMisconfigured: there are none, or they are for the application.
        """
        return self._named(name, for_app=False)

    def named_for_app(self, name: str) -> DownstreamApiSettings:
        """The settings of an API that is called as the application.

        Raises:
            ServerMisconfigured: there are no such settings, or they are for users.
        """
        return self._named(name, for_app=True)

    def called_by(self, context: RequestContext, name: str) -> DownstreamApi:
        """This API, to be called as the user of this request. Raises ServerMisconfigured as `named` does."""
        return DownstreamApi(name, self, context)

    def _named(self, name: str, *, for_app: bool) -> DownstreamApiSettings:
        api = self._settings.get(name.lower())
        if api is None:
            raise ServerMisconfigured(reason=f"no settings DownstreamApis__{name}__BaseUrl and __Scopes")
        if api.for_app != for_app:
            wrong = problem_of_api(self._settings, name, for_app=for_app) or ()
            raise ServerMisconfigured(reason=" ".join(wrong))
        return api


class ApiResponse(Response):
    """A 2xx, 304 or redirect response of a downstream API. `json()` raises BadGateway if the body is not JSON."""

    def json(self) -> Any:
        """The body, parsed as JSON.

        Raises:
            BadGateway: it is not JSON, is nested too deeply, or belongs to a redirect.
        """
        if self.status_code in REDIRECTS:
            raise BadGateway(reason=f"HTTP {self.status_code}, a redirect, and not the JSON that it should be")
        try:
            return super().json()
        except ValueError:
            raise BadGateway(reason=f"HTTP {self.status_code}, and not the JSON that it should be") from None


class CalledApi(HttpVerbs[Response]):
    """The calls of one downstream API, as the user or as the application."""

    @property
    @abstractmethod
    def calls(self) -> ApiCalls:
        """The steps of each call."""

    @property
    def base_url(self) -> str:
        """The setting `DownstreamApis__<name>__BaseUrl`, without a slash at its end: for the client of an SDK.

        Raises:
            ServerMisconfigured: it is not set, which is allowed where only `credential` or `token` is used. 500.
        """
        return self.calls.base_url

    def send(self, request: Request) -> Response:
        """The response of the API, or an error; see `request`."""
        response = self.calls.send(request)
        return ApiResponse(response.status_code, response.headers, response.content)

    def pages(self, path: str, *, max_pages: int = MAX_PAGES, **options: Unpack[ListOptions]) -> Iterator[Response]:
        """The pages of a list, one after the other, by `@odata.nextLink` or `nextLink`. Each is fetched when it is due.

        https://learn.microsoft.com/graph/paging

        Args:
            path: as for `request`.
            max_pages: more pages than these are an error. To read fewer pages, break out of your loop.
            options: `path_params`, `params` and `headers` of `request`.

        Returns:
            An iterator of responses. Each holds a JSON object whose member `value` is a list.

        Raises:
            ApiError: the errors of `request`.
            BadGateway: a page is no such document, its link leads out of the API's base URL, or there are more than
                `max_pages`. 502.
        """
        return (page.response for page in self.reader(path, max_pages, options).read_all(self.send))

    def items(self, path: str, *, max_pages: int = MAX_PAGES, **options: Unpack[ListOptions]) -> Iterator[Any]:
        """The items in the `value` of all pages of a list. See `pages`.

        Args:
            path: as for `request`.
            max_pages: as for `pages`.
            options: as for `pages`.

        Returns:
            An iterator of items, as JSON has them.

        Raises:
            ApiError: the errors of `pages`.
        """
        return (item for page in self.reader(path, max_pages, options).read_all(self.send) for item in page.items)

    def reader(self, path: str, max_pages: int, options: ListOptions) -> PageReader:
        """A reader of the pages of a list. Raises ValueError if the request cannot be sent."""
        from .pages import PageReader

        return PageReader(checked_request("GET", path, **options), self.calls.api, max_pages)

    def batch(self, calls: Sequence[BatchCall]) -> list[BatchResponse]:
        """Many calls in few requests: 20 in each `POST /$batch`. The API must know JSON batches, as Graph does.

        https://learn.microsoft.com/graph/json-batching

        A call that was refused with a claims challenge is made once more with a new token. After a 401 without
        claims, or a 403, only calls that may be repeated are made again. After 429 these are made again, too, if
        `Retry-After` is below 5 seconds.

        Args:
            calls: what to call; see `BatchCall`.

        Returns:
            A response for each call, in their order. `raise_for_status()` raises what the call alone would have raised.

        Raises:
            ValueError: a call cannot be sent, or depends on a call that is not before it. Nothing was sent.
            ApiError: the errors of `request`, if the first `POST /$batch` fails as a whole.
            BadGateway: the response is not that of a batch, or lacks the response to one of the calls. 502.
        """
        from .batch import send_batch

        return send_batch(self.calls, calls)

    def stream(self, path: str, *, max_bytes: int = MAX_DOWNLOAD_BYTES, **options: Unpack[ListOptions]) -> ByteStream:
        """The body of a GET, piece by piece: `with api.stream(path) as chunks: for chunk in chunks: ...`.

        Only your function reads the stream. Its own response to the client cannot be streamed.

        Args:
            path: as for `request`.
            max_bytes: a longer body is an error.
            options: `path_params`, `params` and `headers` of `request`.

        Returns:
            What the `with` statement takes. In it, an iterator of bytes with `status_code` and `headers`.

        Raises:
            ApiError: the errors of `request`.
            BadGateway: the body is longer or not complete, or the API redirects; `get` returns the address. 502.
            GatewayTimeout: the next piece did not come in time. 504.
        """
        from .download import ByteStream

        return ByteStream(self.calls, checked_request("GET", path, **options), max_bytes)

    def download(
        self, path: str, file: BinaryIO, *, max_bytes: int = MAX_DOWNLOAD_BYTES, **options: Unpack[ListOptions]
    ) -> Response:
        """Writes the body of a GET into a file, piece by piece. After an error, a part of it may have been written.

        Args:
            path: as for `request`.
            file: is written to. Open it in binary mode.
            max_bytes: a longer body is an error.
            options: as for `stream`.

        Returns:
            The response, without its body.

        Raises:
            ApiError: the errors of `stream`.
        """
        from .download import save

        return save(self.stream(path, max_bytes=max_bytes, **options), file)


class DownstreamApi(CalledApi):
    """One downstream API, called as the user while the request lasts. `user.api` makes it."""

    def __init__(self, name: str, apis: DownstreamApis, context: RequestContext) -> None:
        self._calls = ApiCalls(apis.named(name), apis, context, context.access_token.authority)

    @property
    def calls(self) -> ApiCalls:
        """The steps of each call, as this user."""
        return self._calls


class CallContext(Protocol):
    """Where calls get their token from: the context of a user's request, or the application's own."""

    record: RequestRecord

    def token_for(self, api: DownstreamApiSettings, refusal: Refusal | None = None) -> BearerToken:
        """A token for this API. After a refusal, another one."""
        ...

    def check(self) -> None:
        """Call this before each call is sent. Raises ApiError when the caller may not call any more."""
        ...


class ApiCalls:
    """Sends calls to one API, as one user or as the application.

    Each call gets a token, is repeated if that is safe, and has its errors translated.
    """

    def __init__(
        self, api: DownstreamApiSettings, apis: DownstreamApis, context: CallContext, authority: Authority
    ) -> None:
        """`authority` is where the user signs in again and consents."""
        self.api, self._apis, self._context, self._authority = api, apis, context, authority
        self._retries = apis.retries[api.name.lower()]

    @property
    def base_url(self) -> str:
        """The setting `BaseUrl`; see `DownstreamApi.base_url`."""
        if not self.api.base_url:
            raise ServerMisconfigured(reason=f"the setting DownstreamApis__{self.api.name}__BaseUrl is missing")
        return self.api.base_url

    def send(self, request: Request) -> Response:
        """The response, if it is a success. `HttpVerbs.request` lists the errors."""
        return self.send_with_token(request)[0]

    def send_with_token(self, request: Request, token: BearerToken | None = None) -> tuple[Response, BearerToken]:
        """Like `send`, but also returns the token of the last call.

        Args:
            token: the first token to try.
        """
        url = join(self.base_url, request.path)
        token = token or self._context.token_for(self.api)
        response = self._send(url, token, request)
        if is_success(response, request.method):
            return response, token
        another = self.better_token(response, token)
        # An API sends a claims challenge when it checks the token, before it executes the call. So even a POST is sent
        # again. A plain 401 may come from a service behind the API, after a write. So only an idempotent call is sent
        # again. Even if a POST is not repeated, the exchange helps: the next call has the new token.
        is_safe = request.idempotent or bool(response.status_code == 401 and claims_in(response))
        if another is not None and is_safe and _body_can_be_sent_again(request):
            token, response = another, self._send(url, another, request)
            if is_success(response, request.method):
                return response, token
        raise self.error(response)

    def better_token(self, refused: Response, token: BearerToken) -> BearerToken | None:
        """A new token to repeat a call that was refused with 401 or 403. None if no new token would help."""
        status = refused.status_code
        claims = claims_in(refused) if status == 401 else ""
        if claims:  # such as from continuous access evaluation: one more exchange, with these claims
            return token_with_claims(self._context, self.api, claims, token, self._authority)
        if status == 401 or (status == 403 and demand_of(refused, self.api.name, self._authority) is None):
            return self._another_token(token, status)
        return None

    def error(self, response: Response) -> ApiError:
        """The error for the client, from an error response of the API."""
        return error_from_api(response, self.api.name, self._authority, self._apis.now())

    def error_in(self, response: Response, method: str) -> ApiError | None:
        """Like `error`, but None for a success."""
        return None if is_success(response, method) else self.error(response)

    def sleep_before_retry(self, retry_after: float | None) -> bool:
        """Sleeps before a throttled call is repeated. Returns False, without sleep, if the call may not be repeated."""
        return self._retries.sleep_before_retry(1, retry_after)

    def retry_after(self, response: Response) -> int | None:
        return response.retry_after(self._apis.now())

    def unanswered(self, error: TransportError) -> ApiError:
        """The error for the client if no complete response came."""
        error_type = GatewayTimeout if isinstance(error, TransportTimeout) else BadGateway
        return error_type(reason=f"{self.api.name}: {error}")

    def _another_token(self, refused: BearerToken, status: int) -> BearerToken | None:
        """A token of a new exchange, after a refusal without claims. None if it would not help; see docs/errors.md.

        401: the API rejected the token without an explanation. 403: perhaps somebody consented to a permission after
        the exchange. Then a new token has other scopes. With the same scopes it would be refused again.
        """
        refusal = Refusal(refused.token, is_void=status == 401)
        try:
            another = self._context.token_for(self.api, refusal)
        except ExchangedLately:
            return None
        except ApiError:
            if status == 401:
                raise
            return None  # the API's 403 stands, even while Entra fails
        return None if status == 403 and another.granted == refused.granted else another

    def _send(self, url: str, token: BearerToken, request: Request) -> Response:
        """Sends the call, and repeats it if that is safe and may help. Raises the error of the last attempt."""
        is_repeatable = request.idempotent and _body_can_be_sent_again(request)

        def attempt() -> Response:
            try:
                response = self._send_once(url, token, request)
            except TransportError as error:
                may_repeat = is_repeatable and error.may_repeat
                raise AttemptFailedError(self.unanswered(error), may_repeat=may_repeat) from None
            if response.status_code in _PASSING:
                wait = self.retry_after(response)
                raise AttemptFailedError(self.error(response), may_repeat=is_repeatable, retry_after=wait)
            return response

        return self._retries.run(attempt)

    def _send_once(self, url: str, token: BearerToken, request: Request) -> Response:
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
                read=self.api.timeout,
                whole=_FILE_SECONDS if is_file else None,
                keep_open=request.keep_open,
            )
            outcome = str(response.status_code)
            return response
        except TransportTimeout:
            outcome = "timeout"
            raise
        finally:
            record.call_ended(self.api.name, outcome, started)


def is_success(response: Response, method: str) -> bool:
    """Whether the function gets the response. A redirect is never followed; for GET and HEAD it is a success."""
    status = response.status_code
    if status in REDIRECTS:
        return method in ("GET", "HEAD") and bool(response.headers.get("Location"))
    return 200 <= status < 300 or status == 304


def _body_can_be_sent_again(request: Request) -> bool:
    return not isinstance(request.data, FileBody) or request.data.can_rewind
