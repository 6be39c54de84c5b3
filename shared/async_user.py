"""The signed-in user for `async def` functions: what may wait for the network is awaited, the rest is the same."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from .answer import Answer
from .deadline import seconds_left
from .downstream_api import DownstreamApi
from .errors import GatewayTimeout
from .http_verbs import HttpVerbs, Request
from .user import SignedInUser

_WAIT_SECONDS = 230.0
WAITING_THREADS = 32  # how many calls may wait for the network at a time; more queue up, none blocks the event loop

T = TypeVar("T")
_calls = ThreadPoolExecutor(WAITING_THREADS, thread_name_prefix="on-behalf-of")
_validations = ThreadPoolExecutor(8, thread_name_prefix="validation")  # its own: strangers can make it wait, not us


async def validated(call: Callable[[str], T], bearer: str) -> T:
    """`call(bearer)`, which may wait for Entra's signing keys, beside the event loop."""
    return await _beside_the_loop(_validations, call, bearer)


async def called(call: Callable[..., T], *args: Any) -> T:
    """A blocking call on behalf of a user who is known, beside the event loop."""
    return await _beside_the_loop(_calls, call, *args)


async def _beside_the_loop(threads: ThreadPoolExecutor, call: Callable[..., T], *args: Any) -> T:
    """With the caller's context variables, as asyncio.to_thread does it."""
    work = partial(contextvars.copy_context().run, call, *args)
    waiting = asyncio.get_running_loop().run_in_executor(threads, work)
    try:
        return await asyncio.wait_for(waiting, seconds_left(_WAIT_SECONDS) + 1)  # what runs has its own, earlier end
    except asyncio.TimeoutError:
        raise GatewayTimeout(reason="no thread was free in time") from None


class AsyncDownstreamApi(HttpVerbs[Awaitable[Answer]]):
    """The calls of `DownstreamApi`, awaited."""

    def __init__(self, api: DownstreamApi) -> None:
        self._api = api

    async def send(self, request: Request) -> Answer:
        """See `request`."""
        return await called(self._api.send, request)


class AsyncUser(SignedInUser):
    """The signed-in user, for `async def` functions."""

    def api(self, name: str) -> AsyncDownstreamApi:
        """See User.api; `await user.api("Graph").get("/me")`."""
        return AsyncDownstreamApi(DownstreamApi(name, self._apis, self._caller))

    async def token(self, name: str) -> str:
        """See User.token."""
        return await called(self._caller.token_for, self._apis.named(name))
