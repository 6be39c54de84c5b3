"""The signed-in user for `async def` functions: what may wait for the network is awaited, the rest is the same."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from .downstream_api import DownstreamApi
from .http_verbs import HttpVerbs, Request
from .transport import Answer
from .user import SignedInUser

WAITING_THREADS = 32  # how many calls may wait for the network at a time; more queue up, none blocks the event loop

T = TypeVar("T")
_threads = ThreadPoolExecutor(WAITING_THREADS, thread_name_prefix="on-behalf-of")


async def in_thread(call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Runs a blocking call beside the event loop, with the caller's context variables (as asyncio.to_thread does)."""
    work = partial(contextvars.copy_context().run, call, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_threads, work)


class AsyncDownstreamApi(HttpVerbs[Awaitable[Answer]]):
    """The calls of `DownstreamApi`, awaited."""

    def __init__(self, api: DownstreamApi) -> None:
        self._api = api

    async def send(self, request: Request) -> Answer:
        """See `request`."""
        return await in_thread(self._api.send, request)


class AsyncUser(SignedInUser):
    """The signed-in user, for `async def` functions."""

    def api(self, name: str) -> AsyncDownstreamApi:
        """See User.api; `await user.api("Graph").get("/me")`."""
        return AsyncDownstreamApi(DownstreamApi(name, self._apis, self._caller))

    async def token(self, name: str) -> str:
        """See User.token."""
        return await in_thread(self._caller.token_for, self._apis.named(name).scopes)
