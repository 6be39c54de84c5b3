"""`@requires_user`: the function below it runs for a signed-in user or not at all."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import azure.functions as func

from .async_user import AsyncUser, validated
from .azure_function import as_azure_function, request_among
from .caller import Caller
from .claims_challenge import auth_context_claims
from .deadline import within
from .errors import ClaimsChallenge, InsufficientScope
from .http_reply import reply_to, reply_to_error
from .http_request import bearer_token
from .operator_notes import notes
from .request_record import RequestRecord
from .services import LazyServices, Services, services
from .user import SignedInUser, User

_AUTH_CONTEXT = re.compile(r"c[1-9][0-9]?", re.ASCII)

Function = Callable[..., Any]


class RequiresUser:
    """Makes the decorator. `provider` is where its services come from; a test gives its own."""

    def __init__(self, provider: LazyServices) -> None:
        self._provider = provider

    def __call__(
        self, *misused: object, scopes: Sequence[str] | None = None, auth_context: str | None = None
    ) -> Callable[[Function], Function]:
        """Lets only signed-in users in whose client holds one of the scopes, and hands the function its `user`.

        The function, `def` or `async def`, has a parameter `user` (`User`, or `AsyncUser` for `async def`) besides its
        trigger and bindings. What it returns becomes the reply: see http_reply.reply_to. What it raises, too.

        Args:
            scopes: any one of them suffices; by default those of the setting `AzureAd__Scopes`.
            auth_context: id of a Conditional Access authentication context, `c1` to `c99`, that the user must have
                satisfied (the claim `acrs`); who has not is asked to step up.
        """
        if misused or isinstance(scopes, str) or not all(isinstance(scope, str) for scope in scopes or ()):
            raise TypeError('write @requires_user(scopes=["…"]) or @requires_user()')
        if auth_context is not None and not _AUTH_CONTEXT.fullmatch(auth_context):
            raise TypeError('an authentication context is one of "c1" to "c99"')

        def decorate(function: Function) -> Function:
            if not inspect.isfunction(function):
                raise TypeError("@requires_user goes directly above the function, below @app.route")
            guard = _Guard(self._provider, tuple(scopes) if scopes is not None else None, auth_context, function)
            return as_azure_function(guard, function)

        return decorate


class _Guard:
    """What stands before one function: settings, token, scopes; and behind it: the reply."""

    def __init__(
        self, provider: LazyServices, scopes: tuple[str, ...] | None, auth_context: str | None, function: Function
    ) -> None:
        self._provider, self._scopes, self._auth_context, self._function = provider, scopes, auth_context, function
        self._parameters = inspect.signature(function).parameters.keys()
        provider.load_libraries()
        if not provider.problems() and not (provider.default_scopes() if scopes is None else scopes):
            provider.report("AzureAd__Scopes", f"is missing, and {function.__name__} names no scopes of its own")

    def run(self, **arguments: Any) -> func.HttpResponse:
        request = request_among(arguments)
        record, realm = self._record(request, arguments), ""
        try:
            ready = self._provider.get()
            realm = ready.settings.tenant_id
            with within(ready.settings.request_timeout, ready.now):
                bearer = bearer_token(request)
                caller = Caller(ready.sessions, ready.sessions.open(bearer), bearer, record)
                self._check(caller, ready)
                return _closed(record, reply_to(self._function(**self._arguments(arguments, User(caller, ready.apis)))))
        except Exception as error:  # noqa: BLE001 — the one translator: whatever failed becomes a reply
            return _closed(record, reply_to_error(error, record.correlation_id, realm), error)

    async def run_async(self, **arguments: Any) -> func.HttpResponse:
        request = request_among(arguments)
        record, realm = self._record(request, arguments), ""
        try:
            ready = self._provider.get()
            realm = ready.settings.tenant_id
            with within(ready.settings.request_timeout, ready.now):
                bearer = bearer_token(request)
                session = ready.sessions.find(bearer)  # a known token does not leave the loop
                if session is None:
                    session = await validated(ready.sessions.open, bearer)
                caller = Caller(ready.sessions, session, bearer, record)
                self._check(caller, ready)
                result = await self._function(**self._arguments(arguments, AsyncUser(caller, ready.apis)))
                return _closed(record, reply_to(result))
        except Exception as error:  # noqa: BLE001 — as above
            return _closed(record, reply_to_error(error, record.correlation_id, realm), error)

    def _record(self, request: func.HttpRequest, arguments: dict[str, Any]) -> RequestRecord:
        """Continues the host's trace, of which the caller's is a part; without one, the caller's."""
        notes.enter_request()
        traced = getattr(arguments.get("context"), "trace_context", None)
        traceparent = getattr(traced, "trace_parent", "") or request.headers.get("traceparent", "")
        return RequestRecord(self._function.__name__, request.method, traceparent)

    def _check(self, caller: Caller, ready: Services) -> None:
        """Raises InsufficientScope or ClaimsChallenge: the client may not call this, the user has not proved enough."""
        required = ready.settings.scopes if self._scopes is None else self._scopes
        if caller.access_token.scopes.isdisjoint(required):
            raise InsufficientScope(required, reason="none of the scopes")
        if self._auth_context and self._auth_context not in caller.access_token.auth_contexts():
            claims, address = auth_context_claims(self._auth_context), ready.settings.authorization_uri
            raise ClaimsChallenge(claims, authorization_uri=address, reason="authentication context")

    def _arguments(self, given: dict[str, Any], user: SignedInUser) -> dict[str, Any]:
        """What the function itself takes of the host's arguments, and the user."""
        return {name: value for name, value in {**given, "user": user}.items() if name in self._parameters}


def _closed(record: RequestRecord, reply: func.HttpResponse, error: Exception | None = None) -> func.HttpResponse:
    record.close(reply.status_code, error)
    notes.deliver()
    return reply


requires_user = RequiresUser(services)


def health() -> func.HttpResponse:
    """200 when the settings are right; else 503 with the names of the wrong ones, never a value."""
    problems = services.problems()
    notes.deliver()
    return reply_to(({"status": "unhealthy", "settings": sorted(problems)}, 503) if problems else {"status": "healthy"})
