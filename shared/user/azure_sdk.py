"""For Azure SDK clients: tokens in the types of azure-core, and a transport that sends as one user.

The transport sends a token of `user.credential` to the API of that credential alone. It handles claims challenges,
because not every client does: azure-storage-blob drops them. A client that does sees no challenge here.
All transports share one pool of connections. A transport belongs to one user and one request, as its credentials do.

This module needs azure-core, so it is imported inside functions.
"""

from __future__ import annotations

import contextvars
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.pipeline.transport import AsyncioRequestsTransport, AsyncioRequestsTransportResponse, RequestsTransport
from azure.core.rest._requests_asyncio import RestAsyncioRequestsTransportResponse as _UntypedResponse

from ..errors import ServerMisconfigured
from ..exchange import CONNECT_SECONDS, READ_SECONDS, DownstreamToken, azure_options, http_session
from ..net import claims_of, seconds_left

if TYPE_CHECKING:
    from .credential import UserCredential

_RestResponse: Any = _UntypedResponse
_RENEW_AT = 1  # seconds since 1970: always due, so that azure-core asks the credential at each call
_BEARER = re.compile(r"\s*bearer(?:\s+(.*))?", re.IGNORECASE | re.DOTALL)
_LONGEST_PAUSE = 1.0  # seconds before another attempt; the storage clients would wait for 15


class _AccessToken(AccessToken):
    def __repr__(self) -> str:
        return f"AccessToken(***, expires_on={self.expires_on})"


class _AccessTokenInfo(AccessTokenInfo):
    def __repr__(self) -> str:
        return f"AccessTokenInfo(***, expires_on={self.expires_on})"


def access_token(token: DownstreamToken) -> AccessToken:
    """The type that `get_token` returns."""
    return _AccessToken(token.token, int(token.expires_at))


def access_token_info(token: DownstreamToken) -> AccessTokenInfo:
    """The type that `get_token_info` returns."""
    return _AccessTokenInfo(token.token, int(token.expires_at), refresh_on=_RENEW_AT)


class _Transport(RequestsTransport):  # type: ignore[misc]  # azure-core loads it late, without its type
    """Sends the tokens of one user's credentials, each to its own host, and handles claims challenges.

    The transport stays open when a client closes. A pause before another attempt is short, and ends with the deadline.
    """

    def __init__(self, credentials: Mapping[str, UserCredential]) -> None:
        super().__init__(
            session=_session(), session_owner=False, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS
        )
        self._credentials = credentials

    def sleep(self, duration: float) -> None:
        super().sleep(seconds_left(min(duration, _LONGEST_PAUSE)))

    def send(self, request: Any, *, proxies: Any = None, **options: Any) -> Any:
        """Sends a request. After a claims challenge, the request is sent once more, with another token.

        Raises:
            ServerMisconfigured: the token is for another host, or of another credential. 500. Nothing was sent.
            ClaimsChallenge: the other token was also refused, or the body cannot be sent again. 401.
            ApiError: the errors of `user.token`.
        """
        bearer = _BEARER.fullmatch(request.headers.get("Authorization") or "")
        if bearer is None:
            return super().send(request, proxies=proxies, **options)
        credential, token = self._issuer_of(bearer[1] or "", request.url)
        rewind = _rewinding(request)
        response = super().send(request, proxies=proxies, **options)
        claims = claims_of(response)
        if not claims:
            return response
        response.internal_response.close()
        request.headers["Authorization"] = f"Bearer {credential.replacement(token, claims)}"
        if rewind():
            response = super().send(request, proxies=proxies, **options)
            claims = claims_of(response)
            if not claims:
                return response
            response.internal_response.close()
        raise credential.challenge(claims)

    def _issuer_of(self, bearer: str, url: str) -> tuple[UserCredential, DownstreamToken]:
        """The credential that issued the token, for the host of this address. Two may have issued the same token."""
        error = ServerMisconfigured(reason="the token of a client with azure_options() is not of user.credential(…)")
        for credential in tuple(self._credentials.values()):
            token = credential.issued(bearer)
            if token is not None:
                try:
                    credential.check_host(url)
                    return credential, token
                except ServerMisconfigured as other_host:
                    error = other_host
        raise error


def _rewinding(request: Any) -> Callable[[], bool]:
    """Call this before the request is sent. The result rewinds the body; it returns False if that is impossible."""
    body = request.data
    if request.files:  # the parts of a form may be files that were read
        return lambda: False
    if body is None or isinstance(body, str | bytes | bytearray | dict | _Parts):
        return lambda: True
    try:
        start = body.tell()
    except (AttributeError, OSError, ValueError):  # an iterator, or a file that cannot be rewound
        return lambda: False

    def rewind() -> bool:
        try:
            body.seek(start)
        except (AttributeError, OSError, ValueError):
            return False
        return True

    return rewind


class _Parts:
    """The parts of a body, in memory. Each `iter` begins with the first. `requests` would take a list for a form."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)


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
        """Sends a request in a thread. Unless the body is streamed, it is also read in that thread."""
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
        """The request. `requests` cannot send what an async iterator yields, so it is read here."""
        if not hasattr(request.data, "__aiter__"):
            return request
        sent = copy(request)
        parts = _Parts([part async for part in request.data])
        setattr(sent, "_data" if hasattr(request, "content") else "data", parts)
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
def _session() -> Any:
    """One pool of connections for all users, without tokens and cookies."""
    return http_session()


def client_options(credentials: Mapping[str, UserCredential]) -> dict[str, Any]:
    """The options of User.azure_options. `credentials` are the user's, also those that are made later."""
    return azure_options(transport=_Transport(credentials))


def async_client_options(
    credentials: Mapping[str, UserCredential], wait_for: Callable[..., Awaitable[Any]]
) -> dict[str, Any]:
    """The options of AsyncUser.azure_options."""
    return azure_options(transport=_AsyncTransport(_Transport(credentials), wait_for))
