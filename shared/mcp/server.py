"""`McpServer`: the tools of an app, and the response to each request of an MCP client.

Nothing is kept between two requests. The endpoint is a guarded function, so every message comes from a user with a
valid token. A tool gets this user alone, whatever a model writes into its arguments.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar, overload

import azure.functions as func

from ..errors import BadRequest, Forbidden, InsufficientScope
from ..hosting import run_to_end, turn_into_consent_prompt
from ..user import AsyncUser, SignedInUser, User, context_of
from . import protocol
from .protocol import Message, Refusal
from .results import error_of, result_of
from .tool import Tool, refuse
from .values import WrongValue

MAX_TOOLS = 128  # of one server
_CAPABILITIES: dict[str, Any] = {"tools": {}}
_KEPT = ("tools/list", "server/discover")

F = TypeVar("F", bound=Callable[..., object])


class McpServer:
    """Tools for AI agents, as the Model Context Protocol (MCP) describes them. Each acts as the signed-in user.

    Declare tools with `@tools.tool`, and one endpoint that returns `tools.handle(req, user)`.

    Args:
        name: the name that clients show.
        instructions: what a model should know about all tools together.
        version: the version of your tools, which clients show.
        allowed_origins: web pages that may call, such as `https://app.contoso.com`. A browser names its page in the
            header `Origin`. Other programs send no such header, and may always call.
    """

    def __init__(
        self, name: str, *, instructions: str = "", version: str = "1.0.0", allowed_origins: Iterable[str] = ()
    ) -> None:
        if isinstance(allowed_origins, str):
            raise TypeError('write McpServer(…, allowed_origins=["https://…"]), with one origin or more')
        self._info = {"name": name, "version": version}
        self._instructions = {"instructions": instructions} if instructions else {}
        self._origins = frozenset(allowed_origins)
        self._tools: dict[str, Tool] = {}
        self._list = ""  # the tools as JSON text, made at the first request for them

    @overload
    def tool(self, function: F, /) -> F: ...

    @overload
    def tool(self, /, *, scopes: Iterable[str]) -> Callable[[F], F]: ...

    def tool(self, function: F | None = None, /, *, scopes: Iterable[str] | None = None) -> F | Callable[[F], F]:
        """Makes the decorated function a tool, and leaves the function as it is. Write `@tools.tool` without brackets.

        A model reads its name, its docstring, and the types of its parameters. The parameter `user` is no argument of
        the tool: it is the `User` of the request, or the `AsyncUser` for `async def`. What the function returns becomes
        the result: JSON, a text, or the response of a downstream API. What it raises becomes a result that says so.

        Args:
            function: the decorated function. Python passes it where the decorator has no brackets.
            scopes: the access token must hold one of them. Otherwise the client gets 403 with the scopes, and may ask
                the user for a token that has one. By default, the scopes of the endpoint suffice.

        Returns:
            The function itself.

        Raises:
            TypeError: the function cannot be a tool. The text says what to do. It is raised while the app loads.
        """
        if function is not None:
            return self._add(function, ())
        named = tuple(scopes) if scopes is not None and not isinstance(scopes, str) else ()
        if not named or not all(isinstance(scope, str) and scope for scope in named):
            raise TypeError('write @tools.tool or @tools.tool(scopes=["…"]), with one scope or more')
        return lambda below: self._add(below, named)

    @overload
    def handle(self, req: func.HttpRequest, user: User) -> func.HttpResponse: ...

    @overload
    def handle(self, req: func.HttpRequest, user: AsyncUser) -> Awaitable[func.HttpResponse]: ...

    def handle(self, req: func.HttpRequest, user: User | AsyncUser) -> func.HttpResponse | Awaitable[func.HttpResponse]:
        """The response to one request of an MCP client. In an `async def` endpoint, await it.

        Args:
            req: the request of the endpoint. It has a route for `POST`, `GET` and `DELETE`.
            user: the user of the endpoint.

        Raises:
            Forbidden: a web page that is not one of `allowed_origins` calls. 403.
            InsufficientScope: the tool needs another scope. 403.
            TypeError: the tools are `async def` and the endpoint is not, or the reverse.
        """
        response = self._respond(req, user)
        return response if isinstance(user, AsyncUser) else run_to_end(response)

    def _add(self, function: F, scopes: tuple[str, ...]) -> F:
        tool = Tool(function, scopes)
        if tool.name in self._tools:
            refuse(function, "a tool of this name exists already; rename one of them")
        if len(self._tools) == MAX_TOOLS:
            refuse(function, f"one server has {MAX_TOOLS} tools at most; put it into another McpServer")
        if any(other.is_async is not tool.is_async for other in self._tools.values()):
            refuse(function, "the tools of one server are all def or all async def, as its endpoint is")
        self._tools[tool.name] = tool
        self._list = ""
        return function

    async def _respond(self, request: func.HttpRequest, user: SignedInUser) -> func.HttpResponse:
        if "Origin" in request.headers and request.headers["Origin"] not in self._origins:
            raise Forbidden("Web pages of this origin may not call these tools.", reason="Origin is not allowed")
        if request.method != "POST":
            return func.HttpResponse(status_code=405, headers={"Allow": "POST"})
        try:
            message = protocol.read_message(request)
            if message.id is None:
                return func.HttpResponse(status_code=202)
            if message.method == "tools/call":
                return message.reply(await self._call(message, user))
            return message.reply(self._result(message), may_be_kept=message.method in _KEPT)
        except Refusal as refusal:
            return refusal.reply()

    def _result(self, message: Message) -> str:
        """The result of a request that calls no tool, as JSON text. Raises Refusal."""
        if message.method == "tools/list":
            if message.params.get("cursor") is not None:
                raise message.refused(protocol.INVALID_PARAMS, "The list has one page, so there is no cursor.")
            return self._listed()
        if message.method == "server/discover":
            return json.dumps(self._discovered())
        if message.method == "initialize" and not message.is_modern:
            return json.dumps(self._initialized(message.params.get("protocolVersion")))
        if message.method == "ping" and not message.is_modern:
            return "{}"
        raise message.refused(protocol.METHOD_NOT_FOUND, "This server has no such method. It has tools alone.")

    def _listed(self) -> str:
        if not self._list:
            self._list = json.dumps({"tools": [tool.described() for tool in self._tools.values()]})
        return self._list

    def _discovered(self) -> dict[str, Any]:
        return {
            "supportedVersions": list(protocol.MODERN),
            "capabilities": _CAPABILITIES,
            **self._instructions,
            "_meta": {protocol.SERVER_INFO_KEY: self._info},
        }

    def _initialized(self, wanted: object) -> dict[str, Any]:
        """The version that the client wants, if it is one of the legacy era. Otherwise the newest of that era."""
        version = wanted if wanted in protocol.LEGACY else protocol.LEGACY[-1]
        given = {"protocolVersion": version, "capabilities": _CAPABILITIES, "serverInfo": self._info}
        return {**given, **self._instructions}

    async def _call(self, message: Message, user: SignedInUser) -> str:
        """The result of `tools/call`, as JSON text. A failure of the tool is a result, too: a model can read it.

        Raises:
            Refusal: there is no such tool.
            InsufficientScope: the token lacks the scopes of the tool. The guard sends 403.
            ConsentRequired: the client is one of `AzureAd__ConsentPromptClients`. The guard sends 401.
        """
        name, given = message.params.get("name"), message.params.get("arguments")
        tool = self._tools.get(name) if isinstance(name, str) else None
        if tool is None:
            raise message.refused(protocol.INVALID_PARAMS, "There is no such tool. tools/list names them.")
        context = context_of(user)
        record = context.record
        record.tool_called(tool.name)
        if tool.scopes and user.scopes.isdisjoint(tool.scopes):
            raise InsufficientScope(tool.scopes, reason="none of the scopes")
        if tool.is_async is not isinstance(user, AsyncUser):
            raise TypeError(f"{tool.name} is {'async ' * tool.is_async}def: write such an endpoint for this McpServer")
        try:
            return await _result_of_tool(tool, {} if given is None else given, user)
        except Exception as error:  # whatever a tool raises is its result; the log has the traceback
            if turn_into_consent_prompt(error, context.access_token):
                raise  # the guard sends 401: the client asks its user for consent, and calls again
            result, failure = error_of(error, record.correlation_id)
            record.tool_failed(failure)
            return result


async def _result_of_tool(tool: Tool, given: object, user: SignedInUser) -> str:
    try:
        arguments = tool.arguments(given)
    except WrongValue as wrong:
        raise BadRequest(f"Wrong arguments: {wrong}.", reason="wrong arguments of the tool") from None
    if tool.takes_user:
        arguments["user"] = user
    returned = tool.function(**arguments)
    return result_of(await returned if tool.is_async else returned)
