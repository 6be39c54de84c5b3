"""Tools: which functions may be one, what a model is told of their arguments, and what the function is handed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, Required, TypedDict, Union

import azure.functions as func
import pydantic
import pytest

from emulators.stack import Stack
from shared import AsyncUser, McpServer, User
from shared.mcp.server import MAX_TOOLS
from shared.mcp.tool import Tool
from shared.mcp.values import WrongValue, form_of
from shared.requires_user import RequiresUser
from shared.services import LazyServices
from tests.support.clock import RunningClock
from tests.support.lab import Lab

from .mcp_client import McpClient, error_of, result_of


class Color(Enum):
    RED = "red"
    ONE = 1


class Item(TypedDict):
    name: str
    note: NotRequired[Annotated[str, "For the packer"]]


class Loose(TypedDict, total=False):
    name: Required[str]
    count: int


@dataclass
class Line:
    item: str
    count: int = 1
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"secret text {self.count}")


@dataclass
class Order:
    lines: list[Line]
    by: Item


@dataclass
class Tree:
    children: list[Tree]


class Model(pydantic.BaseModel):
    name: str
    count: int = 1


class Holder(pydantic.BaseModel):
    inner: Model


Kilos = NewType("Kilos", float)
LINE = {
    "type": "object",
    "properties": {
        "item": {"type": "string"},
        "count": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["item"],
    "additionalProperties": False,
}
ITEM = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "note": {"type": "string", "description": "For the packer"}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (list, {"type": "array"}),
        (dict, {"type": "object"}),
        (None, {"type": "null"}),
        (object, {}),
        (Any, {}),
        (Kilos, {"type": "number"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a", 1, None], {"enum": ["a", 1, None]}),
        (Color, {"enum": ["red", 1]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045 — as people write it, too
        (Union[int, str], {"anyOf": [{"type": "integer"}, {"type": "string"}]}),  # noqa: UP007
        (Annotated[str, "What"], {"type": "string", "description": "What"}),
        (Item, ITEM),
        (Line, LINE),
        (
            Loose,
            {
                "type": "object",
                "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
                "required": ["name"],
                "additionalProperties": False,
            },
        ),
        (
            Order,
            {
                "type": "object",
                "properties": {"lines": {"type": "array", "items": LINE}, "by": ITEM},
                "required": ["lines", "by"],
                "additionalProperties": False,
            },
        ),
    ],
    ids=str,
)
def test_a_type_has_a_schema(hint: Any, schema: dict[str, Any]) -> None:
    assert form_of(hint).schema == schema


@pytest.mark.parametrize(
    ("hint", "given", "value"),
    [
        (str, "", ""),
        (int, 3, 3),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (bool, False, False),
        (object, {"a": [1]}, {"a": [1]}),
        (Kilos, 2.5, 2.5),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (dict[str, list[int]], {"a": [1]}, {"a": [1]}),
        (Literal["a", 1], 1, 1),
        (Literal[True, 1], True, True),
        (Color, "red", Color.RED),
        (Color, 1, Color.ONE),
        (int | None, None, None),
        (int | str, "3", "3"),
        (Item, {"name": "tea"}, {"name": "tea"}),
        (Loose, {"name": "tea", "count": 2.0}, {"name": "tea", "count": 2}),
        (Line, {"item": "tea"}, Line("tea", 1, [])),
        (
            Order,
            {"lines": [{"item": "tea", "tags": ["a"]}], "by": {"name": "Ann"}},
            Order([Line("tea", 1, ["a"])], {"name": "Ann"}),
        ),
        (Model, {"name": "tea"}, Model(name="tea")),
    ],
    ids=str,
)
def test_a_json_value_becomes_the_type(hint: Any, given: object, value: object) -> None:
    read = form_of(hint).read(given)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("hint", "given", "why"),
    [
        (str, 3, "must be a text"),
        (str, None, "must be a text"),
        (int, True, "must be an integer"),
        (int, "3", "must be an integer"),
        (int, 3.5, "must be an integer"),
        (float, False, "must be a number"),
        (float, 10**400, "must be a number"),
        (bool, 1, "must be true or false"),
        (list, {}, "must be an array"),
        (dict, [], "must be an object"),
        (list[int], [1, "x"], "[1] must be an integer"),
        (dict[str, int], {"a": "x"}, "a must be an integer"),
        (Literal["a", 1, None, True], "c", "must be one of a, 1, null, true"),
        (Literal[1], True, "must be one of 1"),
        (Literal[1], [], "must be one of 1"),
        (Color, "RED", "must be one of red, 1"),
        (int | None, "x", "must be an integer or must be null"),
        (Item | None, {"name": 1}, "name must be a text"),
        (Item, {}, "name is missing"),
        (Item, {"name": "a", "price": 1}, "price is unknown here; there are: name, note"),
        (Item, [], "must be an object"),
        (Line, {"item": "tea", "count": 0}, "is not a valid Line"),
        (Order, {"lines": [{"item": "tea"}, {"item": 1}], "by": {"name": "Ann"}}, "lines[1].item must be a text"),
        (Model, {"name": ["x"]}, "name does not fit Model"),
        (Model, 5, "does not fit Model"),
    ],
    ids=str,
)
def test_a_wrong_value_is_named_by_its_place_alone(hint: Any, given: object, why: str) -> None:
    with pytest.raises(WrongValue) as wrong:
        form_of(hint).read(given)
    assert str(wrong.value) == why


def no_docstring(a: str) -> str:
    return a


def with_rest(*rest: str) -> None:
    """Has no names."""


def with_keywords(**rest: str) -> None:
    """Has no names."""


def positional(a: str, /) -> None:
    """Cannot be called by name."""


def untyped(a) -> None:  # type: ignore[no-untyped-def]
    """Has no type."""


def other_name(caller: User) -> None:
    """Names the user otherwise."""


def async_user_in_def(user: AsyncUser) -> None:
    """Would get a coroutine."""


async def user_in_async_def(user: User) -> None:
    """Would block."""


def text_as_user(user: str) -> None:
    """A model would choose who the user is."""


def untyped_user(user) -> None:  # type: ignore[no-untyped-def]
    """Does not say."""


def generator() -> Iterator[int]:
    """Has no result."""
    yield 1


async def async_generator() -> AsyncIterator[int]:
    """Has no result."""
    yield 1


def a_name_that_is_much_longer_than_the_sixty_four_characters_allowed() -> None:
    """Too long."""


def größe() -> None:
    """Not ASCII."""


def takes(hint: Any) -> Callable[..., object]:
    def tool(value: Any) -> None:
        """Takes one value."""

    tool.__annotations__ = {"value": hint}
    return tool


def with_unknown_type(value: str) -> None:
    """Its type exists for type checkers alone."""


with_unknown_type.__annotations__ = {"value": "OnlyForTypeCheckers"}


class Service:
    def method(self, a: str) -> None:
        """Needs an object."""


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (no_docstring, "it has no docstring; write one"),
        (with_rest, "rest is not passed by name; write each argument of its own"),
        (with_keywords, "rest is not passed by name; write each argument of its own"),
        (positional, "a is not passed by name; write each argument of its own, without *, ** and /"),
        (untyped, "the argument a has no type; write one, such as a: str"),
        (other_name, "rename caller to user"),
        (async_user_in_def, "a tool with def gets a User; write user: User"),
        (user_in_async_def, "a tool with async def gets an AsyncUser; write user: AsyncUser"),
        (text_as_user, "a tool with def gets a User; write user: User"),
        (untyped_user, "a tool with def gets a User; write user: User"),
        (generator, "return the whole result"),
        (async_generator, "return the whole result"),
        (lambda: 1, "a tool has a name of letters, digits and _, 64 at most; rename it"),
        (a_name_that_is_much_longer_than_the_sixty_four_characters_allowed, "64 at most; rename it"),
        (größe, "letters, digits and _"),
        (Service.method, "move it out of the class"),
        (Service().method, "directly above a def or an async def"),
        (with_unknown_type, "import each of them at the top of the module"),
        (takes(date), "a tool cannot take date; use str, int, float"),
        (takes(bytes), "a tool cannot take bytes; use"),
        (takes(tuple[int, int]), "a tool cannot take tuple[int, int]; use"),
        (takes(set[int]), "a tool cannot take set[int]; use"),
        (takes(list[Path]), "a tool cannot take Path; use"),
        (takes(Mapping[str, int]), "use str, int, float, bool, list, dict"),
        (takes(Callable[[], int]), "use str, int, float, bool, list, dict"),
        (takes(func.HttpRequest), "a tool cannot take HttpRequest; use"),
        (takes(dict[int, str]), "write dict[str, …]"),
        (takes(Literal[b"a"]), "the values of a Literal or an Enum are str, int, float, bool or None"),
        (takes(Annotated[str, 5]), "Annotated has one text here, the description"),
        (takes(Annotated[str, "a", "b"]), "Annotated has one text here, the description"),
        (takes(Annotated[str, {}]), "Annotated has one text here, the description"),
        (takes(Tree), "Tree contains itself; use"),
        (takes(Holder), "Holder has another model in it; write a TypedDict or a dataclass"),
        (takes(User | None), "a tool cannot take User; use"),
    ],
    ids=str,
)
def test_a_function_that_cannot_be_a_tool_says_what_to_do(function: Any, words: str) -> None:
    with pytest.raises(TypeError) as refused:
        McpServer("notes").tool(function)
    assert words in str(refused.value)


def test_the_refusal_names_the_function_and_its_line() -> None:
    line = no_docstring.__code__.co_firstlineno
    with pytest.raises(TypeError, match=rf"^no_docstring \(test_mcp_tools\.py, line {line}\): "):
        McpServer("notes").tool(no_docstring)


def greet(who: str) -> str:
    """Greets somebody."""
    return f"Hello, {who}"


def wave_at(who: str) -> str:
    """Waves at somebody."""
    return f"o/ {who}"


async def wave() -> str:
    """Waves."""
    return "o/"


def test_a_server_refuses_what_its_clients_could_not_tell_apart_or_call() -> None:
    tools = McpServer("notes")
    assert tools.tool(greet) is greet
    greeting: str = tools.tool(scopes=["Notes.Read"])(wave_at)(who="Ann")  # mypy: the function keeps its type
    assert greeting == "o/ Ann"
    with pytest.raises(TypeError, match="a tool of this name exists already; rename one of them"):
        tools.tool(greet)
    with pytest.raises(TypeError, match="are all def or all async def"):
        tools.tool(wave)
    for number in range(MAX_TOOLS - 2):
        more = takes(str)
        more.__name__ = f"tool_{number}"
        tools.tool(more)
    with pytest.raises(TypeError, match=f"one server has {MAX_TOOLS} tools at most"):
        tools.tool(takes(int))


@pytest.mark.parametrize("scopes", [None, "Orders.Write", [], [""], [5]], ids=str)
def test_scopes_are_a_list_of_names(scopes: Any) -> None:
    with pytest.raises(TypeError, match=r'write @tools\.tool or @tools\.tool\(scopes=\["…"\]\)'):
        McpServer("notes").tool(scopes=scopes)


def test_a_guarded_function_is_no_tool(lab: Lab) -> None:
    @RequiresUser(LazyServices(lab.environ()))()
    def guarded(req: func.HttpRequest, user: User) -> str:
        """An endpoint."""
        return user.name

    with pytest.raises(TypeError, match="@requires_user belongs above the function of the endpoint"):
        McpServer("notes").tool(guarded)


def test_origins_are_a_list() -> None:
    with pytest.raises(TypeError, match=r'allowed_origins=\["https://…"\]'):
        McpServer("notes", allowed_origins="https://app.contoso.com")


def test_a_default_is_shown_if_json_has_it() -> None:
    def tool(a: str = "x", b: Color = Color.RED, c: int | None = None, d: Annotated[int, "How many"] = 2) -> None:
        """Has defaults."""

    shown = Tool(tool, ()).described()["inputSchema"]
    assert shown["required"] == []
    properties = shown["properties"]
    assert properties["a"] == {"type": "string", "default": "x"}
    assert properties["d"] == {"type": "integer", "description": "How many", "default": 2}
    assert "default" not in properties["b"]
    assert "default" not in properties["c"]
    assert "default" not in form_of(str).schema


Made = Callable[..., McpClient]


@pytest.fixture(scope="module")
def requires_user(_tenant: tuple[Stack, RunningClock]) -> RequiresUser:
    """One for all these tests: none of them changes the tenant."""
    stack, clock = _tenant
    return RequiresUser(LazyServices(stack.environ("api"), now=clock, sleep=clock.forward))


@pytest.fixture
def made(lab: Lab, requires_user: RequiresUser) -> Made:
    """Makes a client of the endpoint of these tools."""

    def make(*functions: Callable[..., Any], person: str = "alice") -> McpClient:
        tools = McpServer("notes")
        for function in functions:
            tools.tool(function)
        is_async = any(map(asyncio.iscoroutinefunction, functions))

        def mcp(req: func.HttpRequest, user: User) -> func.HttpResponse:
            return tools.handle(req, user)

        async def async_mcp(req: func.HttpRequest, user: AsyncUser) -> func.HttpResponse:
            return await tools.handle(req, user)

        endpoint = requires_user()(async_mcp if is_async else mcp)
        return McpClient(endpoint, lab.stack.issue_access_token(person))

    return make


def test_a_tool_gets_its_arguments_and_the_user_of_the_token(made: Made) -> None:
    def note(user: User, text: str, line: Line | None = None) -> object:
        """Writes a note."""
        return {"by": user.name, "text": text, "line": line}

    client = made(note, person="olga")
    whole = result_of(client.call("note", {"text": "é", "line": {"item": "tea"}}))
    assert whole["content"] == [
        {"type": "text", "text": '{"by":"Olga Olsen","text":"é","line":{"item":"tea","count":1,"tags":[]}}'}
    ]
    assert whole["structuredContent"]["line"] == {"item": "tea", "count": 1, "tags": []}


@pytest.mark.parametrize("user", ["maya", {"name": "maya"}, None])
def test_a_model_cannot_say_who_the_user_is(made: Made, user: object) -> None:
    ran: list[str] = []

    def who(user: User) -> str:
        """Who the user is."""
        ran.append(user.name)
        return user.name

    refused = error_of(made(who).call("who", {"user": user}))
    assert (refused["code"], refused["detail"]) == (
        "bad_request",
        "Wrong arguments: user is unknown here; there are: none.",
    )
    assert ran == []


@pytest.mark.parametrize(
    ("arguments", "detail"),
    [
        ({}, "Wrong arguments: who is missing."),
        ({"who": 5}, "Wrong arguments: who must be a text."),
        ({"who": "a", "x" * 1000: 1}, f"Wrong arguments: {'x' * 60} is unknown here; there are: who."),
        ([], "Wrong arguments: must be an object."),
        ("who", "Wrong arguments: must be an object."),
    ],
    ids=str,
)
@pytest.mark.parametrize("modern", [False, True])
def test_wrong_arguments_are_a_result_that_a_model_can_correct(
    made: Made, arguments: Any, detail: str, modern: bool
) -> None:
    refused = error_of(made(greet).call("greet", arguments, modern=modern))
    assert (refused["status"], refused["code"], refused["detail"]) == (400, "bad_request", detail)


async def profile(user: AsyncUser) -> object:
    """The profile of the user."""
    return await user.api("Graph").get("/me?$select=displayName")


def test_an_async_tool_is_awaited(made: Made) -> None:
    whole = result_of(made(profile).call("profile"))
    assert whole["structuredContent"]["displayName"] == "Alice Ahlberg"
    assert json.loads(whole["content"][0]["text"])["displayName"] == "Alice Ahlberg"


def test_a_server_without_async_tools_fails_loudly_in_an_async_endpoint(lab: Lab) -> None:
    tools = McpServer("notes")
    tools.tool(greet)

    @RequiresUser(LazyServices(lab.environ(), now=lab.clock))()
    async def mcp(req: func.HttpRequest, user: AsyncUser) -> func.HttpResponse:
        return await tools.handle(req, user)

    reply = McpClient(mcp, lab.stack.issue_access_token("alice")).call("greet", {"who": "Ann"})
    assert (reply.status_code, json.loads(reply.get_body())["code"]) == (500, "internal_error")


class Plain:
    pass


@pytest.mark.parametrize(
    ("returned", "content", "structured"),
    [
        (None, [], None),
        ("", [], None),
        ("plain", "plain", None),
        (5, "5", None),
        ([1, "é"], '[1,"é"]', None),
        ({}, "{}", {}),
        ({1: date(2026, 1, 2)}, '{"1":"2026-01-02"}', {"1": "2026-01-02"}),
        (date(2026, 1, 2), "2026-01-02", None),
        (Line("tea"), '{"item":"tea","count":1,"tags":[]}', {"item": "tea", "count": 1, "tags": []}),
        ({"half": "\ud83d"}, '{"half":"\ud83d"}', {"half": "\ud83d"}),
    ],
    ids=repr,
)
def test_what_a_tool_returns_becomes_text(made: Made, returned: Any, content: Any, structured: Any) -> None:
    def give() -> object:
        """Gives it."""
        return returned

    whole = result_of(made(give).call("give"))
    assert whole["content"] == ([{"type": "text", "text": content}] if isinstance(content, str) else content)
    assert whole.get("structuredContent") == structured


@pytest.mark.parametrize("returned", [Plain(), float("nan"), func.HttpResponse("x"), {"a": Plain()}], ids=repr)
def test_what_has_no_form_is_an_error_without_details(made: Made, returned: object) -> None:
    def give() -> object:
        """Gives it."""
        return returned

    refused = error_of(made(give).call("give"))
    assert (refused["code"], refused["detail"]) == ("internal_error", "Something went wrong on the server.")
