"""Serving the host's ASGI app on 127.0.0.1 from a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from emulators.loopback import bind

if TYPE_CHECKING:
    import uvicorn

    from emulators.functions_host.host import FunctionsHost

# Long enough for a 1 MB Authorization header: the function shall refuse it, not the server before it.
MAX_HEADER_BYTES = 2 * 1024 * 1024
KEEP_ALIVE = 130  # seconds, as Kestrel's; a client that reuses a connection must not meet a closed one
STOP_BOUND = 2.0


class ServerThread:
    """A uvicorn server for one app."""

    def __init__(self, app: FunctionsHost, port: int = 0) -> None:
        """Takes the port at once: 0 takes any free one. Raises PortTaken."""
        self._app = app
        self._socket = bind(port, "host")
        self._server: uvicorn.Server | None = None
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._run, name="functions-host", daemon=True)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def start(self) -> None:
        """Returns once the app is indexed and the server accepts connections."""
        self._thread.start()
        self._running.wait()
        if self._server is None or not self._server.started:
            raise RuntimeError("the server did not start; the reason is in the log above")

    def stop(self) -> None:
        """Let running requests finish; after STOP_BOUND seconds they are cancelled."""
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(STOP_BOUND + 0.5)

    @property
    def running(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._server = _server(self._app, self._running)
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self._running.set()


def _server(app: FunctionsHost, running: threading.Event) -> uvicorn.Server:
    """A server that says when it runs, and leaves signals to the program that started it."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            running.set()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="on",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=int(STOP_BOUND),
        )
    )
