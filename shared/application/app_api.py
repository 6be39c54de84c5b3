"""Calls an API as the application: from a timer, a queue, or a function with `@requires_app`.

Tokens come from app_tokens.py. The steps of a call are those of `ApiCalls`, and so are their bounds. Inside a request,
its deadline and its line in the log count. Elsewhere each call has its own: the deadline of the setting
`AzureAd__RequestTimeoutSeconds`, and one line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol, TypeVar

from ..app_tokens import AppTokens
from ..downstream import ApiCalls, BearerToken, CalledApi, DownstreamApis, Request
from ..errors import ApiError, ClaimsChallenge, ConsentRequired, ServerMisconfigured
from ..exchange import Origin, Refusal
from ..exchange.client_credentials import AppToken
from ..net import Response, within
from ..sessions import JobContext, current_record
from ..settings import DownstreamApiSettings, Settings
from ..telemetry import RequestRecord
from ..user import in_a_thread
from ..user.async_api import AsyncCalledApi

T = TypeVar("T")


class Services(Protocol):
    """All that calls as the application need of `Services`, in services.py."""

    settings: Settings
    apis: DownstreamApis
    now: Callable[[], float]

    def app_tokens(self) -> AppTokens:
        """The tokens of the application."""
        ...


class ReadyServices(Protocol):
    """All that `AppApi` needs of `LazyServices`, in services.py."""

    def get(self) -> Any:
        """The services. Raises SettingsError, which names every wrong setting."""
        ...


class AppApi(CalledApi):
    """One downstream API, called as the application. `app_api` makes it. It may be kept, and threads may share it."""

    def __init__(self, name: str, services: ReadyServices) -> None:
        self._name, self._services = name, services

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    @property
    def calls(self) -> ApiCalls:
        """The steps of each call, as the application."""
        services: Services = self._services.get()
        return AppCalls(services.apis.named_for_app(self._name), services)


class AsyncAppApi(AsyncCalledApi):
    """An `AppApi` whose calls are awaited. `async_app_api` makes it."""

    def __init__(self, name: str, services: ReadyServices) -> None:
        super().__init__(AppApi(name, services), self._wait)
        self._services = services

    async def _wait(self, call: Callable[..., T], *args: Any) -> T:
        """The result of a blocking call, made in the thread pool for downstream calls."""
        if current_record() is not None:
            return await self._in_a_thread(call, *args)
        with _Job() as job:  # here, and not in the thread: the host drops the log lines of that one
            result = await self._in_a_thread(call, *args)
            job.status = getattr(result, "status_code", job.status)
            return result

    async def _in_a_thread(self, call: Callable[..., T], *args: Any) -> T:
        services: Services = self._services.get()
        submitted = perf_counter()

        def run() -> T:
            record = current_record()
            if record is not None:
                record.queued(submitted)
            return call(*args)

        with within(services.settings.request_timeout, services.now):
            return await in_a_thread(services.apis.threads, run)


class _Job:
    """Calls as the application outside a request: they have a line of their own in the log.

    A piece of a stream is no call, and has no line.
    """

    def __init__(self) -> None:
        self.record = RequestRecord("app_api")
        self._context = JobContext(self.record)
        self.status = 200

    def __enter__(self) -> _Job:
        self._context.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._context.__exit__(kind, error, trace)
        if error is not None:
            self.status = error.status if isinstance(error, ApiError) else 500
        if error is not None or self.record.has_calls:
            self.record.close(self.status, error)


class AppCalls(ApiCalls):
    """The steps of one call as the application."""

    def __init__(self, api: DownstreamApiSettings, services: Services) -> None:
        self._own = AppContext(services)
        super().__init__(api, services.apis, self._own, services.settings.authority)
        self._seconds, self._now = services.settings.request_timeout, services.now

    def send_with_token(self, request: Request, token: BearerToken | None = None) -> tuple[Response, BearerToken]:
        """Sends a call within a deadline. A call outside a request also writes a line to the log."""
        _refuse_in_event_loop()
        record = current_record()
        if record is not None:
            return self._send_within(record, request, token)
        with _Job() as job:
            response, used = self._send_within(job.record, request, token)
            job.status = response.status_code
            return response, used

    def _send_within(
        self, record: RequestRecord, request: Request, token: BearerToken | None
    ) -> tuple[Response, BearerToken]:
        self._own.record = record
        record.method = request.method if record.method == "-" else record.method
        with within(self._seconds, self._now):
            return super().send_with_token(request, token)

    def error(self, response: Response) -> ApiError:
        """The error for the client. No user can sign in or consent for an application: only the operator can help."""
        error = super().error(response)
        if isinstance(error, (ClaimsChallenge, ConsentRequired)):
            return ServerMisconfigured(reason=f"{error.reason}: asks for a sign-in or consent, but the app called it")
        return error


class AppContext:
    """Where calls as the application get their token from. `record` is set before each call."""

    record: RequestRecord

    def __init__(self, services: Services) -> None:
        self._tokens = services.app_tokens()

    def check(self) -> None:
        """Does nothing: the application may always call."""

    def token_for(self, api: DownstreamApiSettings, refusal: Refusal | None = None) -> AppToken:
        """A token of the application for this API. Raises ApiError; see AppTokens.token_for."""
        known, started = self._tokens.known(api, refusal), perf_counter()
        if known is not None:
            self.record.token_was_known(api.name)
            return known
        try:
            return self._tokens.token_for(api, correlation_id=self.record.correlation_id, refusal=refusal)
        finally:
            self.record.token_took(api.name, Origin.ENTRA.value, started)


def _refuse_in_event_loop() -> None:
    """Raises RuntimeError where an event loop runs: a call that waits would stop it, and all its requests."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("app_api would stop the event loop: in async def, write await async_app_api(…).get(…)")
