"""Serving the host on 127.0.0.1 from a thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from emulators.functions_host import attribution
from emulators.functions_host.connection import Connection
from emulators.functions_host.worker import ENDS_A_WORKER
from emulators.loopback import bind

if TYPE_CHECKING:
    from emulators.functions_host.host import FunctionsHost

log = logging.getLogger("Host.Requests")

STOP_BOUND = 2.0
_LAST_STEPS = 0.3


class ServerThread:
    """The HTTP server of one host, on a loop of its own, which runs `async def` functions, too."""

    def __init__(self, host: FunctionsHost, port: int = 0) -> None:
        """Takes the port at once: 0 takes any free one. Raises PortTaken."""
        self._host = host
        self._socket = bind(port, "host")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._connections: dict[asyncio.Future[None], Connection] = {}
        self._started = False
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="functions-host", daemon=True)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def start(self) -> None:
        """Returns once the app is indexed and the server accepts connections."""
        self._thread.start()
        self._settled.wait()
        if not self._started:
            raise RuntimeError("the server did not start; the reason is in the log above")

    def stop(self) -> None:
        """Let running requests finish; after STOP_BOUND seconds they are cancelled."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(self.ask_to_stop)
        self._thread.join(STOP_BOUND + 2 * _LAST_STEPS)

    def ask_to_stop(self) -> None:
        """From the loop's own thread: stop soon."""
        self._stop.set()

    @property
    def running(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def _run(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        loop.set_task_factory(attribution.make_task)
        try:
            main = loop.create_task(self._serve())
            while not main.done():
                try:
                    loop.run_until_complete(main)
                except ENDS_A_WORKER as error:  # a task that an app has left behind may raise it at any time
                    loop.call_soon(self._host.worker_died, error)
            self._cancel_what_is_left(loop)
        finally:
            self._socket.close()
            loop.close()
            self._settled.set()

    async def _serve(self) -> None:
        await self._host.index()
        server = await asyncio.start_server(self._connected, sock=self._socket)
        self._started = True
        self._settled.set()
        await self._stop.wait()
        server.close()
        for task, connection in self._connections.items():
            if not connection.busy:
                task.cancel()
        if self._connections:
            await asyncio.wait(set(self._connections), timeout=STOP_BOUND)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, self._host.respond, self._host.body_limits)
        task = asyncio.ensure_future(connection.serve())
        self._connections[task] = connection
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the server stops
                await task
        except Exception:  # a fault of this host: the request is lost, the host is not
            log.exception("this host failed")
        finally:
            del self._connections[task]
            writer.close()

    def _cancel_what_is_left(self, loop: asyncio.AbstractEventLoop) -> None:
        """Requests past the bound, and tasks that the app has left behind."""
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        with contextlib.suppress(*ENDS_A_WORKER):
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=_LAST_STEPS))
