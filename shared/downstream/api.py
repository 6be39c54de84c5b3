"""Calls one named downstream API, such as Microsoft Graph, as the user: single calls, lists, batches and files.

A function uses `DownstreamApi`. Its `get`, `post` and so on are in request.py and end in `send` here. calls.py
adds the token and repeats calls. Lists, batches and files go through it too. pages.py, batch.py and download.py are
imported inside methods, because few functions use them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from ..errors import BadGateway
from ..net import Response
from ..sessions import RequestContext
from .calls import REDIRECTS, DownstreamApis, UserCalls
from .request import MAX_DOWNLOAD_BYTES, MAX_PAGES, HttpVerbs, ListOptions, Request, checked_request

if TYPE_CHECKING:
    from .batch import BatchCall, BatchResponse
    from .download import ByteStream
    from .pages import PageReader


class ApiResponse(Response):
    """A 2xx, 304 or redirect response of a downstream API. A body that is not JSON is a failure of that API."""

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
        response = self._calls.send(request)
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

        return PageReader(checked_request("GET", path, **options), self._settings, max_pages)

    def batch(self, calls: Sequence[BatchCall]) -> list[BatchResponse]:
        """Many calls in few requests: 20 in each `POST /$batch`. The API must know JSON batches, as Graph does.

        https://learn.microsoft.com/graph/json-batching

        A call that was refused with a claims challenge is made once more with a new token. After another 401 or a 403,
        only calls that may be repeated are made again. After 429 these are made again, too, if `Retry-After` is below
        5 seconds.

        Args:
            calls: what to call; see `BatchCall`.

        Returns:
            A response for each call, in their order. `raise_for_status()` raises what the call alone would have raised.

        Raises:
            ValueError: a call cannot be sent, or depends on a call that is not before it. Nothing was sent.
            ApiError: the errors of `request`, if the first `POST /$batch` fails as a whole.
            BadGateway: the response lacks that of a call, or is not the response of a batch. 502.
        """
        from .batch import send_batch

        return send_batch(self._calls, calls)

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
        from .download import save

        return save(self.stream(path, max_bytes=max_bytes, **options), file)
