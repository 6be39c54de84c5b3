"""The host itself: it indexes a Functions app when it starts, and replies to requests for its HTTP triggers."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from emulators.functions_host import builtin
from emulators.functions_host.connection import BodyLimits
from emulators.functions_host.constraints import ConstraintError
from emulators.functions_host.cors import Cors
from emulators.functions_host.indexing_words import hint
from emulators.functions_host.invocations import body_of, invocation
from emulators.functions_host.layout import AppLayout
from emulators.functions_host.model import FunctionError, IndexedFunction, IndexingError, Invocation
from emulators.functions_host.replies import Reply, empty, reply_for
from emulators.functions_host.requests import BodyRefused, Request
from emulators.functions_host.router import Route, Router
from emulators.functions_host.routes import TemplateError
from emulators.functions_host.worker import TimedOut, Worker, WorkerDied

if TYPE_CHECKING:
    from emulators.functions_host.server import ServerThread

MAX_DEATHS = 3  # of workers; the real host stops at the next one

startup_log = logging.getLogger("Host.Startup")
request_log = logging.getLogger("Host.Requests")


class FunctionsHost:
    """Serves one Functions app on 127.0.0.1 between `start()` and `stop()`."""

    def __init__(
        self,
        root: Path | str = ".",
        *,
        engine: str = "auto",
        script: str | None = None,
        body_limits: BodyLimits = BodyLimits(),  # noqa: B008 - frozen
        cors: Cors = Cors(),  # noqa: B008 - frozen
    ) -> None:
        """`engine`: "worker", "sdk", or "auto" for the first that is available. Raises LayoutError, EngineError."""
        self.layout = AppLayout.read(Path(root), script)
        self.body_limits = body_limits
        self._cors = cors
        self._worker = Worker(engine, self.layout)
        self._indexing: asyncio.Task[None] | None = None
        self._router = Router()
        self._server: ServerThread | None = None
        self._deaths = 0
        self._in_flight = 0
        self.functions: Sequence[IndexedFunction] = ()
        self.indexing_error: str | None = None

    @property
    def engine(self) -> str:
        """The engine's name."""
        return self._worker.engine.name

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
        self._worker.engine.close()

    def __enter__(self) -> FunctionsHost:
        return self if self._server else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def index(self) -> None:
        """Import the app and map its routes, once. A failure leaves an app without routes, as it does in Azure."""
        if self._indexing is None:
            self._indexing = asyncio.create_task(self._index())
        await asyncio.shield(self._indexing)

    async def respond(self, request: Request) -> Reply:
        """The reply to one request. Raises ClientGone when there is nobody to send it to."""
        await self.index()
        started = time.perf_counter()
        reply = self._cors.preflight(request) or self._cors.added_to(await self._reply(request), request)
        spent = (time.perf_counter() - started) * 1000
        request_log.info("%s %s %d %.1f ms", request.method, request.url_path, reply.status, spent)
        return reply

    def worker_died(self, cause: BaseException) -> None:
        """What ends a worker process in Azure has happened; to be called on the loop."""
        self._deaths += 1
        startup_log.error(
            "%r ended the worker; in Azure it is a process. Every request in flight gets 500, and the app starts again",
            cause,
        )
        dead = self._worker
        self._replace_worker()
        dead.die()
        if self._deaths > MAX_DEATHS and self._server is not None:
            startup_log.error("%d workers have ended: the host stops, as it does in Azure", self._deaths)
            self._server.ask_to_stop()

    def _replace_worker(self) -> None:
        self._worker = Worker(self.engine, self.layout)
        self._indexing = None

    async def _index(self) -> None:
        try:
            functions = await self._worker.index()
            self._router = Router(functions, self.layout.host_json.route_prefix)
            self.functions = functions
        except IndexingError as error:
            self._refuse(f"{error}{hint(self.layout, error)}", error.stack_trace)
        except (TemplateError, ConstraintError, SystemExit) as error:
            self._refuse(f"{type(error).__name__}: {error}", "")

    async def _reply(self, request: Request) -> Reply:
        if reply := builtin.before_functions(request):
            return reply
        found = self._router.match(request.method, request.path)
        if found is None:
            if request.path == "/":
                return builtin.home_page(os.environ)
            request_log.warning("no function has the route %s %s", request.method, request.url_path)
            return empty(404)
        at_once = self.layout.host_json.requests_at_once
        if at_once is not None and self._in_flight >= at_once:
            return empty(429, (b"X-FUNCTION-SCALEOUT", b"1"))
        self._in_flight += 1
        try:
            return await self._run(request, *found)
        finally:
            self._in_flight -= 1

    async def _run(self, request: Request, route: Route, parameters: Mapping[str, str]) -> Reply:
        name = route.function.name
        if route.trigger.needs_key and not builtin.has_key(request):
            request_log.warning("'%s' asks for a key: send %s, or use AuthLevel.ANONYMOUS", name, builtin.KEY_HINT)
            return empty(401)
        try:
            body = await body_of(request)
        except BodyRefused as reason:
            request_log.error("%s", reason)
            return empty(500)
        return await self._outcome(invocation(request, body, route, parameters))

    async def _outcome(self, call: Invocation) -> Reply:
        log, worker = logging.getLogger(f"Function.{call.function.name}"), self._worker
        failed = f"Executed '{call.function.name}' (Failed, Id={call.id}): %s"
        try:
            return reply_for(await worker.invoke(call, self.layout.host_json.timeout, self.worker_died))
        except FunctionError as error:
            log.error(failed, error, extra={"stack_trace": error.stack_trace})
        except (TypeError, ValueError) as error:
            log.error(failed, repr(error))
        except WorkerDied as error:
            log.error(failed, f"the worker ended ({error.__cause__!r})" if error.__cause__ else "the worker ended")
        except TimedOut:
            log.error(failed, f"functionTimeout, {self.layout.host_json.timeout} s, is over; the worker is replaced")
            if worker is self._worker:
                self._replace_worker()
                worker.retire()
        return empty(500)

    def _refuse(self, message: str, stack_trace: str) -> None:
        self.indexing_error = message
        startup_log.error(
            "%s cannot be indexed, so every route responds with 404: %s",
            self.layout.script,
            message,
            extra={"stack_trace": stack_trace},
        )
