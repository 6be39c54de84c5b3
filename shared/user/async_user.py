"""The signed-in user for `async def` functions: blocking calls run in threads and are awaited.

Tokens are validated in threads of their own.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import GatewayTimeout
from ..net import seconds_left
from .user import SignedInUser

if TYPE_CHECKING:
    from .async_api import AsyncDownstreamApi
    from .credential import AsyncUserCredential

_WAIT_SECONDS = 230.0

T = TypeVar("T")
# A separate pool: unknown tokens cannot block calls.
_validations = ThreadPoolExecutor(8, thread_name_prefix="validation")


async def validate_in_thread(call: Callable[[str], T], bearer: str) -> T:
    """The result of `call(bearer)`, which runs in a thread: it may wait for Entra's signing keys."""
    return await in_a_thread(_validations, call, bearer)


async def in_a_thread(threads: ThreadPoolExecutor, call: Callable[..., T], *args: Any) -> T:
    """The result of the call in a thread, with the context variables of the caller, as in asyncio.to_thread."""
    work = partial(contextvars.copy_context().run, call, *args)
    waiting = asyncio.get_running_loop().run_in_executor(threads, work)
    try:
        return await asyncio.wait_for(waiting, seconds_left(_WAIT_SECONDS) + 1)  # the call ends a second earlier
    except TimeoutError:
        raise GatewayTimeout(reason="no thread was free in time") from None


class AsyncUser(SignedInUser):
    """The signed-in user, for `async def` functions."""

    def api(self, name: str) -> AsyncDownstreamApi:
        """As `User.api`. Its calls are awaited: `await user.api("Graph").get("/me")`.

        Args:
            name: the NAME in the settings `DownstreamApis__NAME__...`.

        Raises:
            ServerMisconfigured: there are no such settings. 500.
        """
        from .async_api import AsyncDownstreamApi

        return AsyncDownstreamApi(name, self._apis, self._context, self._wait_for)

    async def member_of(self, groups: Iterable[str], *, api: str = "Graph") -> frozenset[str]:
        """As `User.member_of`, awaited.

        Args:
            groups: as for `User.member_of`.
            api: as for `User.member_of`.

        Raises:
            ValueError: a group is not a GUID. Nothing was sent.
            ApiError: the errors of `user.api(…).post`.
        """
        from .groups import PATH, confirmed, questions

        graph, found = self.api(api), set[str]()
        for question in list(questions(groups)):
            found |= confirmed(question, await graph.post(PATH, json=question, idempotent=True))
        return frozenset(found)

    async def token(self, name: str) -> str:
        """As `User.token`, awaited.

        Args:
            name: as for `api`.

        Raises:
            ApiError: the errors of `User.token`.
            GatewayTimeout: no thread was free before the deadline. 504.
        """
        return (await self._wait_for(self._context.token_for, self._apis.named(name))).token

    def credential(self, name: str) -> AsyncUserCredential:
        """As `User.credential`, for the clients of an SDK's `aio` package: an azure-core `AsyncTokenCredential`.

        Args:
            name: as for `api`. `DownstreamApis__NAME__BaseUrl` may be absent.

        Raises:
            ServerMisconfigured: there are no such settings. 500.
        """
        from .credential import AsyncUserCredential

        return AsyncUserCredential(self._credential(name), self._wait_for)

    def azure_options(self) -> dict[str, Any]:
        """As `User.azure_options`, for the clients of an SDK's `aio` package. They need no aiohttp then."""
        from .azure_sdk import async_client_options

        return async_client_options(self._credentials, self._wait_for)

    async def _wait_for(self, call: Callable[..., T], *args: Any) -> T:
        """The result of a blocking call, made in the thread pool for downstream calls.

        The wait for a free thread counts against the deadline, and shows in the request's line as `queued`.
        """
        submitted = perf_counter()

        def run() -> T:
            self._context.record.queued(submitted)
            return call(*args)

        return await in_a_thread(self._apis.threads, run)
