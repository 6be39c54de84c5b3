"""`@requires_app` and `@requires_caller`: their arguments and functions, and what is kept of an application's token."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import azure.functions as func
import pytest

from emulators.applications import CLIENT_ID
from emulators.people import CONTOSO
from shared import AsyncUser, CallingApp, User
from shared.errors import InvalidToken, UserTokenRequired
from shared.requires_user import RequiresApp, RequiresCaller, RequiresUser
from shared.services import LazyServices
from shared.sessions import MAX_APP_TOKENS
from shared.validation.signing_keys import MAX_AGE_SECONDS, NEXT_FETCH_SECONDS
from tests.support.lab import Lab, finish_background_work

from .guarded import body_of, reply_of, request

ROLE = "Jobs.Run"


@pytest.fixture
def services(lab: Lab) -> LazyServices:
    return LazyServices(lab.environ(), lab.clock, lab.clock.forward)


def for_app(req: func.HttpRequest, app: CallingApp) -> object:
    return {"id": app.id, "tenant": app.tenant_id, "roles": sorted(app.roles), "sub": app.claims["sub"]}


def for_any(req: func.HttpRequest, caller: User | CallingApp) -> object:
    return {"kind": type(caller).__name__}


# Arguments


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"roles": []},
        {"roles": ROLE},
        {"roles": [""]},
        {"roles": [b"Jobs.Run"]},
        {"roles": [None]},
        {"roles": 5},
        {"roles": iter(())},
        {"roles": [ROLE, ""], "clients": [CLIENT_ID]},
        {"clients": []},
        {"clients": CLIENT_ID},
        {"clients": ["daemon"]},
        {"clients": [""]},
        {"clients": [f"{CLIENT_ID} "]},
        {"roles": [ROLE], "clients": []},
    ],
)
@pytest.mark.parametrize(("decorator", "name"), [(RequiresApp, "app"), (RequiresCaller, "caller")])
def test_a_route_for_applications_names_roles_or_clients(
    services: LazyServices, decorator: Callable[..., Any], name: str, arguments: dict[str, Any]
) -> None:
    given = {key: iter(()) if hasattr(value, "__next__") else value for key, value in arguments.items()}
    with pytest.raises(TypeError, match=rf"^write @requires_{name}\((roles|clients)=\["):
        decorator(services)(**given)


@pytest.mark.parametrize("misuse", [for_app, [ROLE], ROLE])
def test_a_decorator_without_parentheses_is_told(services: LazyServices, misuse: Any) -> None:
    with pytest.raises(TypeError, match="write @requires_app"):
        RequiresApp(services)(misuse)
    with pytest.raises(TypeError, match="write @requires_caller"):
        RequiresCaller(services)(misuse)


@pytest.mark.parametrize("argument", [{"prefetch": ["Graph"]}, {"auth_context": "c1"}])
@pytest.mark.parametrize("decorator", [RequiresApp, RequiresCaller])
def test_what_only_a_user_can_have_is_no_argument(
    services: LazyServices, decorator: Callable[..., Any], argument: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        decorator(services)(roles=[ROLE], **argument)


def test_an_app_has_no_scopes(services: LazyServices) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'scopes'"):
        RequiresApp(services)(scopes=["access_as_user"], roles=[ROLE])  # type: ignore[call-arg]


@pytest.mark.parametrize("roles", [[ROLE], (ROLE,), {ROLE}, iter([ROLE]), (role for role in [ROLE])])
def test_roles_are_asked_for_in_whatever_form_they_come(lab: Lab, services: LazyServices, roles: Any) -> None:
    guarded = RequiresApp(services)(roles=roles)(for_app)
    for held, status in (((ROLE,), 200), ((), 403), (("Jobs.Runs",), 403), ((ROLE,), 200)):
        assert reply_of(guarded, req=request(lab.stack.issue_app_token(roles=held))).status_code == status


def test_callers_without_scopes_named_need_the_scope_of_the_settings(lab: Lab, services: LazyServices) -> None:
    guarded = RequiresCaller(services)(roles=[ROLE])(for_any)
    assert body_of(reply_of(guarded, req=request(lab.stack.issue_access_token("alice")))) == {"kind": "User"}
    reply = reply_of(guarded, req=request(lab.stack.issue_access_token("alice", scp="other")))
    assert (reply.status_code, body_of(reply)["scopes"]) == (403, ["access_as_user"])
    assert 'error="insufficient_scope", scope="access_as_user"' in reply.headers["WWW-Authenticate"]


def test_a_function_for_callers_without_any_scope_is_closed_and_reported(lab: Lab) -> None:
    services = LazyServices(lab.environ(AzureAd__Scopes=None), lab.clock)
    guarded = RequiresCaller(services)(roles=[ROLE])(for_any)
    assert services.problems() == {"AzureAd__Scopes": "is missing, and for_any names no scopes of its own"}
    for token in (lab.stack.issue_access_token("alice"), lab.stack.issue_app_token(roles=(ROLE,))):
        assert reply_of(guarded, req=request(token)).status_code == 500


def test_a_function_for_applications_needs_no_scope_in_the_settings(lab: Lab) -> None:
    services = LazyServices(lab.environ(AzureAd__Scopes=None), lab.clock)
    guarded = RequiresApp(services)(roles=[ROLE])(for_app)
    assert reply_of(guarded, req=request(lab.stack.issue_app_token(roles=(ROLE,)))).status_code == 200


# Functions


def refused_functions() -> dict[str, tuple[Callable[..., Any], str, str]]:
    """Name → the decorator's parameter, the function, and words of the message."""

    def with_user(req: func.HttpRequest, app: User) -> object: ...

    async def with_async_user(req: func.HttpRequest, app: AsyncUser) -> object: ...

    def only_user(req: func.HttpRequest, caller: User) -> object: ...

    def only_app(req: func.HttpRequest, caller: CallingApp) -> object: ...

    async def sync_user(req: func.HttpRequest, caller: User | CallingApp) -> object: ...

    def async_user(req: func.HttpRequest, caller: AsyncUser | CallingApp) -> object: ...

    def under_another_name(req: func.HttpRequest, user: CallingApp) -> object: ...

    def both(req: func.HttpRequest, app: CallingApp, user: User) -> object: ...

    def no_request(app: CallingApp) -> object: ...

    async def generator(req: func.HttpRequest, app: CallingApp) -> AsyncIterator[str]:
        yield "a"

    return {
        "with_user": (with_user, "app", "a function with def gets a CallingApp; annotate app: CallingApp"),
        "with_async_user": (with_async_user, "app", "async def gets a CallingApp; annotate app: CallingApp"),
        "only_user": (only_user, "caller", r"gets a User or a CallingApp; annotate caller: User \| CallingApp"),
        "only_app": (only_app, "caller", r"annotate caller: User \| CallingApp"),
        "sync_user": (sync_user, "caller", r"an AsyncUser or a CallingApp; annotate caller: AsyncUser \| CallingApp"),
        "async_user": (async_user, "caller", r"annotate caller: User \| CallingApp"),
        "under_another_name": (under_another_name, "app", "@requires_app passes app; rename the parameter user"),
        "both": (both, "app", "@requires_app passes app; rename the parameter user"),
        "no_request": (no_request, "app", r"write \(req: func.HttpRequest, app: CallingApp\).*@requires_app needs"),
        "generator": (generator, "app", "yield"),
    }  # fmt: skip


@pytest.mark.parametrize("name", refused_functions())
def test_a_function_that_cannot_work_is_refused_by_name(services: LazyServices, name: str) -> None:
    function, parameter, words = refused_functions()[name]
    decorator: Callable[..., Any] = RequiresApp(services) if parameter == "app" else RequiresCaller(services)
    with pytest.raises(TypeError, match=rf"^{name} \(test_requires_app.py, line \d+\): .*{words}"):
        decorator(roles=[ROLE])(function)


@pytest.mark.parametrize("outer", [RequiresUser, RequiresApp, RequiresCaller])
@pytest.mark.parametrize("inner", [RequiresUser, RequiresApp, RequiresCaller])
def test_one_decorator_above_another_is_refused(services: LazyServices, outer: Any, inner: Any) -> None:
    def plain(req: func.HttpRequest) -> object: ...

    arguments = {"roles": [ROLE]}
    with pytest.raises(TypeError, match=r"^plain .*it is guarded already; keep one decorator"):
        outer(services)(**arguments)(inner(services)(**arguments)(plain))


@pytest.mark.parametrize("outer", ["user", "app"])
def test_one_guard_hidden_below_another_lets_in_neither_kind(lab: Lab, services: LazyServices, outer: str) -> None:
    """A decorator without functools.wraps hides the inner guard, so nothing can be refused at import."""
    by_user, by_app = RequiresUser(services)(scopes=["access_as_user"]), RequiresApp(services)(roles=[ROLE])
    reached: list[str] = []

    def innermost(req: func.HttpRequest, **rest: Any) -> object:
        reached.extend(rest)
        return sorted(rest)

    inner = (by_app if outer == "user" else by_user)(innermost)

    def hiding(req: func.HttpRequest, **rest: Any) -> object:
        return inner(req=req, **rest)

    guarded = (by_user if outer == "user" else by_app)(hiding)
    for token in (lab.stack.issue_access_token("alice", roles=[ROLE]), lab.stack.issue_app_token(roles=(ROLE,))):
        assert reply_of(guarded, req=request(token)).status_code == 403
    assert reached == []


def test_the_host_sees_the_request_and_the_context_alone(services: LazyServices) -> None:
    for guarded in (RequiresApp(services)(roles=[ROLE])(for_app), RequiresCaller(services)(roles=[ROLE])(for_any)):
        assert list(inspect.signature(guarded).parameters) == ["req", "context"]
        assert inspect.get_annotations(guarded)["return"] is func.HttpResponse


@pytest.mark.parametrize("name", ["app", "caller"])
def test_a_caller_cannot_be_passed_in(lab: Lab, services: LazyServices, name: str) -> None:
    guarded = (
        RequiresApp(services)(roles=[ROLE])(for_app)
        if name == "app"
        else RequiresCaller(services)(roles=[ROLE])(for_any)
    )
    token = lab.stack.issue_app_token(roles=(ROLE,))
    for positional, named in (((request(token), "mallory"), {}), ((request(token),), {name: "mallory"})):
        with pytest.raises(TypeError, match=rf"takes req; its {name} comes from the access token alone"):
            guarded(*positional, **named)


def test_a_function_may_take_no_caller_or_all_in_rest(lab: Lab, services: LazyServices) -> None:
    def nobody(req: func.HttpRequest) -> str:
        return "in"

    def rest(req: func.HttpRequest, **rest: Any) -> object:
        return {name: type(value).__name__ for name, value in rest.items()}

    token = lab.stack.issue_app_token(roles=(ROLE,))
    assert reply_of(RequiresApp(services)(roles=[ROLE])(nobody), req=request(token)).get_body() == b"in"
    assert body_of(reply_of(RequiresApp(services)(roles=[ROLE])(rest), req=request(token))) == {"app": "CallingApp"}
    assert body_of(reply_of(RequiresCaller(services)(roles=[ROLE])(rest), req=request(token))) == {
        "caller": "CallingApp"
    }


@pytest.mark.parametrize("version", [1, 2])
def test_the_function_gets_the_application(lab: Lab, services: LazyServices, version: int) -> None:
    token = lab.stack.issue_app_token(roles=(ROLE, "Other"), version=version, aud=lab.environ()["AzureAd__ClientId"])
    assert body_of(reply_of(RequiresApp(services)(roles=[ROLE])(for_app), req=request(token))) == {
        "id": CLIENT_ID,
        "tenant": CONTOSO,
        "roles": ["Jobs.Run", "Other"],
        "sub": lab.stack.directory.applications["client"].object_id,
    }


def test_a_refusal_says_what_lacks(lab: Lab, services: LazyServices) -> None:
    reply = reply_of(RequiresApp(services)(roles=["A", ROLE])(for_app), req=request(lab.stack.issue_app_token()))
    assert (reply.status_code, body_of(reply)["code"], body_of(reply)["roles"]) == (
        403,
        "insufficient_role",
        ["A", ROLE],
    )
    assert "WWW-Authenticate" not in reply.headers
    reply = reply_of(
        RequiresApp(services)(roles=[ROLE])(for_app), req=request(lab.stack.issue_access_token("alice", roles=[ROLE]))
    )
    assert (reply.status_code, body_of(reply)["code"]) == (403, "app_token_required")
    assert body_of(reply)["detail"] == "This function is for applications. A user's token is not accepted here."


def test_the_log_names_the_application_by_a_pseudonym(
    lab: Lab, services: LazyServices, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    app = lab.stack.directory.applications["client"]
    token = lab.stack.issue_app_token(roles=(ROLE,))
    reply_of(RequiresApp(services)(roles=[ROLE])(for_app), req=request(token))
    line = next(record.getMessage() for record in caplog.records if record.getMessage().startswith("request "))
    assert "caller=app" in line
    assert "user=-" not in line
    assert not any(secret in caplog.text for secret in (token, app.client_id, app.object_id))


# What is kept


def test_a_known_token_is_not_validated_again(lab: Lab, services: LazyServices) -> None:
    sessions, token = services.get().sessions, lab.stack.issue_app_token(roles=(ROLE,))
    first = sessions.open_caller(token)
    assert sessions.open_caller(token) is first
    assert sessions.find_caller(token) is first
    assert len(sessions) == 1


def test_a_known_application_is_no_session(lab: Lab, services: LazyServices) -> None:
    sessions, token = services.get().sessions, lab.stack.issue_app_token(roles=(ROLE,))
    sessions.open_caller(token)
    assert sessions.find(token) is None
    with pytest.raises(UserTokenRequired):
        sessions.open(token)
    assert (len(sessions._sessions), len(sessions._app_tokens)) == (0, 1)


def test_nothing_is_kept_of_an_application_that_may_not_call(lab: Lab, services: LazyServices) -> None:
    @RequiresUser(services)(scopes=["access_as_user"])
    def me(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    assert reply_of(me, req=request(lab.stack.issue_app_token())).status_code == 403
    assert len(services.get().sessions) == 0


def test_a_flood_of_applications_evicts_no_user(lab: Lab) -> None:
    sessions = LazyServices(lab.environ(TokenCache__MaxSessions="40"), lab.clock).get().sessions
    users = [lab.stack.issue_access_token(person) for person in ("alice", "olga")]
    before = [sessions.open_caller(token) for token in users]
    for _ in range(60):
        sessions.open_caller(lab.stack.issue_app_token())
    assert [sessions.find(token) for token in users] == before
    assert len(sessions) == 2 + min(40, MAX_APP_TOKENS)


def test_a_withdrawn_key_ends_an_application_too(lab: Lab, services: LazyServices) -> None:
    """A key is withdrawn when two responses lack it, the second one some seconds after the first."""
    sessions, ends = services.get().sessions, int(lab.clock()) + 100_000
    token = lab.stack.issue_app_token(roles=(ROLE,), exp=ends)
    sessions.open_caller(token)
    lab.stack.roll_signing_key(withdraw_old=True)
    for seconds in (MAX_AGE_SECONDS + 1, NEXT_FETCH_SECONDS):
        lab.clock.forward(seconds)
        sessions.open_caller(lab.stack.issue_app_token(exp=ends))
        sessions.find_caller(token)
        finish_background_work()
    with pytest.raises(InvalidToken, match="unknown signing key"):
        sessions.open_caller(token)
    assert sessions.find_caller(token) is None


def test_an_applications_token_ends_when_it_ends(lab: Lab, services: LazyServices) -> None:
    sessions, token = services.get().sessions, lab.stack.issue_app_token(roles=(ROLE,))
    sessions.open_caller(token)
    lab.clock.forward(3600 + 30)
    assert sessions.find_caller(token) is not None
    lab.clock.forward(30)
    assert sessions.find_caller(token) is None
    with pytest.raises(InvalidToken):
        sessions.open_caller(token)


def test_a_user_that_was_kept_acts_in_no_request_of_an_application(lab: Lab, services: LazyServices) -> None:
    """A function keeps its user in a global while its request runs. An application's job must not act as that user."""
    kept: list[User] = []
    outcome: list[str] = []

    @RequiresApp(services)(roles=[ROLE])
    def job(req: func.HttpRequest, app: CallingApp) -> object:
        kept[0].api("Graph").get("/me")
        raise AssertionError("must not be reached")

    @RequiresUser(services)(scopes=["access_as_user"])
    def me(req: func.HttpRequest, user: User) -> object:
        kept.append(user)
        inner = reply_of(job, req=request(lab.stack.issue_app_token(roles=(ROLE,))))
        outcome.append(body_of(inner)["code"])
        return "done"

    assert reply_of(me, req=request(lab.stack.issue_access_token("alice"))).status_code == 200
    assert outcome == ["internal_error"]
