"""`@requires_user`: the function below it runs for a signed-in user or not at all."""

from __future__ import annotations

import inspect
import typing
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import azure.functions as func

from .async_user import AsyncUser, validated
from .errors import InsufficientScope, SettingsError
from .http_reply import reply_to, reply_to_error
from .http_request import bearer_token
from .services import LazyServices, Services, services
from .sessions import Caller
from .user import SignedInUser, User

Function = Callable[..., Any]


class RequiresUser:
    """Makes the decorator. `provider` is where its services come from; a test gives its own."""

    def __init__(self, provider: LazyServices) -> None:
        self._provider = provider

    def __call__(self, *misused: object, scopes: Sequence[str] | None = None) -> Callable[[Function], Function]:
        """Lets only signed-in users in whose client holds one of the scopes, and hands the function its `user`.

        The function, `def` or `async def`, has a parameter `user` (`User`, or `AsyncUser` for `async def`) besides its
        trigger and bindings. What it returns becomes the reply: see http_reply.reply_to. What it raises, too.

        Args:
            scopes: any one of them suffices; by default those of the setting `AzureAd__Scopes`.
        """
        if misused or isinstance(scopes, str) or not all(isinstance(scope, str) for scope in scopes or ()):
            raise TypeError('write @requires_user(scopes=["…"]) or @requires_user()')

        def decorate(function: Function) -> Function:
            if not inspect.isfunction(function):
                raise TypeError("@requires_user goes directly above the function, below @app.route")
            guard = _Guard(self._provider, tuple(scopes) if scopes is not None else None, function)
            return _as_azure_function(guard, function)

        return decorate


class _Guard:
    """What stands before one function: settings, token, scopes; and behind it: the reply."""

    def __init__(self, provider: LazyServices, scopes: tuple[str, ...] | None, function: Function) -> None:
        self._provider, self._scopes, self._function = provider, scopes, function
        self._takes_user = "user" in inspect.signature(function).parameters
        if not provider.problems() and not (provider.default_scopes() if scopes is None else scopes):
            provider.report("AzureAd__Scopes", f"is missing, and {function.__name__} names no scopes of its own")

    def run(self, **arguments: Any) -> func.HttpResponse:
        correlation_id, realm = str(uuid.uuid4()), ""
        try:
            ready = self._services()
            realm = ready.settings.tenant_id
            bearer = bearer_token(_request_among(arguments))
            caller = Caller(ready.sessions, ready.sessions.open(bearer), bearer, correlation_id)
            self._check_scopes(caller, ready)
            return reply_to(self._function(**arguments, **self._user(User, caller, ready)))
        except Exception as error:  # noqa: BLE001 — the one translator: whatever failed becomes a reply
            return reply_to_error(error, correlation_id, realm)

    async def run_async(self, **arguments: Any) -> func.HttpResponse:
        correlation_id, realm = str(uuid.uuid4()), ""
        try:
            ready = self._services()
            realm = ready.settings.tenant_id
            bearer = bearer_token(_request_among(arguments))
            session = ready.sessions.find(bearer)  # a known token does not leave the loop
            if session is None:
                session = await validated(ready.sessions.open, bearer)
            caller = Caller(ready.sessions, session, bearer, correlation_id)
            self._check_scopes(caller, ready)
            return reply_to(await self._function(**arguments, **self._user(AsyncUser, caller, ready)))
        except Exception as error:  # noqa: BLE001 — as above
            return reply_to_error(error, correlation_id, realm)

    def _services(self) -> Services:
        problems = self._provider.problems()
        if problems:
            raise SettingsError(problems)
        return self._provider.get()

    def _check_scopes(self, caller: Caller, ready: Services) -> None:
        """Raises InsufficientScope unless the client holds one of the scopes, as they are written."""
        required = ready.settings.scopes if self._scopes is None else self._scopes
        if caller.access_token.scopes.isdisjoint(required):
            raise InsufficientScope(required, reason="none of the scopes")

    def _user(self, kind: type[SignedInUser], caller: Caller, ready: Services) -> dict[str, SignedInUser]:
        """The argument `user`, if the function takes one."""
        return {"user": kind(caller, ready.apis)} if self._takes_user else {}


def _as_azure_function(guard: _Guard, function: Function) -> Function:
    """The guard as a function that Azure Functions can index: name, text and parameters of the author's, less `user`.

    The worker compares parameters with bindings, and looks through `__wrapped__`; hence no functools.wraps.
    """
    guarded: Any = _async_entry(guard) if inspect.iscoroutinefunction(function) else _entry(guard)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "user"]
    guarded.__name__, guarded.__qualname__ = function.__name__, function.__qualname__
    guarded.__doc__, guarded.__module__ = function.__doc__, function.__module__
    guarded.__annotations__ = {**_hints(function), "return": func.HttpResponse}
    guarded.__signature__ = inspect.Signature(parameters)
    result: Function = guarded
    return result


def _hints(function: Function) -> dict[str, Any]:
    """The types of the parameters, resolved where the author wrote them: the worker would look the names up here."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:  # imported for type checkers only; the worker asks for no types, it only checks those it sees
        return {}
    return {name: hint for name, hint in hints.items() if name not in ("user", "return")}


def _request_among(arguments: dict[str, Any]) -> func.HttpRequest:
    request: func.HttpRequest = next(value for value in arguments.values() if hasattr(value, "headers"))
    return request


def _entry(guard: _Guard) -> Function:
    def entry(**arguments: Any) -> func.HttpResponse:
        return guard.run(**arguments)

    return entry


def _async_entry(guard: _Guard) -> Function:
    async def entry(**arguments: Any) -> func.HttpResponse:
        return await guard.run_async(**arguments)

    return entry


requires_user = RequiresUser(services)


def health() -> func.HttpResponse:
    """200 when the settings are right; else 503 with the names of the wrong ones, never a value."""
    problems = services.problems()
    return reply_to(({"status": "unhealthy", "settings": sorted(problems)}, 503) if problems else {"status": "healthy"})
