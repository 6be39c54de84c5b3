"""`@requires_user`, `@requires_app`, `@requires_caller`: a function runs only for callers that may call it.

Each decorator puts a guard in front of one function. A guard is one coroutine, `_Guard.respond`, that has every step of
a request in order. The three decorators differ only in their conditions: which users, and which applications, may call.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import azure.functions as func

from .errors import (
    AppTokenRequired,
    ClaimsChallenge,
    Forbidden,
    InsufficientRole,
    InsufficientScope,
    InvalidToken,
    MissingToken,
    UserTokenRequired,
)
from .hosting import (
    as_azure_function,
    check_declaration,
    find_request,
    is_being_cancelled,
    kind_of,
    reply_to,
    reply_to_error,
    turn_into_consent_prompt,
)
from .net import auth_context_claims, within
from .services import LazyServices, Services
from .services import services as lazy_services
from .settings import is_full_name, is_guid
from .telemetry import RequestRecord, notes
from .user import CallingApp, SignedInUser

if TYPE_CHECKING:
    from .application.app_api import AppApi, AsyncAppApi
    from .downstream import DownstreamApis
    from .hosting.protected_resource import Resource
    from .sessions import AppRequestContext, RequestContext, Session, Sessions
    from .validation import ValidatedAppToken, ValidatedToken

_AUTH_CONTEXT = re.compile(r"c[1-9][0-9]?", re.ASCII)

Function = Callable[..., Any]


class _UserConditions(NamedTuple):
    """Which users may call a function, and the APIs whose tokens are prefetched for them."""

    scopes: tuple[str, ...] | None  # None: those of AzureAd__Scopes
    roles: tuple[str, ...] = ()
    auth_context: str | None = None
    prefetch: tuple[str, ...] = ()


class _AppConditions(NamedTuple):
    """Which applications may call a function. At least one of `roles` and `clients` is not empty."""

    roles: tuple[str, ...]
    clients: tuple[str, ...]  # empty: any


class _Conditions(NamedTuple):
    """Who may call one function. `users` is None: users may not. `apps` is None: applications may not."""

    parameter: str  # the function's parameter that receives the caller
    users: _UserConditions | None = None
    apps: _AppConditions | None = None


class _Decorator:
    """What the three decorators share. A test passes its own services."""

    def __init__(self, services: LazyServices) -> None:
        self._services = services

    def _guarded_by(self, conditions: _Conditions) -> Callable[[Function], Function]:
        def decorate(function: Function) -> Function:
            check_declaration(function, conditions.parameter)
            guard = _Guard(self._services, conditions, function)
            return as_azure_function(guard, function, kind_of(function), conditions.parameter)

        return decorate


class RequiresUser(_Decorator):
    """Makes `@requires_user`."""

    def __call__(
        self,
        *misused: object,
        scopes: Iterable[str] | None = None,
        roles: Iterable[str] | None = None,
        auth_context: str | None = None,
        prefetch: Iterable[str] = (),
    ) -> Callable[[Function], Function]:
        """The decorated function runs only for a signed-in user with a valid access token and one of the scopes.

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
        _check_scope_names(named_scopes, "user")
        if apis is None:
            raise TypeError('write @requires_user(prefetch=["Graph"]), with names of downstream APIs')
        if roles is not None and not (required_roles and all(required_roles)):
            raise TypeError('write @requires_user(roles=["…"]), with one role or more')
        if auth_context is not None and not _AUTH_CONTEXT.fullmatch(auth_context):
            raise TypeError('an authentication context is one of "c1" to "c99"')
        users = _UserConditions(named_scopes, required_roles or (), auth_context, apis)
        return self._guarded_by(_Conditions("user", users=users))


class RequiresApp(_Decorator):
    """Makes `@requires_app`."""

    def __call__(
        self, *misused: object, roles: Iterable[str] | None = None, clients: Iterable[str] | None = None
    ) -> Callable[[Function], Function]:
        """The decorated function runs only for an application that calls as itself, such as a daemon.

        Write it directly above the function and below `@app.route`. The function has a parameter `app`, a
        `CallingApp`. A user's token is refused, whatever roles the user holds.

        Args:
            roles: the application must hold one of these app roles of the API (the claim `roles`). Any application of
                the tenant can get a token without a role. So the roles may be left out only if `clients` are named.
            clients: client ids, GUIDs. If there are any, only these applications may call.

        Returns:
            A decorator, as that of `requires_user`.

        Raises:
            TypeError: wrong arguments, or a form of function that cannot be guarded. It is raised while the app loads.
        """
        if misused:
            raise TypeError('write @requires_app(roles=["…"])')
        return self._guarded_by(_Conditions("app", apps=_app_conditions(roles, clients, "app")))


class RequiresCaller(_Decorator):
    """Makes `@requires_caller`."""

    def __call__(
        self,
        *misused: object,
        scopes: Iterable[str] | None = None,
        roles: Iterable[str] | None = None,
        clients: Iterable[str] | None = None,
    ) -> Callable[[Function], Function]:
        """The decorated function runs only for a user with one of the scopes, or an application with one of the roles.

        Write it directly above the function and below `@app.route`. The function has a parameter `caller`: a
        `CallingApp`, or a `User` for `def` and an `AsyncUser` for `async def`. Ask which with `isinstance`.

        Args:
            scopes: for users. The access token must hold one of them. The default is `AzureAd__Scopes`.
            roles: for applications, as for `requires_app`. A user's roles do not count.
            clients: for applications, as for `requires_app`.

        Returns:
            A decorator, as that of `requires_user`.

        Raises:
            TypeError: wrong arguments, or a form of function that cannot be guarded. It is raised while the app loads.
        """
        named_scopes = None if scopes is None else _texts(scopes)
        if misused or (scopes is not None and named_scopes is None):
            raise TypeError('write @requires_caller(scopes=["…"], roles=["…"])')
        _check_scope_names(named_scopes, "caller")
        apps = _app_conditions(roles, clients, "caller")
        return self._guarded_by(_Conditions("caller", users=_UserConditions(named_scopes), apps=apps))


def _app_conditions(roles: Iterable[str] | None, clients: Iterable[str] | None, decorator: str) -> _AppConditions:
    required = _texts(() if roles is None else roles)
    named = _texts(() if clients is None else clients)
    if named is None or not all(map(is_guid, named)) or (clients is not None and not named):
        raise TypeError(f'write @requires_{decorator}(clients=["…"]), with the client ids of applications, GUIDs')
    if required is None or not all(required) or not (required or named):
        raise TypeError(f'write @requires_{decorator}(roles=["…"]), with one role or more, or name clients=["…"]')
    return _AppConditions(required, tuple(client.lower() for client in named))


def _check_scope_names(scopes: tuple[str, ...] | None, decorator: str) -> None:
    """Raises TypeError for a name that no token has: everybody would get 403."""
    if any(map(is_full_name, scopes or ())):
        raise TypeError(f'write @requires_{decorator}(scopes=["access_as_user"]): the short name, without api://…/')


def _texts(given: object) -> tuple[str, ...] | None:
    """The strings in a list, set or iterator. None for anything else.

    An iterator is read once. A second reading would find no strings, and so no role to check.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        return None
    texts = tuple(given)
    return texts if all(isinstance(text, str) for text in texts) else None


class _Guard:
    """Runs one function between its checks (settings, token, conditions) and its response."""

    def __init__(self, services: LazyServices, conditions: _Conditions, function: Function) -> None:
        self._services, self._conditions, self._function = services, conditions, function
        self._kind = kind_of(function)
        parameters = inspect.signature(function).parameters
        self._parameters = parameters.keys()
        self._takes_rest = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        self._resources: dict[str, Resource] = {}  # by their URLs
        services.preload()
        if conditions.users is not None:
            self._report_settings(conditions.users, function.__name__)

    def _report_settings(self, users: _UserConditions, function: str) -> None:
        """Reports wrong settings that this function needs. One of them stops every guarded function of the app."""
        services, scopes = self._services, users.scopes
        if not services.problems() and not (services.default_scopes() if scopes is None else scopes):
            services.report("AzureAd__Scopes", f"is missing, and {function} names no scopes of its own")
        for name in users.prefetch:
            wrong = services.problem_of_api(name, for_app=False)
            if wrong is not None:
                services.report(wrong[0], f"{wrong[1]}, and {function} prefetches it")

    async def respond(self, arguments: dict[str, Any]) -> func.HttpResponse:
        """Every step of a request, in this order. A step that fails ends it with an error response.

        Raises TypeError if the function has no HTTP trigger.
        """
        request = find_request(arguments, self._function.__name__)
        record = self._start_record(request, arguments)
        realm = ""
        token = None
        try:
            services = self._services.get()
            realm = services.settings.authority.realm
            with within(services.settings.request_timeout, services.now):
                bearer = bearer_token(request)
                opened = await self._open(services.sessions, bearer)  # Sessions.open, or Sessions.open_caller
                context = services.sessions.context(opened, bearer, record)
                token = context.access_token
                realm = token.authority.realm  # with several tenants, known only now
                with context:
                    self._check_conditions(context, services)
                    caller = self._caller(context, services.apis)
                    reply = reply_to(await self._kind.call(self._function, self._choose_arguments(arguments, caller)))
        # Every exception becomes a response, even SystemExit and a leaked CancelledError. SystemExit would end the
        # worker and all its requests. A CancelledError of another task would leave the request without a response.
        except BaseException as error:
            if is_being_cancelled(error):  # the event loop cancels this task: the only exception that is raised again
                raise
            if token is not None:
                turn_into_consent_prompt(error, token)
            return _reply_to_failure(record, error, realm, self._resource(request))
        record.close(reply.status_code)
        return reply

    def _resource(self, request: func.HttpRequest) -> Resource | None:
        """The protected resource for the called address, for `WWW-Authenticate`.

        None if no `AzureAd__PublicUrls` covers the address, or if settings are wrong.
        """
        if self._services.problems():
            return None
        settings = self._services.settings()
        if not settings.public_urls:
            return None
        from .hosting.protected_resource import Resource, address_of

        url = address_of(request, settings.public_urls)
        if url is None:
            return None
        if url.url not in self._resources:
            users = self._conditions.users
            scopes = () if users is None else settings.scopes if users.scopes is None else users.scopes
            self._resources[url.url] = Resource(url, scopes)
        return self._resources[url.url]

    def _start_record(self, request: func.HttpRequest, arguments: dict[str, Any]) -> RequestRecord:
        """A record that continues the host's trace. If the host has none, it continues the caller's `traceparent`."""
        traced = getattr(arguments.get("context"), "trace_context", None)
        traceparent = getattr(traced, "trace_parent", "") or request.headers.get("traceparent", "")
        return RequestRecord(self._function.__name__, request.method, traceparent)

    async def _open(self, sessions: Sessions, bearer: str) -> Session | ValidatedAppToken:
        """Validates the token, or finds it among the known ones.

        Tokens of applications are accepted only if the function allows applications.

        Raises MissingToken for a text that cannot be a token. A known token need not be looked at.
        """
        try:
            # `open` also finds known tokens. An `async def` function calls `find` first: it needs no thread for them.
            if self._conditions.apps is None:
                return await self._kind.open(sessions.find, sessions.open, bearer)
            return await self._kind.open(sessions.find_caller, sessions.open_caller, bearer)
        except InvalidToken:
            check_form(bearer)
            raise

    def _check_conditions(self, context: RequestContext | AppRequestContext, services: Services) -> None:
        """Compares the token with the conditions for its kind. A user's role does not count as an application's role.

        Raises:
            UserTokenRequired, AppTokenRequired: the function accepts only the other kind of caller.
            InsufficientScope: the token has none of the scopes.
            InsufficientRole: the user, or the application, has none of the roles.
            Forbidden: the application is not one of those that may call.
            ClaimsChallenge: the user has not satisfied the authentication context.
        """
        if context.is_app:
            _check_app(context.access_token, self._conditions.apps)
        else:
            _check_user(context.access_token, self._conditions.users, services)

    def _caller(self, context: RequestContext | AppRequestContext, apis: DownstreamApis) -> SignedInUser | CallingApp:
        """The caller that the function gets. For a user, the prefetched exchanges are started."""
        if context.is_app:
            return CallingApp(context.access_token)
        for name in self._conditions.users.prefetch if self._conditions.users else ():
            context.prefetch(apis.named(name))
        return self._kind.user(context, apis)

    def _choose_arguments(self, given: dict[str, Any], caller: SignedInUser | CallingApp) -> dict[str, Any]:
        """Keeps the host's arguments that the function accepts, and adds the caller."""
        named, takes_rest = self._parameters, self._takes_rest
        # `context` is a parameter that the guard added: the function's `**rest` must not get it.
        chosen = {name: value for name, value in given.items() if name in named or (takes_rest and name != "context")}
        if takes_rest or self._conditions.parameter in named:
            chosen[self._conditions.parameter] = caller
        return chosen


def _check_user(token: ValidatedToken, users: _UserConditions | None, services: Services) -> None:
    if users is None:
        raise AppTokenRequired(reason="a user's token")
    required = services.settings.scopes if users.scopes is None else users.scopes
    if token.scopes.isdisjoint(required):
        raise InsufficientScope(required, reason="none of the scopes")
    if users.roles and token.roles().isdisjoint(users.roles):
        raise InsufficientRole(users.roles, reason="none of the roles")
    if users.auth_context and users.auth_context not in token.auth_contexts():
        claims, address = auth_context_claims(users.auth_context), token.authority.authorization_uri
        raise ClaimsChallenge(claims, authorization_uri=address, reason="authentication context")


def _check_app(token: ValidatedAppToken, apps: _AppConditions | None) -> None:
    if apps is None:
        raise UserTokenRequired(reason="app-only token")
    if apps.clients and token.client_id() not in apps.clients:
        raise Forbidden("This application may not do this.", reason="not one of the clients that the function names")
    if apps.roles and token.roles().isdisjoint(apps.roles):
        raise InsufficientRole(apps.roles, reason="none of the roles")


def bearer_token(request: func.HttpRequest) -> str:
    """What follows `Bearer` in the `Authorization` header. Raises MissingToken if that is nothing."""
    header: str = request.headers.get("Authorization", "")
    scheme, _, rest = header.partition(" ")
    token = rest.lstrip(" ")
    if not token or scheme.lower() != "bearer":
        from .validation.refusals import why_no_bearer

        raise MissingToken(reason=f"no bearer token: {why_no_bearer(header)}")
    return token


def check_form(bearer: str) -> None:
    """Raises MissingToken for a text that cannot be a bearer token. Two headers arrive as one text, with a comma."""
    from .validation.refusals import is_bearer_token, why_no_bearer

    if not is_bearer_token(bearer):
        raise MissingToken(reason=f"no bearer token: {why_no_bearer(f'Bearer {bearer}')}") from None


def _reply_to_failure(
    record: RequestRecord, error: BaseException, realm: str, resource: Resource | None
) -> func.HttpResponse:
    try:
        reply = reply_to_error(error, record.correlation_id, realm, resource)
    except Exception as unusable:  # noqa: BLE001 — an error class of the app may have a status or members that cannot be sent
        error, reply = unusable, reply_to_error(unusable, record.correlation_id, realm, resource)
    record.close(reply.status_code, error)
    return reply


requires_user = RequiresUser(lazy_services)
requires_app = RequiresApp(lazy_services)
requires_caller = RequiresCaller(lazy_services)


def app_api(name: str) -> AppApi:
    """The downstream API that the settings `DownstreamApis__NAME__...` describe. It is called as this application.

    For functions without a user: with a timer, a queue, or `@requires_app`. Its calls are those of `user.api`. You may
    write `app_api` at the top of a module: it waits for nothing, and reports a wrong setting at start.

    Args:
        name: the NAME in these settings. `DownstreamApis__NAME__RequestAppToken` is `true`, and `...__Scopes` is
            `{resource}/.default`.

    Returns:
        The API. Its calls raise RuntimeError in an `async def` function, because they would stop the event loop: use
        `async_app_api` there.
    """
    from .application.app_api import AppApi

    _report_at_start(name)
    return AppApi(name, lazy_services)


def async_app_api(name: str) -> AsyncAppApi:
    """As `app_api`, for `async def` functions. Its calls are awaited: `await async_app_api("Stock").get("/items")`.

    Args:
        name: as for `app_api`.

    Returns:
        The API.
    """
    from .application.app_api import AsyncAppApi

    _report_at_start(name)
    return AsyncAppApi(name, lazy_services)


def _report_at_start(name: str) -> None:
    """Reports a wrong setting, if `app_api` was called at the top of a module. That stops every guarded function."""
    if sys._getframe(2).f_code.co_name == "<module>":
        lazy_services.preload()
        wrong = lazy_services.problem_of_api(name, for_app=True)
        if wrong is not None:
            lazy_services.report(wrong[0], f"{wrong[1]} (app_api is called with {name!r})")


def health() -> func.HttpResponse:
    """The response of a health check. The check sends nothing over the network, and starts nothing.

    The check tests the settings. It also reports whether the client credential or the signing keys made the last
    requests fail.

    Returns:
        200, or 503 with the names of the settings that are wrong, and with `broken`: "client credential", "signing
        keys" or both. Never a value.
    """
    notes.enter_request()
    problems, broken = lazy_services.problems(), lazy_services.broken()
    notes.deliver()
    if not problems and not broken:
        return reply_to({"status": "healthy"})
    named = {"settings": sorted(problems), "broken": broken}
    return reply_to(({"status": "unhealthy", **{kind: names for kind, names in named.items() if names}}, 503))
