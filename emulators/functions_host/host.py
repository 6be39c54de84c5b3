"""The host itself: an ASGI app that indexes a Functions app when it starts and answers its HTTP triggers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from emulators.functions_host import attribution
from emulators.functions_host.constraints import ConstraintError
from emulators.functions_host.engines import in_process_engine
from emulators.functions_host.indexing_words import hint
from emulators.functions_host.invocations import DisconnectedError, decoded_path, invocation, raw_path, read_body
from emulators.functions_host.layout import AppLayout
from emulators.functions_host.model import FunctionError, IndexedFunction, IndexingError
from emulators.functions_host.replies import Reply, reply_for
from emulators.functions_host.router import Route, Router
from emulators.functions_host.routes import TemplateError

if TYPE_CHECKING:
    from emulators.functions_host.server import ServerThread

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

startup_log = logging.getLogger("Host.Startup")
request_log = logging.getLogger("Host.Requests")


class FunctionsHost:
    """Serves one Functions app: as an ASGI app, or by itself on 127.0.0.1 between `start()` and `stop()`."""

    def __init__(self, root: Path | str = ".", *, engine: str = "auto", script: str | None = None) -> None:
        """`engine`: "worker", "sdk", or "auto" for the first that is available. Raises LayoutError, EngineError."""
        self.layout = AppLayout.read(Path(root), script)
        self._engine = in_process_engine(engine)
        self._router = Router()
        self._server: ServerThread | None = None
        self._indexed = False
        self.functions: Sequence[IndexedFunction] = ()
        self.indexing_error: str | None = None

    @property
    def engine(self) -> str:
        """The engine's name."""
        return self._engine.name

    @property
    def url(self) -> str:
        """The base URL of the running host, without a slash at its end."""
        if self._server is None:
            raise RuntimeError("the host is not running: call start() first")
        return self._server.url

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._server is not None and self._server.running

    def start(self, port: int = 0) -> FunctionsHost:
        """Serve from a thread of this process; 0 takes any free port. Raises PortTaken."""
        from emulators.functions_host.server import ServerThread

        self._server = ServerThread(self, port)
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop serving, within the bound of ServerThread.stop; a stopped host cannot be started again."""
        if self._server is not None:
            self._server.stop()
        self._engine.close()

    def __enter__(self) -> FunctionsHost:
        return self if self._server else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def index(self) -> None:
        """Import the app and map its routes, once. A failure leaves an app without routes, as it does in Azure."""
        if self._indexed:
            return
        self._indexed = True
        asyncio.get_running_loop().set_task_factory(attribution.make_task)
        try:
            functions = await self._engine.index(self.layout)
            self._router = Router(functions, self.layout.route_prefix)
            self.functions = functions
        except IndexingError as error:
            self._refuse(f"{error}{hint(self.layout, error)}", error.stack_trace)
        except (TemplateError, ConstraintError, SystemExit) as error:
            self._refuse(f"{type(error).__name__}: {error}", "")

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self.index()
            started = time.perf_counter()
            with contextlib.suppress(DisconnectedError):
                reply = await self._reply(scope, receive)
                spent = (time.perf_counter() - started) * 1000
                request_log.info("%s %s %d %.1f ms", scope["method"], raw_path(scope), reply.status, spent)
                await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
                await send({"type": "http.response.body", "body": reply.body})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.index()
                await send({"type": "lifespan.startup.complete"})
            else:
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _reply(self, scope: Mapping[str, Any], receive: Receive) -> Reply:
        found = self._router.match(scope["method"], decoded_path(scope))
        if found is None:
            request_log.warning("no function answers %s %s", scope["method"], raw_path(scope))
            return Reply(404, ((b"Content-Length", b"0"),))
        body = await read_body(scope, receive)
        if body is None:
            return Reply(413, ((b"Content-Length", b"0"),))
        return await self._run(scope, body, *found)

    async def _run(self, scope: Mapping[str, Any], body: bytes, route: Route, parameters: Mapping[str, str]) -> Reply:
        call = invocation(scope, body, route, parameters)
        log = logging.getLogger(f"Function.{route.function.name}")
        try:
            with attribution.running(call.id, route.function.name):
                returned = await self._engine.invoke(call)
            return reply_for(returned)
        except FunctionError as error:
            log.error("Executed '%s' (Failed, Id=%s): %s", route.function.name, call.id, error, extra=_trace(error))
        except (TypeError, ValueError, SystemExit) as error:  # in Azure SystemExit costs the worker its life, too
            log.error("Executed '%s' (Failed, Id=%s): %r", route.function.name, call.id, error)
        return Reply(500, ((b"Content-Length", b"0"),))

    def _refuse(self, message: str, stack_trace: str) -> None:
        self.indexing_error = message
        startup_log.error(
            "%s cannot be indexed, so every route answers 404: %s",
            self.layout.script,
            message,
            extra={"stack_trace": stack_trace},
        )


def _trace(error: FunctionError) -> dict[str, str]:
    return {"stack_trace": error.stack_trace}
