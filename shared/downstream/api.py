"""Calls one named API as the user: its address, its scopes, its failures. Microsoft Graph is one of them.

The bearer token goes to the API's own host and nowhere else: https, no redirects, and a path cannot change the host.
Lists, batches and files are made of these calls: pages.py, batch.py, download.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, BinaryIO, Unpack

from ..errors import ApiError, BadGateway, GatewayTimeout, ServerMisconfigured
from ..exchange import DownstreamToken, Refusal
from ..net import AttemptFailedError, Response, Retries, Transport, TransportError, TransportTimeout
from ..sessions import ExchangedLately, RequestContext
from ..settings import DownstreamApiSettings, Settings
from .batch import BatchCall, BatchResponse, send_batch
from .claims import token_with_claims
from .download import MAX_DOWNLOAD_BYTES, ByteStream, save
from .errors import claims_in, demand_of, error_from_api
from .file_body import FileBody
from .pages import MAX_PAGES, ListOptions, PageReader
from .path import join
from .request import HttpVerbs, Request, checked_request

ATTEMPTS = 3  # of a call that may be repeated
_FILE_SECONDS = 230.0  # for a body from or into a file; the deadline of the request comes first
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 429, 500, 502, 503, 504})  # another attempt may fare better


class ApiResponse(Response):
    """The 2xx, 304 or redirecting response of a downstream API. A body that is not JSON is a failure of that API."""

    def json(self) -> Any:
        """The body, parsed as JSON.

        Raises:
            BadGateway: it is not JSON, is nested too deeply, or is that of a redirect.
        """
        if self.status_code in _REDIRECTS:
            raise BadGateway(reason=f"HTTP {self.status_code}, a redirect, and not the JSON that it should be")
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


class UserCalls:
    """The calls of one API as one user: which token they carry, which are repeated, and what an error becomes."""

    def __init__(self, api: DownstreamApiSettings, apis: DownstreamApis, context: RequestContext) -> None:
        self._api, self._apis, self._context = api, apis, context
        self._retries = apis.retries[api.name.lower()]

    @property
    def base_url(self) -> str:
        """See `DownstreamApi.base_url`."""
        if not self._api.base_url:
            raise ServerMisconfigured(reason=f"the setting DownstreamApis__{self._api.name}__BaseUrl is missing")
        return self._api.base_url

    def send(self, request: Request) -> Response:
        """The response, if it is not an error; see `HttpVerbs.request`."""
        return self.send_with_token(request)[0]

    def send_with_token(
        self, request: Request, token: DownstreamToken | None = None
    ) -> tuple[Response, DownstreamToken]:
        """The same, and the token that the response was had with. `token`: the one to begin with."""
        url = join(self.base_url, request.path)
        token = token or self._context.token_for(self._api)
        response = self._send(url, token, request)
        if is_success(response, request.method):
            return response, token
        another = self.better_token(response, token)
        may_repeat = request.idempotent or bool(response.status_code == 401 and claims_in(response))
        if another is not None and may_repeat and _can_repeat(request):
            token, response = another, self._send(url, another, request)
            if is_success(response, request.method):
                return response, token
        raise self.error(response)

    def better_token(self, refused: Response, token: DownstreamToken) -> DownstreamToken | None:
        """A token with which a call that was refused with 401 or 403 may succeed; None if there is none."""
        status = refused.status_code
        claims = claims_in(refused) if status == 401 else ""
        if claims:  # continuous access evaluation: one more exchange, with what the API asks for
            return token_with_claims(self._context, self._api, claims, token, self._apis.authority)
        if status == 401 or (status == 403 and demand_of(refused, self._api.name, self._apis.authority) is None):
            return self._another_token(token, status)
        return None

    def error(self, response: Response) -> ApiError:
        """The error for the client that a response is."""
        return error_from_api(response, self._api.name, self._apis.authority, self._apis.now())

    def error_in(self, response: Response, method: str) -> ApiError | None:
        """The same; None when it is no error."""
        return None if is_success(response, method) else self.error(response)

    def may_try_again(self, retry_after: float | None) -> bool:
        """Whether to repeat what was throttled; the pause is over when it says yes."""
        return self._retries.again(1, retry_after)

    def retry_after(self, response: Response) -> int | None:
        return response.retry_after(self._apis.now())

    def unanswered(self, error: TransportError) -> ApiError:
        """The error for the client when no complete response came."""
        kind = GatewayTimeout if isinstance(error, TransportTimeout) else BadGateway
        return kind(reason=f"{self._api.name}: {error}")

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
                may_repeat = may_be_repeated and error.may_repeat
                raise AttemptFailedError(self.unanswered(error), may_repeat=may_repeat) from None
            if response.status_code in _PASSING:
                wait = self.retry_after(response)
                raise AttemptFailedError(self.error(response), may_repeat=may_be_repeated, retry_after=wait)
            return response

        may_be_repeated = request.idempotent and _can_repeat(request)

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


class DownstreamApi(HttpVerbs[Response]):
    """One downstream API, called as the user while the request lasts. `user.api` makes it."""

    def __init__(self, name: str, apis: DownstreamApis, context: RequestContext) -> None:
        self._settings = apis.named(name)
        self._calls = UserCalls(self._settings, apis, context)

    @property
    def base_url(self) -> str:
        """The setting `DownstreamApis__<name>__BaseUrl`, without a slash at its end: for the client of an SDK.

        Raises:
            ServerMisconfigured: it is not set, which is allowed where only `credential` or `token` is used. 500.
        """
        return self._calls.base_url

    def send(self, request: Request) -> Response:
        """See `request`."""
        return as_api_response(self._calls.send(request))

    def pages(self, path: str, *, max_pages: int = MAX_PAGES, **options: Unpack[ListOptions]) -> Iterator[Response]:
        """The pages of a list, one after the other, by `@odata.nextLink` or `nextLink`. Each is fetched when it is due.

        https://learn.microsoft.com/graph/paging

        Args:
            path: as for `request`.
            max_pages: more pages than these are an error. For fewer, end the loop.
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
        """What reads the pages of a list. Raises ValueError for what cannot be sent."""
        return PageReader(checked_request("GET", path, **options), self._settings, max_pages)

    def batch(self, calls: Sequence[BatchCall]) -> list[BatchResponse]:
        """Many calls in few requests: 20 in each `POST /$batch`. The API must know JSON batches, as Graph does.

        https://learn.microsoft.com/graph/json-batching

        A call that was refused with 401 is made once more with a new token, if it may be repeated or the API sent a
        claims challenge. One that may be repeated is made once more after 429, when `Retry-After` is 5 seconds or less.

        Args:
            calls: what to call; see `BatchCall`.

        Returns:
            A response for each call, in their order. `raise_for_status()` raises what the call alone would have raised.

        Raises:
            ValueError: a call cannot be sent, or depends on none before it. Nothing was sent.
            ApiError: the errors of `request`, for a request with all its calls.
            BadGateway: the response lacks that of a call, or is not the response of a batch. 502.
        """
        return send_batch(self._calls, calls)

    def stream(self, path: str, *, max_bytes: int = MAX_DOWNLOAD_BYTES, **options: Unpack[ListOptions]) -> ByteStream:
        """The body of a GET, piece by piece: `with api.stream(path) as chunks: for chunk in chunks: ...`.

        It is for this function. A response of this API cannot be streamed.

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
        return ByteStream(self._calls, checked_request("GET", path, **options), max_bytes)

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
        return save(self.stream(path, max_bytes=max_bytes, **options), file)


def is_success(response: Response, method: str) -> bool:
    """Whether the function gets the response. A redirect, which is never followed, is one for GET and HEAD."""
    status = response.status_code
    if status in _REDIRECTS:
        return method in ("GET", "HEAD") and bool(response.headers.get("Location"))
    return 200 <= status < 300 or status == 304


def _can_repeat(request: Request) -> bool:
    return not isinstance(request.data, FileBody) or request.data.can_rewind


def as_api_response(response: Response) -> ApiResponse:
    return ApiResponse(response.status_code, response.headers, response.content)
