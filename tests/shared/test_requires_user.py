"""The decorator: which callers get in, what the function gets, what its result becomes, and what the host sees."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

import azure.functions as func
import pytest

from shared import AsyncUser, Forbidden, User
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.lab import Lab, finish_background_work


def request(token: str | None = None, headers: Mapping[str, str] | None = None, body: bytes = b"") -> func.HttpRequest:
    own = {"Authorization": f"Bearer {token}"} if token else {}
    return func.HttpRequest("GET", "http://localhost/api/x", headers={**own, **(headers or {})}, body=body)


@pytest.fixture
def requires_user(lab: Lab) -> RequiresUser:
    return RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))


def body_of(reply: func.HttpResponse) -> Any:
    return json.loads(reply.get_body())


def test_the_function_is_handed_the_user(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user()
    def hello(req: func.HttpRequest, user: User) -> object:
        return {"name": user.name}

    reply = hello(req=request(lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply)) == (200, {"name": "Alice Ahlberg"})


def test_a_function_that_needs_no_user_need_not_take_one(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user()
    def hello(req: func.HttpRequest) -> str:
        return str(req.method)

    assert hello(req=request(lab.stack.issue_access_token("alice"))).get_body() == b"GET"
    assert hello(req=request()).status_code == 401


def test_a_known_token_with_anything_around_it_is_no_token(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user()
    def hello(req: func.HttpRequest) -> str:
        return "hello"

    @requires_user()
    async def hello_async(req: func.HttpRequest) -> str:
        return "hello"

    token = lab.stack.issue_access_token("alice")
    for _ in range(2):
        assert hello(req=request(token)).status_code == 200
    for text in (
        f"{token} ",
        f"{token}, Bearer {token}",
        f"{token},{token}",
        f'"{token}"',
        f"{token}\u00e9",
        f"{token}\n",
    ):
        replies = [hello(req=request(text)), asyncio.run(hello_async(req=request(text)))]
        assert [(reply.status_code, body_of(reply)["code"]) for reply in replies] == [(401, "missing_token")] * 2
    for text in (f"{token}=", f"{token}~", token[:-1], token.swapcase()):
        replies = [hello(req=request(text)), asyncio.run(hello_async(req=request(text)))]
        assert [(reply.status_code, body_of(reply)["code"]) for reply in replies] == [(401, "invalid_token")] * 2


def test_an_async_function_awaits_and_does_not_block_the_loop(lab: Lab, requires_user: RequiresUser) -> None:
    """Ten calls on one event loop wait for each other at Graph. If one blocked the loop, the tenth would never come."""
    loops: set[int] = set()

    @requires_user()
    async def me(req: func.HttpRequest, user: AsyncUser) -> object:
        loops.add(threading.get_ident())
        response = await user.api("Graph").get("/me?$select=displayName")
        return response.json()["displayName"]

    tokens = [lab.stack.issue_access_token("alice") for _ in range(10)]
    lab.stack.faults.add("graph", delay=0.3)

    async def ticks(stop: asyncio.Event) -> int:
        count = 0
        while not stop.is_set():
            await asyncio.sleep(0.01)
            count += 1
        return count

    async def together() -> tuple[list[func.HttpResponse], int]:
        stop = asyncio.Event()
        ticking = asyncio.ensure_future(ticks(stop))
        replies = await asyncio.gather(*(me(req=request(token)) for token in tokens))
        stop.set()
        return list(replies), await ticking

    replies, ticked = asyncio.run(together())
    assert [reply.get_body() for reply in replies] == [b"Alice Ahlberg"] * 10
    assert loops == {threading.get_ident()}
    assert ticked >= 5


def test_an_async_user_has_a_token_to_await(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user()
    async def length(req: func.HttpRequest, user: AsyncUser) -> object:
        return {"long": len(await user.token("Graph")) > 500}

    assert body_of(asyncio.run(length(req=request(lab.stack.issue_access_token("alice"))))) == {"long": True}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic YWxpY2U6aHVudGVyMg==",
        "Bearer a b",
        "Bearer a,Bearer b",
        "Bearer tök",
        "Bearer \x00",
        "bearer",
        "Token abc",
        "Bearer a\r\nX: y",
        "Bearer =abc",
    ],
)
def test_without_a_usable_authorization_header_401_and_no_error_code(
    requires_user: RequiresUser, header: str | None
) -> None:
    @requires_user()
    def hello(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    reply = hello(req=request(headers={"Authorization": header} if header is not None else {}))
    assert reply.status_code == 401
    assert body_of(reply)["code"] == "missing_token"
    assert reply.headers["WWW-Authenticate"].startswith('Bearer realm="')
    assert "error" not in reply.headers["WWW-Authenticate"]


def test_the_scheme_is_read_without_regard_to_case(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user()
    def hello(req: func.HttpRequest, user: User) -> object:
        return "ok"

    token = lab.stack.issue_access_token("alice")
    assert hello(req=request(headers={"Authorization": f"bEARER  {token}"})).status_code == 200


@pytest.mark.parametrize("scopes", [("access_as_user",), ("other", "access_as_user"), None])
def test_any_of_the_scopes_suffices(lab: Lab, requires_user: RequiresUser, scopes: tuple[str, ...] | None) -> None:
    @requires_user(scopes=scopes)
    def hello(req: func.HttpRequest, user: User) -> object:
        return "ok"

    assert hello(req=request(lab.stack.issue_access_token("alice"))).status_code == 200


@pytest.mark.parametrize("scope", ["Access_As_User", "access_as_user2", "access", "other"])
def test_a_genuine_token_without_the_scope_is_403_naming_it(lab: Lab, requires_user: RequiresUser, scope: str) -> None:
    @requires_user(scopes=[scope])
    def hello(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    reply = hello(req=request(lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply)["code"]) == (403, "insufficient_scope")
    assert f'error="insufficient_scope", scope="{scope}"' in reply.headers["WWW-Authenticate"]


ROLES_OF_TOKENS = {
    "none": None,
    "another": ["Orders.Reader"],
    "in another case": ["orders.manager"],
    "text": "Orders.Manager",
}


@pytest.mark.parametrize("case", ROLES_OF_TOKENS)
def test_a_user_without_the_role_is_403_naming_it(lab: Lab, requires_user: RequiresUser, case: str) -> None:
    @requires_user(roles=["Orders.Manager", "Orders.Auditor"])
    def hello(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    roles: Any = ROLES_OF_TOKENS[case]
    reply = hello(req=request(lab.stack.issue_access_token("alice", roles=roles)))
    assert (reply.status_code, body_of(reply)["code"]) == (403, "insufficient_role")
    assert body_of(reply)["roles"] == ["Orders.Manager", "Orders.Auditor"]
    assert "WWW-Authenticate" not in reply.headers


@pytest.mark.parametrize("role", ["Orders.Manager", "Orders.Auditor"])
def test_any_of_the_roles_suffices_together_with_the_scope(lab: Lab, requires_user: RequiresUser, role: str) -> None:
    @requires_user(scopes=["access_as_user"], roles=["Orders.Manager", "Orders.Auditor"])
    def hello(req: func.HttpRequest, user: User) -> object:
        return user.roles

    roles: Any = [role]
    reply = hello(req=request(lab.stack.issue_access_token("alice", roles=roles)))
    assert (reply.status_code, body_of(reply)) == (200, [role])


def test_a_role_is_not_a_scope_nor_a_scope_a_role(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user(scopes=["Orders.Manager"])
    def by_scope(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    @requires_user(roles=["access_as_user"])
    def by_role(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    roles: Any = ["Orders.Manager"]
    token = lab.stack.issue_access_token("alice", roles=roles)
    assert body_of(by_scope(req=request(token)))["code"] == "insufficient_scope"
    assert body_of(by_role(req=request(token)))["code"] == "insufficient_role"


@pytest.mark.parametrize("roles", ["Orders.Manager", [], [1], (), set(), {}, False, 0, iter(()), iter([1]), [""]])
def test_roles_are_a_list_with_one_or_more(requires_user: RequiresUser, roles: Any) -> None:
    with pytest.raises(TypeError, match="one role or more"):
        requires_user(roles=roles)


@pytest.mark.parametrize("form", [tuple, set, iter], ids=["tuple", "set", "iterator"])
def test_roles_are_asked_for_in_whatever_form_they_come(
    lab: Lab, requires_user: RequiresUser, form: Callable[[list[str]], Any]
) -> None:
    @requires_user(scopes=form(["access_as_user"]), roles=form(["Orders.Manager"]), prefetch=form(["Graph"]))
    def hello(req: func.HttpRequest, user: User) -> object:
        return None

    without, role = lab.stack.issue_access_token("alice"), cast(Any, ["Orders.Manager"])
    assert body_of(hello(req=request(without)))["code"] == "insufficient_role"
    mark = lab.stack.audit.mark()
    assert hello(req=request(lab.stack.issue_access_token("alice", roles=role))).status_code == 204
    finish_background_work()
    assert len(lab.exchanges(mark)) == 1


def test_a_function_without_any_scope_is_closed_and_reported(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    provider = LazyServices(lab.environ(AzureAd__Scopes=None))

    @RequiresUser(provider)()
    def hello(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    assert "AzureAd__Scopes is missing, and hello names no scopes of its own" in caplog.text
    assert list(provider.problems()) == ["AzureAd__Scopes"]
    reply = hello(req=request(lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply)["code"]) == (500, "server_misconfigured")


@pytest.mark.parametrize("scopes", [[], ()])
def test_an_empty_list_of_scopes_lets_nobody_in(lab: Lab, scopes: list[str]) -> None:
    provider = LazyServices(lab.environ())

    @RequiresUser(provider)(scopes=scopes)
    def hello(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    assert hello(req=request(lab.stack.issue_access_token("alice"))).status_code == 500


def test_wrong_settings_are_logged_by_name_and_close_every_function(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    provider = LazyServices(lab.environ(AzureAd__TenantId="<your tenant>", DownstreamApis__Graph__Scopes=None))

    @RequiresUser(provider)()
    def hello(req: func.HttpRequest, user: User) -> object:
        raise AssertionError("must not run")

    named = {record.getMessage().split()[1] for record in caplog.records if record.levelno == logging.ERROR}
    assert named == {"AzureAd__TenantId", "DownstreamApis__Graph__Scopes"}
    reply = hello(req=request(lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply)["code"]) == (500, "server_misconfigured")
    assert "AzureAd" not in reply.get_body().decode()


def test_the_wrong_order_of_decorators_fails_at_once(requires_user: RequiresUser) -> None:
    app = func.FunctionApp()
    with pytest.raises(TypeError, match=r"below @app\.route"):

        @requires_user()
        @app.route("open")
        def open_door(req: func.HttpRequest) -> str:
            return "never"


def test_forgotten_parentheses_are_told_how_to_write_it(requires_user: RequiresUser) -> None:
    with pytest.raises(TypeError, match="write @requires_user"):

        @requires_user
        def hello(req: func.HttpRequest, user: User) -> object:
            return None


@pytest.mark.parametrize("argument", ["access_as_user", b"access", [None], ["a", 1]])
def test_the_ways_to_misuse_it_fail_at_once(requires_user: RequiresUser, argument: Any) -> None:
    with pytest.raises(TypeError, match="write @requires_user"):
        requires_user(scopes=argument)


def test_what_the_function_raises_is_its_reply(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user()
    def hello(req: func.HttpRequest, user: User) -> object:
        raise Forbidden("Only on Mondays.")

    reply = hello(req=request(lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply)["detail"]) == (403, "Only on Mondays.")


def test_a_bug_in_the_function_is_a_500_that_tells_nothing(lab: Lab, requires_user: RequiresUser) -> None:
    @requires_user()
    def hello(req: func.HttpRequest, user: User) -> object:
        return {"a": 1}["b"]

    reply = hello(req=request(lab.stack.issue_access_token("alice")))
    assert (reply.status_code, body_of(reply)["code"]) == (500, "internal_error")


def test_the_host_sees_the_authors_function_less_user(requires_user: RequiresUser) -> None:
    @requires_user()
    def annotated(req: func.HttpRequest, context: func.Context, user: User) -> object:
        """What it is for."""
        return None

    assert list(inspect.signature(annotated).parameters) == ["req", "context"]
    assert inspect.get_annotations(annotated)["req"] is func.HttpRequest
    assert (annotated.__name__, annotated.__doc__) == ("annotated", "What it is for.")
    assert not hasattr(annotated, "__wrapped__")
    assert not inspect.iscoroutinefunction(annotated)


def test_an_async_function_is_seen_as_one(requires_user: RequiresUser) -> None:
    @requires_user()
    async def hello(req: func.HttpRequest, user: AsyncUser) -> object:
        return None

    assert inspect.iscoroutinefunction(hello)


@pytest.mark.parametrize("name", ["c0", "c100", "C1", "1", "c", "c1 ", "c1\n", "c01", ""])
def test_what_is_no_authentication_context_is_refused_where_it_is_declared(
    requires_user: RequiresUser, name: str
) -> None:
    with pytest.raises(TypeError, match='one of "c1" to "c99"'):
        requires_user(auth_context=name)


@pytest.mark.parametrize("name", ["c1", "c9", "c10", "c99"])
def test_c1_to_c99_are_authentication_contexts(requires_user: RequiresUser, name: str) -> None:
    assert callable(requires_user(auth_context=name))


def test_declaring_a_function_begins_to_load_the_libraries(lab: Lab) -> None:
    begun: list[LazyServices] = []

    class Noted(LazyServices):
        def preload(self) -> None:
            begun.append(self)

    provider = Noted(lab.environ())

    @RequiresUser(provider)()
    def hello(req: func.HttpRequest) -> str:
        return ""

    assert begun == [provider]
