"""Functions with @requires_user: each works, or is refused by name where it is declared."""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Optional, Union

import azure.functions as func
import pytest

from shared import AsyncUser, User
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.shared.guarded import body_of, reply_of, request
from tests.support.lab import Lab

if TYPE_CHECKING:
    from nowhere import Nothing  # type: ignore[import-not-found]


@pytest.fixture
def requires_user(lab: Lab) -> RequiresUser:
    return RequiresUser(LazyServices(lab.environ(), now=lab.clock, sleep=lab.clock.forward))


@pytest.fixture
def token(lab: Lab) -> str:
    return lab.stack.issue_access_token("alice")


def undecided(decorated: Callable[..., Any]) -> Callable[..., Any]:
    """A usual decorator: a plain function around the given one."""

    @functools.wraps(decorated)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return decorated(*args, **kwargs)

    return wrapper


def forms() -> dict[str, Callable[..., Any]]:
    """Functions that work. Each returns the user's name."""

    def plain(req: func.HttpRequest, user: User) -> object:
        return {"name": user.name}

    async def awaited(req: func.HttpRequest, user: AsyncUser) -> object:
        return {"name": user.name}

    def rest(req: func.HttpRequest, user: User, **rest: Any) -> object:
        assert rest == {}
        return {"name": user.name}

    def arguments(req: func.HttpRequest, *args: Any, user: User) -> object:
        assert args == ()
        return {"name": user.name}

    def all_in_rest(req: func.HttpRequest, **rest: Any) -> object:
        assert list(rest) == ["user"]
        return {"name": rest["user"].name}

    def untyped(req, user):  # type: ignore[no-untyped-def]
        return {"name": user.name}

    def with_default(req: func.HttpRequest, user: Optional[User] = None) -> object:  # noqa: UP045
        assert user is not None
        return {"name": user.name}

    def either(req: func.HttpRequest, user: Union[User, AsyncUser]) -> object:  # noqa: UP007
        return {"name": user.name}

    @functools.wraps(functools.partial(plain))
    def wrapping_an_object(req: func.HttpRequest, user: User) -> object:
        return plain(req, user)

    wrapping_an_object.__name__ = "wrapping_an_object"

    def for_type_checkers_only(req: Nothing, user: User) -> object:
        return {"name": user.name}

    return {
        "plain": plain,
        "awaited": awaited,
        "rest": rest,
        "arguments": arguments,
        "all_in_rest": all_in_rest,
        "untyped": untyped,
        "with_default": with_default,
        "either": either,
        "wrapping_an_object": wrapping_an_object,
        "for_type_checkers_only": for_type_checkers_only,
        "decorated": undecided(plain),
        "decorated_async": undecided(awaited),
    }


@pytest.mark.parametrize("form", forms())
def test_a_form_that_works_by_name_and_by_position(requires_user: RequiresUser, token: str, form: str) -> None:
    guarded = requires_user()(forms()[form])
    by_the_worker = reply_of(guarded, req=request(token), context=SimpleNamespace(trace_context=None))
    for reply in (by_the_worker, reply_of(guarded, req=request(token)), reply_of(guarded, request(token))):
        assert (reply.status_code, body_of(reply), reply.mimetype) == (
            200,
            {"name": "Alice Ahlberg"},
            "application/json",
        )
    refusal = reply_of(guarded, request())
    assert (refusal.status_code, body_of(refusal)["code"]) == (401, "missing_token")
    assert refusal.headers["WWW-Authenticate"].startswith("Bearer realm=")


@pytest.mark.parametrize("form", forms())
def test_the_host_sees_the_request_and_the_context_alone(requires_user: RequiresUser, form: str) -> None:
    guarded = requires_user()(forms()[form])
    assert list(inspect.signature(guarded).parameters) == ["req", "context"]
    assert inspect.get_annotations(guarded)["return"] is func.HttpResponse


def test_microsofts_pattern_for_unit_tests(requires_user: RequiresUser, token: str) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-reference-python#unit-testing"""
    app = func.FunctionApp()

    @app.route("me")
    @requires_user()
    def me(req: func.HttpRequest, context: func.Context, user: User) -> object:
        return {"name": user.name, "context": str(context)}

    function = me.build().get_user_function()
    assert body_of(function(request(token), "its context")) == {"name": "Alice Ahlberg", "context": "its context"}


def test_a_user_cannot_be_passed_in(requires_user: RequiresUser, token: str) -> None:
    guarded = requires_user()(forms()["plain"])
    for positional, named in (((request(token), "mallory"), {}), ((request(token),), {"user": "mallory"})):
        with pytest.raises(TypeError, match=r"plain\(\) takes req; its user comes from the access token alone"):
            guarded(*positional, **named)
    with pytest.raises(TypeError, match=r"plain\(\) got multiple values for req"):
        guarded(request(token), req=request(token))


def validate_http(decorated: Callable[..., Any]) -> Callable[..., Any]:
    """As `@validate_http(body=…)` of azure-functions-validation 0.16 calls what is below it: request by position."""
    parameters = inspect.signature(decorated).parameters
    assert next(iter(parameters)) == "req"

    def wrapper(req: Any = None, **named: Any) -> Any:
        return decorated(req, **{**named, "body": json.loads(req.get_body())})

    visible = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in parameters.values() if p.name != "body"]
    wrapper.__name__, wrapper.__signature__ = decorated.__name__, inspect.Signature(visible)  # type: ignore[attr-defined]
    return wrapper


@pytest.mark.parametrize("above", [True, False])
def test_a_decorator_that_passes_the_request_by_position(requires_user: RequiresUser, token: str, above: bool) -> None:
    def order(req: func.HttpRequest, user: User, body: Any) -> object:
        return {"name": user.name, "item": body["item"]}

    guarded = validate_http(requires_user()(order)) if above else requires_user()(validate_http(order))
    for context in ({}, {"context": SimpleNamespace(trace_context=None)}):
        reply = guarded(req=request(token, body=b'{"item": "pen"}'), **context)
        assert (reply.status_code, body_of(reply)) == (200, {"name": "Alice Ahlberg", "item": "pen"})
    assert guarded(req=request(body=b"{}")).status_code == 401


class Things:
    def method(self, req: func.HttpRequest, user: User) -> object: ...

    def __call__(self, req: func.HttpRequest, user: User) -> object: ...


def refused_forms() -> dict[str, tuple[Any, str]]:
    """A function that cannot work → words of the message."""

    def generator(req: func.HttpRequest, user: User) -> Iterator[str]:
        yield "a"

    async def async_generator(req: func.HttpRequest, user: AsyncUser) -> AsyncIterator[str]:
        yield "a"

    def positional_only(req: func.HttpRequest, /, user: User) -> object: ...

    def no_request(user: User) -> object: ...

    def only_rest(*args: Any, **kwargs: Any) -> object: ...

    async def sync_user(req: func.HttpRequest, user: User) -> object: ...

    def async_user(req: func.HttpRequest, user: AsyncUser) -> object: ...

    def optional(req: func.HttpRequest, user: AsyncUser | None = None) -> object: ...

    def unresolved(req: Nothing, user: Optional[AsyncUser]) -> object: ...  # noqa: UP045

    def plain(req: func.HttpRequest, user: User) -> object: ...

    app = func.FunctionApp()
    return {
        "generator": (generator, "^generator .*yield"),
        "async_generator": (async_generator, "^async_generator .*yield"),
        "positional_only": (positional_only, "^positional_only .*remove the /"),
        "no_request": (no_request, "^no_request .*no parameter for the request"),
        "only_rest": (only_rest, r"^only_rest .*functools\.wraps"),
        "sync_user": (sync_user, "^sync_user .*async def gets an? AsyncUser; annotate user: AsyncUser"),
        "async_user": (async_user, "^async_user .*def gets an? User; annotate user: User"),
        "optional": (optional, "^optional .*annotate user: User"),
        "unresolved": (unresolved, "^unresolved .*annotate user: User"),
        "decorated_sync_user": (undecided(sync_user), "^sync_user .*annotate user: AsyncUser"),
        "lambda": (lambda req, user: None, "^<lambda> .*write def instead of lambda"),
        "method": (Things.method, "^method .*move it out of the class"),
        "bound method": (Things().method, "^method .*not a method"),
        "callable": (Things(), "^Things: .*not a Things"),
        "class": (Things, "^Things: .*not a type"),
        "staticmethod": (staticmethod(plain), "^plain .*not a staticmethod"),
        "classmethod": (
            classmethod(plain),  # type: ignore[arg-type]
            "^plain .*not a classmethod",
        ),
        "partial": (functools.partial(plain), "^plain .*not a partial"),
        "route": (app.route("x")(plain), r"^plain .*below @app\.route"),
        "no trigger": (app.function_name("x")(plain), r"^plain .*below @app\.route"),
    }


@pytest.mark.parametrize("form", refused_forms())
def test_a_form_that_cannot_work_is_refused_by_name(requires_user: RequiresUser, form: str) -> None:
    function, words = refused_forms()[form]
    with pytest.raises(TypeError, match=words) as refusal:
        requires_user()(function)
    if inspect.isfunction(function):
        assert "test_function_forms.py, line " in str(refusal.value)


def test_a_guard_above_a_guard_is_refused(requires_user: RequiresUser) -> None:
    for once in (requires_user()(forms()["plain"]), undecided(requires_user()(forms()["plain"]))):
        with pytest.raises(TypeError, match=r"^plain .*has @requires_user already; keep one, with all its scopes"):
            requires_user(scopes=["other"])(once)


GUARDED = """
@app.route("{route}")
@requires_user()
def list_orders(req, user):
    return []
"""


def test_two_functions_of_one_name_are_refused_with_both_lines(requires_user: RequiresUser, tmp_path: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        run_file(requires_user, tmp_path, GUARDED.format(route="a") + GUARDED.format(route="b"))
    assert str(refusal.value) == (
        "list_orders (function_app.py, line 7): a function of this name is declared in function_app.py, line 2 "
        "already; rename one of them"
    )


@pytest.mark.parametrize(
    "source",
    [
        '@app.function_name("one")' + GUARDED.format(route="a") + GUARDED.format(route="b"),
        GUARDED.format(route="a") + '\n@app.function_name("two")' + GUARDED.format(route="b"),
        "def list_orders(): ...\n" + GUARDED.format(route="a"),
    ],
    ids=["the first is renamed", "the second is renamed", "the first is no function of the app"],
)
def test_one_name_in_python_may_be_two_in_azure(requires_user: RequiresUser, tmp_path: Any, source: str) -> None:
    run_file(requires_user, tmp_path, source)


def test_a_module_that_is_loaded_again_declares_its_functions_again(requires_user: RequiresUser, tmp_path: Any) -> None:
    names = run_file(requires_user, tmp_path, GUARDED.format(route="a"))
    run_file(requires_user, tmp_path, GUARDED.format(route="a"), names)


BEGIN = "@requires_user()\n"
ROUTE_PART = (
    r"^one \(function_app.py, line \d+\): id is a part of the route and no argument; "
    r'remove it, and write {}.route_params\["id"\]$'
)
NO_ARGUMENT = r"^one .*: Azure Functions passes no argument q; remove it, and write req.route_params.*or req.params"
UNBOUND = {
    "a part of the route": ('@app.route("items/{id}")', "def one(req, id: str, user): ...", ROUTE_PART.format("req")),
    "by name": ('@app.route(route="items/{id}")', "def one(req, user, *, id): ...", ROUTE_PART.format("req")),
    "with a constraint": (
        '@app.route("a/{x}/{id:int?}")',
        "async def one(req, user, id=1): ...",
        ROUTE_PART.format("req"),
    ),
    "the rest of the path": ('@app.route("{*id}")', "def one(req, id, user): ...", ROUTE_PART.format("req")),
    "of another trigger name": (
        '@app.route("{id}", trigger_arg_name="request")',
        "def one(request, id, user): ...",
        ROUTE_PART.format("request"),
    ),
    "beside a binding": (
        '@app.route("{id}")\n@app.blob_input("blob", "notes/{id}", CONNECTION)',
        "def one(req, blob: str, id: str, user): ...",
        ROUTE_PART.format("req"),
    ),
    "a part of the query": ('@app.route("items")', "def one(req, q: str, user): ...", NO_ARGUMENT),
    "a route that is a name": ("@app.route(ITEMS)", "def one(req, q: str, user): ...", NO_ARGUMENT),
    "another name for the request": (
        '@app.route("items")',
        "def one(request: func.HttpRequest, user): ...",
        r'^one .*: the request arrives as req; rename request, or write @app.route\(trigger_arg_name="request"\)$',
    ),
}


@pytest.mark.parametrize("form", UNBOUND)
def test_a_parameter_that_gets_no_argument_is_refused(requires_user: RequiresUser, tmp_path: Any, form: str) -> None:
    """Azure would index no function of the app."""
    above, function, words = UNBOUND[form]
    with pytest.raises(TypeError, match=words):
        run_file(requires_user, tmp_path, f"ITEMS = CONNECTION = 'x'\n{above}\n{BEGIN}{function}\n")


BOUND = {
    "an input": ('@app.route("{id}")\n@app.blob_input("id", "notes/{id}", "C")', "def one(req, id: str, user): ..."),
    "an input by name": (
        '@app.route("x")\n@app.blob_input(arg_name="b", path=PATH, connection="C")',
        "def one(req, b: bytes, user): ...",
    ),
    "below the guard": ('@app.route("x")', "@adds_item\ndef one(req, item, user): ..."),
    "an output": (
        '@app.route("x")\n@app.queue_output("out", "queue", "C")',
        "def one(req, out: func.Out[str], user): ...",
    ),
    "an input of any type": (
        '@app.route("x")\n@app.generic_input_binding(arg_name="row", type="sql")',
        "def one(req, row, user): ...",
    ),
    "another name for the request": ('@app.route("x", trigger_arg_name="request")', "def one(request, user): ..."),
    "a name that the source does not show": (
        '@app.route("x")\n@app.blob_input(NAME, "a", "C")',
        "def one(req, b, user): ...",
    ),
    "a list of names": ('@app.route("x")\n@app.blob_input(*["b", "a", "C"])', "def one(req, b, user): ..."),
    "names that the source does not show": ('@app.route("x")\n@app.blob_input(**BLOB)', "def one(req, b, user): ..."),
    "a trigger of that name": ('@app.route("x", trigger_arg_name=NAME)', "def one(b, user): ..."),
    "no route": ("", "def one(req, b, user): ..."),
    "a decorator of one's own": ('@with_blob("c")\n@app.route("x")', "def one(req, c, user): ..."),
}


@pytest.mark.parametrize("form", BOUND)
def test_a_parameter_that_may_get_an_argument_is_not_refused(
    requires_user: RequiresUser, tmp_path: Any, form: str
) -> None:
    above, function = BOUND[form]
    before = """
NAME, PATH, BLOB = "b", "notes/a", {"arg_name": "b", "path": "a", "connection": "C"}
with_blob = lambda name: lambda builder: app.blob_input(name, "a", "C")(builder)
adds_item = lambda function: function
"""
    names = run_file(requires_user, tmp_path, f"{before}{above}\n{BEGIN}{function}\n")
    if above:
        [indexed] = names["app"].get_functions()
        assert indexed.get_function_name() == "one"


def test_a_function_whose_source_is_nowhere_is_not_refused(requires_user: RequiresUser) -> None:
    names: dict[str, Any] = {"requires_user": requires_user, "app": func.FunctionApp()}
    exec(f'@app.route("{{id}}")\n{BEGIN}def one(req, id, user): ...', names)  # noqa: S102 — the test's own text
    assert names["one"].build().get_function_name() == "one"


def run_file(
    requires_user: RequiresUser, folder: Any, source: str, names: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The names of a module with this source; it is a file, because a decorator may read its own."""
    path = folder / "function_app.py"
    path.write_text(source, encoding="utf-8")
    names = {} if names is None else names
    names.update(requires_user=requires_user, func=func, app=func.FunctionApp())
    exec(compile(source, str(path), "exec"), names)  # noqa: S102 — the test's own text
    return names


class StarletteRequest:
    """As a function that streams is annotated and called: with headers, without get_body."""

    headers = ""


StarletteRequest.__module__ = "starlette.requests"


def test_http_streaming_is_refused_with_words(requires_user: RequiresUser, monkeypatch: pytest.MonkeyPatch) -> None:
    def taking(req: StarletteRequest, user: User) -> object: ...

    def returning(req: func.HttpRequest, user: User) -> StarletteRequest:
        return StarletteRequest()

    for function in (taking, returning):
        with pytest.raises(TypeError, match=f"{function.__name__} .*does not support HTTP streaming"):
            requires_user()(function)
    on = SimpleNamespace(HttpV2FeatureChecker=SimpleNamespace(http_v2_enabled=lambda: True))
    monkeypatch.setitem(sys.modules, "azurefunctions.extensions.base", on)
    with pytest.raises(TypeError, match=r"^plain .*leave out azurefunctions-extensions-http-fastapi"):
        requires_user()(forms()["plain"])


@pytest.mark.parametrize(
    "arguments", [(), ("not a request",), (StarletteRequest(),)], ids=["none", "text", "starlette"]
)
def test_a_request_of_another_framework_gets_no_reply(requires_user: RequiresUser, arguments: tuple[Any, ...]) -> None:
    """An HttpResponse would go out with status 200 there, a refusal, too; an exception becomes 500."""
    with pytest.raises(
        TypeError, match=r"plain\(\) was called without .*AsgiFunctionApp, a WsgiFunctionApp or HTTP streaming"
    ):
        requires_user()(forms()["plain"])(*arguments)
