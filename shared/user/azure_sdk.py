"""For Azure SDK clients: tokens in the types of azure-core, and one transport for all users.

It needs azure-core, so it is imported inside functions.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable, Iterator
from copy import copy
from functools import cache
from typing import Any

from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.pipeline.transport import AsyncioRequestsTransport, AsyncioRequestsTransportResponse, RequestsTransport
from azure.core.rest._requests_asyncio import RestAsyncioRequestsTransportResponse as _UntypedResponse

from ..exchange import CONNECT_SECONDS, READ_SECONDS, DownstreamToken, azure_options, http_session
from ..net import seconds_left

_RestResponse: Any = _UntypedResponse
_RENEW_AT = 1  # seconds since 1970: always due, so that azure-core asks the credential at each call
_LONGEST_PAUSE = 1.0  # seconds before another attempt; the storage clients would wait for 15


class _AccessToken(AccessToken):
    def __repr__(self) -> str:
        return f"AccessToken(***, expires_on={self.expires_on})"


class _AccessTokenInfo(AccessTokenInfo):
    def __repr__(self) -> str:
        return f"AccessTokenInfo(***, expires_on={self.expires_on})"


def access_token(token: DownstreamToken) -> AccessToken:
    """For `get_token`."""
    return _AccessToken(token.token, int(token.expires_at))


def access_token_info(token: DownstreamToken) -> AccessTokenInfo:
    """For `get_token_info`."""
    return _AccessTokenInfo(token.token, int(token.expires_at), refresh_on=_RENEW_AT)


class _Transport(RequestsTransport):  # type: ignore[misc]  # azure-core loads it late, without its type
    """It stays open when a client closes. A pause before another attempt is short, and ends with the deadline."""

    def sleep(self, duration: float) -> None:
        super().sleep(seconds_left(min(duration, _LONGEST_PAUSE)))


class _AsyncTransport(AsyncioRequestsTransport):  # type: ignore[misc]  # as above
    """Sends in the thread pool for downstream calls, in the context of the request, which has the deadline.

    The transport of azure-core would use the event loop's few threads, without the deadline.
    """

    def __init__(self, transport: _Transport, wait_for: Callable[..., Awaitable[Any]]) -> None:
        super().__init__(session=transport.session, session_owner=False)
        self._transport, self._wait_for = transport, wait_for

    async def sleep(self, duration: float) -> None:
        await super().sleep(seconds_left(min(duration, _LONGEST_PAUSE)))

    async def send(self, request: Any, *, proxies: Any = None, **options: Any) -> Any:
        """As AsyncioRequestsTransport.send. Unless the body is streamed, it is also read in the thread."""
        sent = await self._with_its_data(request)
        response = await self._wait_for(lambda: self._transport.send(sent, proxies=proxies, **options))
        received, block = response.internal_response, self.connection_config.data_block_size
        received.raw = _InContext(received.raw, contextvars.copy_context())
        if not hasattr(request, "content"):  # the older of azure-core's two kinds of request
            return AsyncioRequestsTransportResponse(request, received, block)
        result: Any = _RestResponse(request=request, internal_response=received, block_size=block)
        if not options.get("stream"):
            await result.read()
        return result

    async def _with_its_data(self, request: Any) -> Any:
        """The request. Data of an async iterator becomes a list's iterator, which `requests` can send."""
        data = await self._retrieve_request_data(request)
        if data is request.data:
            return request
        sent = copy(request)
        setattr(sent, "_data" if hasattr(request, "content") else "data", data)
        return sent


class _InContext:
    """The raw body of a response, read in the context of its request, which has the deadline."""

    def __init__(self, raw: Any, context: contextvars.Context) -> None:
        self._raw, self._context = raw, context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *args: Any, **options: Any) -> Iterator[bytes]:
        """The parts of the body."""
        parts = self._raw.stream(*args, **options)
        while (part := self._context.run(next, parts, None)) is not None:
            yield part


@cache
def _pooled() -> _Transport:
    """One transport for all users. It keeps connections, but no tokens and no cookies."""
    return _Transport(
        session=http_session(), session_owner=False, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS
    )


def client_options() -> dict[str, Any]:
    """See User.azure_options."""
    return azure_options(transport=_pooled())


def async_client_options(wait_for: Callable[..., Awaitable[Any]]) -> dict[str, Any]:
    """See AsyncUser.azure_options."""
    return azure_options(transport=_AsyncTransport(_pooled(), wait_for))
