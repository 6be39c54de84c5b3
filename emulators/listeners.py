"""Sockets, and the one thread whose event loop serves them all."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from .wire import hang_up

Result = TypeVar("Result")
TRANSPORT = "transport"
"""Key of a request's connection in the state of its ASGI scope."""


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.loop.run_forever()

    def call(self, work: Coroutine[Any, Any, Result], timeout: float = 10.0) -> Result:
        """Runs a coroutine there and waits for its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def run(self, work: Callable[[], None]) -> None:
        """Runs a function there; when this returns, it has run. May be called from there, too."""
        if threading.current_thread() is self._thread:
            work()
        else:
            self.call(_as_coroutine(work))

    def stop(self) -> None:
        """Cancels what still runs, and ends the thread."""
        self.call(_cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


async def _as_coroutine(work: Callable[[], None]) -> None:
    work()


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _connections(admits: Callable[[], bool]) -> type[H11Protocol]:
    class Connection(H11Protocol):
        """Gives requests access to their connection, and closes a connection that is not admitted."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app_state = {**self.app_state, TRANSPORT: transport}
            if not admits():
                hang_up(transport)

    return Connection


def _everybody() -> bool:
    return True


class WebServer:
    """A uvicorn server on a socket that is bound already. With `pem` (key and certificates) it speaks TLS.

    `admits` is asked about each new connection.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        pem: Path | None = None,
        admits: Callable[[], bool] = _everybody,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=_connections(admits),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            ssl_certfile=pem,
        )
        self._server = uvicorn.Server(config)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serves from now on; returns when it does."""
        self._task = asyncio.ensure_future(self._server.serve([self._listener]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.002)

    async def stop(self) -> None:
        """Ends every connection without waiting for the other side, then the server."""
        self._server.should_exit = True
        self.disconnect()
        if self._task is not None:
            await self._task

    def disconnect(self) -> None:
        """Ends every connection there is."""
        for connection in list(self._server.server_state.connections):
            hang_up(connection.transport)
