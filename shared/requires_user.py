"""`@requires_user`: the function below it runs for a signed-in user or not at all.

`_Guard.respond` has all steps of a request, in their order.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import azure.functions as func

from .errors import ClaimsChallenge, InsufficientRole, InsufficientScope, MissingToken
from .hosting import (
    as_azure_function,
    check_declaration,
    find_request,
    is_being_cancelled,
    kind_of,
    reply_to,
    reply_to_error,
)
from .net import auth_context_claims, within
from .services import LazyServices, Services, services
from .telemetry import RequestRecord, notes
from .user import SignedInUser

if TYPE_CHECKING:
    from .sessions import RequestContext

_BEARER = re.compile(r"(?i:Bearer) +([A-Za-z0-9._~+/-]+=*)", re.ASCII)  # RFC 6750 §2.1
_AUTH_CONTEXT = re.compile(r"c[1-9][0-9]?", re.ASCII)

Function = Callable[..., Any]


class RequiresUser:
    """Makes the decorator. A test passes its own services."""

    def __init__(self, services: LazyServices) -> None:
        self._services = services

    def __call__(
        self,
        *misused: object,
        scopes: Iterable[str] | None = None,
        roles: Iterable[str] | None = None,
        auth_context: str | None = None,
        prefetch: Iterable[str] = (),
    ) -> Callable[[Function], Function]:
        """The function below it runs for a signed-in user, with a valid access token and a scope, or not at all.

        Write it directly above the function and below `@app.route`. The function has a parameter `user`: a `User` for
        `def`, an `AsyncUser` for `async def`. What it returns becomes the response: `docs/extend.md` lists the forms.
        What it raises becomes a problem document (RFC 9457).

        Args:
            scopes: the access token must hold one of them (the claim `scp`). The default is `AzureAd__Scopes`.
            roles: the user must hold one of these app roles of the API (the claim `roles`), whichever client calls. By
                default no role is needed.
            auth_context: the id of an authentication context of Conditional Access, `c1` to `c99`. A user who has not
                satisfied it (the claim `acrs`) gets a claims challenge.
            prefetch: names of downstream APIs. Their tokens are exchanged in parallel, in the background, while the
                function runs. An API whose token the session already holds causes no exchange. A failure shows when
                the API is called.

        Returns:
            A decorator. The function that it makes returns an `azure.functions.HttpResponse`; `@app.route` takes it.

        Raises:
            TypeError: wrong arguments, or a form of function that cannot be guarded. It is raised while the app loads.
        """
        named_scopes = None if scopes is None else _texts(scopes)
        required_roles = () if roles is None else _texts(roles)
        apis = _texts(prefetch)
        if misused or (scopes is not None and named_scopes is None):
            raise TypeError('write @requires_user(scopes=["…"]) or @requires_user()')
        if apis is None:
            raise TypeError('write @requires_user(prefetch=["Graph"]), with names of downstream APIs')
        if roles is not None and not (required_roles and all(required_roles)):
            raise TypeError('write @requires_user(roles=["…"]), with one role or more')
        if auth_context is not None and not _AUTH_CONTEXT.fullmatch(auth_context):
            raise TypeError('an authentication context is one of "c1" to "c99"')
        conditions = _Conditions(named_scopes, required_roles or (), auth_context, apis)

        def decorate(function: Function) -> Function:
            check_declaration(function)
            guard = _Guard(self._services, conditions, function)
            return as_azure_function(guard, function, kind_of(function))

        return decorate


def _texts(given: object) -> tuple[str, ...] | None:
    """The strings in a list, set or iterator. None if it is something else.

    They are read once. A second reading of an iterator would find no strings, and so no role to check.
    """
    texts = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (None,)
    return texts if all(isinstance(text, str) for text in texts) else None


class _Conditions(NamedTuple):
    """The arguments of one `@requires_user`."""

    scopes: tuple[str, ...] | None
    roles: tuple[str, ...]
    auth_context: str | None
    prefetch: tuple[str, ...]


class _Guard:
    """Runs one function between its checks (settings, token, conditions) and its response."""

    def __init__(self, services: LazyServices, conditions: _Conditions, function: Function) -> None:
        self._services, self._conditions, self._function = services, conditions, function
        self._kind = kind_of(function)
        parameters = inspect.signature(function).parameters
        self._parameters = parameters.keys()
        self._takes_rest = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        services.preload()
        scopes = conditions.scopes
        if not services.problems() and not (services.default_scopes() if scopes is None else scopes):
            services.report("AzureAd__Scopes", f"is missing, and {function.__name__} names no scopes of its own")
        for name in conditions.prefetch:
            if not services.has_api(name):
                services.report(f"DownstreamApis__{name}__Scopes", f"is missing, and {function.__name__} prefetches it")

    async def respond(self, arguments: dict[str, Any]) -> func.HttpResponse:
        """Every step of a request, in this order. A step that fails ends it with an error response."""
        request = find_request(arguments, self._function.__name__)
        record, realm = self._start_record(request, arguments), ""
        try:
            services = self._services.get()
            realm = services.settings.authority.realm
            with within(services.settings.request_timeout, services.now):
                bearer = bearer_token(request)
                session = await self._kind.open_session(services.sessions, bearer)  # Sessions.open
                realm = session.access_token.authority.realm  # of several tenants, only now the caller's own
                context = services.sessions.context(session, bearer, record)
                with context:
                    self._check_conditions(context, services)
                    for name in self._conditions.prefetch:
                        context.prefetch(services.apis.named(name))
                    user = self._kind.user(context, services.apis)
                    reply = reply_to(await self._kind.call(self._function, self._choose_arguments(arguments, user)))
        # Every exception becomes a response. SystemExit would end the worker and all its requests. A CancelledError
        # that escapes the function would leave the request without a response.
        except BaseException as error:
            if is_being_cancelled(error):  # by the event loop
                raise
            return _reply_to_failure(record, error, realm)
        record.close(reply.status_code)
        return reply

    def _start_record(self, request: func.HttpRequest, arguments: dict[str, Any]) -> RequestRecord:
        """The record continues the host's trace, or that of the caller's `traceparent` header if the host has none."""
        traced = getattr(arguments.get("context"), "trace_context", None)
        traceparent = getattr(traced, "trace_parent", "") or request.headers.get("traceparent", "")
        return RequestRecord(self._function.__name__, request.method, traceparent)

    def _check_conditions(self, context: RequestContext, services: Services) -> None:
        """Compares the token with the conditions.

        Raises:
            InsufficientScope: the client may not do this.
            InsufficientRole: the user may not do this.
            ClaimsChallenge: the user has not satisfied the authentication context.
        """
        required = services.settings.scopes if self._conditions.scopes is None else self._conditions.scopes
        if context.access_token.scopes.isdisjoint(required):
            raise InsufficientScope(required, reason="none of the scopes")
        roles = self._conditions.roles
        if roles and context.access_token.roles().isdisjoint(roles):
            raise InsufficientRole(roles, reason="none of the roles")
        auth_context = self._conditions.auth_context
        if auth_context and auth_context not in context.access_token.auth_contexts():
            claims, address = auth_context_claims(auth_context), context.access_token.authority.authorization_uri
            raise ClaimsChallenge(claims, authorization_uri=address, reason="authentication context")

    def _choose_arguments(self, given: dict[str, Any], user: SignedInUser) -> dict[str, Any]:
        """Those of the host's arguments that the function takes, and the user."""
        every = {**given, "user": user}
        if self._takes_rest and "context" not in self._parameters:
            every.pop("context", None)  # the guard added this parameter; the function's `**rest` must not get it
        return {name: value for name, value in every.items() if name in self._parameters or self._takes_rest}


def bearer_token(request: func.HttpRequest) -> str:
    """The token of the one `Authorization: Bearer` header. Raises MissingToken if there is none, or more than one."""
    match = _BEARER.fullmatch(request.headers.get("Authorization", ""))  # two headers arrive joined: no match
    if match is None:
        raise MissingToken(reason="no bearer token")
    return match.group(1)


def _reply_to_failure(record: RequestRecord, error: BaseException, realm: str) -> func.HttpResponse:
    try:
        reply = reply_to_error(error, record.correlation_id, realm)
    except Exception as unusable:  # noqa: BLE001 — the app may define an error class whose members cannot be sent
        error, reply = unusable, reply_to_error(unusable, record.correlation_id, realm)
    record.close(reply.status_code, error)
    return reply


requires_user = RequiresUser(services)


def health() -> func.HttpResponse:
    """The response of a health check. It tests the settings alone, and sends nothing over the network.

    Returns:
        200, or 503 with the names of the settings that are wrong. Never a value.
    """
    notes.enter_request()
    problems = services.problems()
    notes.deliver()
    return reply_to(({"status": "unhealthy", "settings": sorted(problems)}, 503) if problems else {"status": "healthy"})
