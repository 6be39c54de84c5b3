"""Calls of a downstream API that are awaited: the same as those of `DownstreamApi`, each made in a thread."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, Unpack

from ..downstream import (
    MAX_DOWNLOAD_BYTES,
    MAX_PAGES,
    CalledApi,
    DownstreamApi,
    DownstreamApis,
    HttpVerbs,
    ListOptions,
    Request,
)
from ..net import Response
from ..sessions import RequestContext

if TYPE_CHECKING:
    from ..downstream.batch import BatchCall, BatchResponse
    from ..downstream.download import ByteStream
    from ..downstream.pages import PageReader

T = TypeVar("T")
WaitFor = Callable[..., Awaitable[Any]]


class AsyncCalledApi(HttpVerbs[Awaitable[Response]]):
    """The calls of one downstream API, to be awaited."""

    def __init__(self, api: CalledApi, wait_for: WaitFor) -> None:
        self._api, self._wait_for = api, wait_for

    @property
    def base_url(self) -> str:
        """The setting `BaseUrl`; see `DownstreamApi.base_url`."""
        return self._api.base_url

    async def send(self, request: Request) -> Response:
        """The response of the API, or an error; see `request`."""
        response: Response = await self._wait_for(self._api.send, request)
        return response

    def pages(
        self, path: str, *, max_pages: int = MAX_PAGES, **options: Unpack[ListOptions]
    ) -> AsyncIterator[Response]:
        """As `DownstreamApi.pages`: `async for page in api.pages(path)`."""
        reader = self._api.reader(path, max_pages, options)
        return (page.response async for page in self._read(reader))

    def items(self, path: str, *, max_pages: int = MAX_PAGES, **options: Unpack[ListOptions]) -> AsyncIterator[Any]:
        """As `DownstreamApi.items`: `async for item in api.items(path)`."""
        reader = self._api.reader(path, max_pages, options)
        return (item async for page in self._read(reader) for item in page.items)

    async def batch(self, calls: Sequence[BatchCall]) -> list[BatchResponse]:
        """As `DownstreamApi.batch`, awaited."""
        responses: list[BatchResponse] = await self._wait_for(self._api.batch, calls)
        return responses

    def stream(
        self, path: str, *, max_bytes: int = MAX_DOWNLOAD_BYTES, **options: Unpack[ListOptions]
    ) -> AsyncByteStream:
        """As `DownstreamApi.stream`: `async with api.stream(path) as chunks: async for chunk in chunks: ...`."""
        return AsyncByteStream(self._api.stream(path, max_bytes=max_bytes, **options), self._wait_for)

    async def download(
        self, path: str, file: BinaryIO, *, max_bytes: int = MAX_DOWNLOAD_BYTES, **options: Unpack[ListOptions]
    ) -> Response:
        """As `DownstreamApi.download`, awaited. The file is written to in a thread."""
        response: Response = await self._wait_for(
            lambda: self._api.download(path, file, max_bytes=max_bytes, **options)
        )
        return response

    async def _read(self, reader: PageReader) -> AsyncIterator[PageReader]:
        while reader.next is not None:
            await self._wait_for(reader.read_one, reader.next, self._api.send)
            yield reader


class AsyncDownstreamApi(AsyncCalledApi):
    """A `DownstreamApi` whose calls are awaited. `user.api` makes it."""

    def __init__(self, name: str, apis: DownstreamApis, context: RequestContext, wait_for: WaitFor) -> None:
        super().__init__(DownstreamApi(name, apis, context), wait_for)


class AsyncByteStream:
    """A `ByteStream` for an `async with` statement."""

    status_code: int
    headers: Mapping[str, str]

    def __init__(self, stream: ByteStream, wait_for: WaitFor) -> None:
        self._stream, self._wait_for = stream, wait_for
        self._busy, self._is_left = threading.Lock(), False

    async def __aenter__(self) -> AsyncByteStream:
        try:
            await self._wait_for(self._alone, self._stream.__enter__)
        except BaseException:  # also when the task is cancelled while a thread opens it
            self._leave()
            raise
        self.status_code, self.headers = self._stream.status_code, self._stream.headers
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece: bytes | None = await self._wait_for(self._alone, next, self._stream, None)
        if piece is None:
            raise StopAsyncIteration
        return piece

    def _alone(self, work: Callable[..., T], *args: Any) -> T:
        """Does the work, in a thread. Then closes the stream, if the task has left it meanwhile."""
        try:
            with self._busy:
                return work(*args)
        finally:
            if self._is_left:
                self._stream.__exit__()

    def _leave(self) -> None:
        """Closes the stream, unless a thread reads: waiting for that thread would stop the event loop."""
        self._is_left = True
        if self._busy.acquire(blocking=False):
            try:
                self._stream.__exit__()
            finally:
                self._busy.release()
