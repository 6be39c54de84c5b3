"""The fixture `tenant`: calls the functions of an app as the people of the emulated tenant. docs/test.md explains it.

Nothing is skipped in a call. It has a genuine access token, which is validated and exchanged at the emulated Entra. Its
requests go over real sockets to the emulated Graph and to stand-ins of the other APIs. Environment variables alone
configure the app.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from json import loads
from pathlib import Path
from types import EllipsisType
from typing import Any

import pytest
from starlette.requests import Request

from emulators.applications import API, Application
from emulators.canned import Canned, CannedResponse, StandIn
from emulators.entra.verification import TokenError, verify_token_of_any
from emulators.environment import api_settings
from emulators.people import EVERYONE, PEOPLE, person_by_oid
from emulators.requests_io import bearer
from emulators.stack import Stack
from emulators.table import FILE, TableError, read_table
from shared import requires_user

from .azure_call import Response, Runner, call, runner
from .lab import finish_background_work

__all__ = ["Arrived", "Response", "Tenant"]

_MISLEADING = ("ALL_PROXY", "all_proxy", "CURL_CA_BUNDLE")
_ENTRA = "entra.token"
_ASKED = {"insufficient_scope": "scopes", "insufficient_role": "roles"}
"""By the code of a refusal: the member of the body that says what the function asks for."""


@dataclass(frozen=True)
class Arrived:
    """A request that arrived at an API. `path` is below the API's base URL; `user` is empty without a genuine token."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = field(repr=False)
    user: str
    oid: str
    scopes: tuple[str, ...]
    headers: Mapping[str, str] = field(repr=False)
    """Without the token."""

    def json(self) -> Any:
        """The body, read as JSON."""
        return loads(self.body)


class Tenant:
    """One test's view of the emulated tenant. What it changes is undone after the test."""

    def __init__(self, stack: Stack, runner: Runner, patch: pytest.MonkeyPatch) -> None:
        self.stack = stack
        """The emulated tenant itself, for what this class lacks; what is done there is not undone."""
        self._runner, self._patch = runner, patch
        self._requests: list[tuple[str, Arrived]] = []
        self._is_fresh = True
        self.strict = False
        """True: the test fails when nobody asked for a canned response, or when a request to an API had none."""

    def call(
        self,
        function: Any,
        *,
        as_: str | EllipsisType | None = ...,
        as_app: str | None = None,
        scopes: Collection[str] | None = None,
        roles: Collection[str] | None = None,
        mfa: bool = False,
        json: Any = None,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        route: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        bindings: Mapping[str, Any] | None = None,
    ) -> Response:
        """Calls a function of the app, `def` or `async def`, and returns the response.

        Args:
            function: what `@app.route` made of it, such as `function_app.me`.
            as_: who calls, by short name, such as "alice"; None sends no token.
            as_app: in place of `as_`, the application that calls as itself: "daemon", or one of local-stack.toml.
            scopes: what the client may do for them; by default all scopes of the API.
            roles: their app roles of the API, or the application's; by default those in local-stack.toml.
            mfa: whether they signed in with a second factor.
            json: the body, sent as JSON; `body` sends bytes.
            params: the query. `route`: the values of the parameters in the route.
            headers: further headers of the request.
            method: by default the first that the route takes; with a body, the first that has one.
            bindings: what other bindings of the function are given, such as a `func.Out`.
        """
        if (as_ is ...) == (as_app is None):
            raise TypeError('who calls? Write as_="alice", as_=None, or as_app="daemon"')
        given, token = dict(headers or {}), ""
        if as_app is not None:
            token = self._app_token(as_app, roles)
        elif isinstance(as_, str):
            token = self._token(as_, scopes, roles, mfa)
        if token:
            given["Authorization"] = f"Bearer {token}"
        response = call(
            function,
            self._runner,
            headers=given,
            json=json,
            body=body,
            params=params,
            route=route,
            method=method,
            bindings=bindings,
        )
        response.note = self._about(response, token)
        return response

    def responds(
        self, api: str, route: str, body: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Lets an API respond with this to every request that fits, such as `"GET /items/{id}"`.

        `body`: a text or bytes are sent as they are, None is an empty body, anything else is sent as JSON. The response
        is for tokens that the API accepts: 401 without a genuine one for this API, 403 without a scope of it.
        """
        self._canned(api).add(CannedResponse(route, body, status, dict(headers or {})))

    def requests(self, api: str) -> list[Arrived]:
        """What arrived at an API in this test, in order; also what it refused, and what met a failure."""
        key = self._key(api)
        return [arrived for service, arrived in self._requests if service == key]

    def requires_mfa(self, api: str) -> None:
        """Conditional Access demands a second factor for this API; `call(…, mfa=True)` has one."""
        self._will_leave_traces()
        self.stack.directory.require_mfa(self._application(api))

    def lacks_consent(self, api: str) -> None:
        """Nobody has consented to what the API asks of this one."""
        self._will_leave_traces()
        self.stack.directory.forget_consent(API, self._application(api))

    def throttles(self, api: str, retry_after: int = 9, times: int | None = None) -> None:
        """The API, or "Entra", responds with 429 and Retry-After in seconds; `times`: to so many requests only.

        The app waits for a short time, such as 1 s, and calls again. Then the test waits, too.
        """
        self._fault(api, status=429, headers={"Retry-After": str(retry_after)}, times=times)

    def fails(self, api: str, status: int = 503, times: int | None = None) -> None:
        """The API, or "Entra", responds with this status; `times`: to so many requests only."""
        self._fault(api, status=status, times=times)

    def is_unreachable(self, api: str) -> None:
        """The API, or "Entra", takes no connection."""
        self._fault(api, network="refused")

    def settings(self, **values: str | None) -> None:
        """Changes settings of the app for this test, such as `AzureAd__Scopes="notes.read"`; None takes one away."""
        self._will_leave_traces()
        for name, value in values.items():
            if value is None:
                self._patch.delenv(name, raising=False)
            else:
                self._patch.setenv(name, value)
        _read_settings_anew()

    def _fault(self, api: str, **what: Any) -> None:
        self._will_leave_traces()
        self.stack.faults.add(_ENTRA if api == "Entra" else self._azure().get(api) or self._key(api), **what)

    def _token(self, person: str, scopes: Collection[str] | None, roles: Collection[str] | None, mfa: bool) -> str:
        if person not in EVERYONE:
            raise ValueError(f"there is nobody called {person!r}; there are {', '.join(PEOPLE)}")
        if isinstance(scopes, str) or isinstance(roles, str):
            raise TypeError('scopes and roles are lists, such as scopes=["access_as_user"]')
        claims: dict[str, Any] = {} if roles is None else {"roles": list(roles) or None}
        wanted = None if scopes is None else tuple(scopes)
        return self.stack.issue_access_token(person, scopes=wanted, mfa=mfa, **claims)

    def _app_token(self, daemon: str, roles: Collection[str] | None) -> str:
        known = self.stack.directory.applications
        client = known.get(f"daemon {daemon}")
        if client is None:
            raise ValueError(f"there is no application {daemon!r}; there are {', '.join(self.stack.table.daemons)}")
        if isinstance(roles, str):
            raise TypeError('roles are a list, such as roles=["Jobs.Run"]')
        held = self.stack.directory.app_roles(client, known["api"]) if roles is None else tuple(roles)
        return self.stack.issue_app_token(client=client.key, roles=held)

    def _about(self, response: Response, token: str) -> str:
        """Which scopes or roles the token has, and which the function asks for, if it was refused for them."""
        try:
            problem = response.json() if response.status == 403 else {}
        except ValueError:
            return ""
        asked = _ASKED.get(str(problem.get("code"))) if isinstance(problem, dict) else None
        if not (token and asked):
            return ""
        claims = verify_token_of_any(token, self.stack.entra.keys, self.stack.entra.now())
        has = claims.get("roles", ()) if asked == "roles" else str(claims.get("scp", "")).split()
        near = [close for each in has for close in difflib.get_close_matches(each, problem.get(asked, ()), n=1)]
        guess = f"; did you mean {near[0]!r}?" if near else ""
        return f"the token has the {asked} {list(has)}, and the function asks for one of {problem.get(asked)}{guess}"

    def _application(self, api: str) -> Application:
        service = self._azure().get(api)
        return self.stack.directory.applications[f"azure-{service}" if service else self._key(api)]

    def _azure(self) -> dict[str, str]:
        """Name of each Azure service in the table → what it is: `storage`, `search` or `vault`."""
        return {each.name: each.service for each in self.stack.table.azure}

    def _key(self, api: str) -> str:
        names = {"Graph": "graph", **{each.name: each.key for each in self.stack.table.apis}}
        if api in self._azure():
            raise ValueError(f"{api!r} is an Azure service; it has no canned responses, and its requests are not kept")
        if api not in names:
            near = difflib.get_close_matches(api, names, n=1)
            guess = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}."
            raise ValueError(f"there is no API {api!r}; {guess} An API of your own is a table in {FILE}.")
        return names[api]

    def _canned(self, api: str) -> Canned:
        return _canned_of(self.stack)[self._key(api)]

    def _will_leave_traces(self) -> None:
        """The app remembers failures and settings; so the next test begins with an app that knows nothing."""
        self._is_fresh = False

    def _arrived(self, service: str, request: Request, body: bytes) -> None:
        canned = _canned_of(self.stack).get(service)
        if canned is not None:
            self._requests.append((service, _arrived(self.stack, canned, request, body)))

    def _finish(self) -> list[str]:
        """Undoes what the test has changed. Returns what a strict test does not forgive."""
        wrong = []
        for key, canned in _canned_of(self.stack).items():
            wrong += [f"{key}: nobody asked for {route}" for route in canned.unasked()]
            wrong += [f"{key}: there is no canned response for {asked}" for asked in canned.unanswered]
            canned.clear()
        self.stack.faults.clear()
        if not self._is_fresh:
            _read_settings_anew()
        return wrong if self.strict else []


def _canned_of(stack: Stack) -> dict[str, Canned]:
    return {"graph": stack.graph.canned, **{key: proxy.canned for key, proxy in stack.apis.items()}}


def _arrived(stack: Stack, canned: Canned, request: Request, body: bytes) -> Arrived:
    try:
        claims = verify_token_of_any(bearer(request) or "", stack.entra.keys, stack.entra.now())
    except TokenError:
        claims = {}
    person = person_by_oid(claims.get("oid"))
    return Arrived(
        request.method,
        canned.path_of(request),
        dict(request.query_params),
        body,
        person.name if person else "",
        person.oid if person else "",
        tuple(str(claims.get("scp", "")).split()),
        {name: value for name, value in request.headers.items() if name != "authorization"},
    )


def _read_settings_anew() -> None:
    """The app forgets what it has read and remembered, as a process does that starts again."""
    finish_background_work()
    services = requires_user._services
    vars(services).update(vars(type(services)(os.environ)))


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name in _MISLEADING:
        os.environ.pop(name, None)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def nothing_ahead() -> Iterator[None]:
    """Within it, the app fetches no keys and no credential while it is loaded: the tenant to ask is not there yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(requires_user._services), "preload", lambda _: None)
        yield


@contextmanager
def with_settings() -> Iterator[None]:
    """The settings of the app, for the import of its modules: without the addresses that the emulators will have."""
    with nothing_ahead(), _environment(api_settings(read_table(), "", "")):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A test module that imports the app imports it with its settings, as the Functions host does."""
    if not isinstance(collector, pytest.Module):
        return (yield)
    try:
        with with_settings():
            return (yield)
    except TableError as problem:
        raise pytest.UsageError(str(problem)) from None


@contextmanager
def emulated(folder: Path) -> Iterator[tuple[Stack, Runner]]:
    """The emulated tenant with stand-ins of the APIs behind the app, which begins as a process does that starts."""
    with ExitStack() as stopping:
        stack = stopping.enter_context(Stack.start(folder))
        stack.vault.certificate_users.clear()  # as in infra/: Key Vault Secrets User is all that the API has
        for key, proxy in stack.apis.items():
            proxy.stand_in = StandIn(stack.directory.applications[key], proxy.canned, stack.entra)
        with _environment(stack.environ("api")):
            _read_settings_anew()  # it may have been imported without its settings
        yield stack, stopping.enter_context(runner())


@contextmanager
def one_test(stack: Stack, running: Runner, patch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    """A Tenant for one test. A strict one fails with what it does not forgive. `patch` undoes the environment."""
    for name in _MISLEADING:
        patch.delenv(name, raising=False)
    for name, value in stack.environ("api").items():
        patch.setenv(name, value)
    one = Tenant(stack, running, patch)
    stack.recording.arrived = one._arrived
    with stack.directory.unchanged():
        try:
            yield one
        finally:
            finish_background_work()
            wrong = one._finish()
            stack.recording.arrived = None
            stack.reset_contents()
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def _nothing_ahead() -> Iterator[None]:
    """A function that a test declares begins with its first request. Tests of what comes before call `load_ahead`."""
    with nothing_ahead():
        yield


@pytest.fixture(scope="session")
def _emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Runner]]:
    with emulated(tmp_path_factory.mktemp("tenant")) as both:
        yield both


@pytest.fixture
def tenant(_emulated: tuple[Stack, Runner], monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    """The emulated tenant, and the app of this folder configured for it."""
    with one_test(*_emulated, monkeypatch) as one:
        yield one
