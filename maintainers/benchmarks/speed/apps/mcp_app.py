"""An MCP endpoint, and guarded routes that send the same list and do the same work."""

import json
from collections.abc import Mapping
from typing import Any

import azure.functions as func

from shared import McpServer, User, json_body, requires_user

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
tools = McpServer("benchmark", instructions="Tools that are measured.")


def work(user: User, item: str, quantity: int) -> Mapping[str, Any]:
    """For a user for whom Graph could be called at once."""
    user.token("Graph")
    return {"item": item, "quantity": quantity, "name": user.name}


@tools.tool
def add_order(user: User, item: str, quantity: int = 1) -> object:
    """Adds an order of the user's."""
    return work(user, item, quantity)


@tools.tool
def my_profile(user: User) -> object:
    """Who the user is."""
    return user.api("Graph").get("/me?$select=displayName").json()


TOOLS = json.loads(tools._listed())


@app.route("mcp", methods=["POST"])
@requires_user(scopes=["access_as_user"])
def mcp(req: func.HttpRequest, user: User) -> func.HttpResponse:
    """The endpoint."""
    return tools.handle(req, user)


@app.route("list", methods=["POST"])
@requires_user(scopes=["access_as_user"])
def same_list(req: func.HttpRequest, user: User) -> object:
    """The list of the tools, from a plain route."""
    return TOOLS


@app.route("call", methods=["POST"])
@requires_user(scopes=["access_as_user"])
def same_call(req: func.HttpRequest, user: User) -> object:
    """The work of a tool, from a plain route."""
    body = json_body(req)
    return work(user, body["item"], body["quantity"])


@app.route("profile", methods=["POST"])
@requires_user(scopes=["access_as_user"])
def same_profile(req: func.HttpRequest, user: User) -> object:
    """The work of the other tool, from a plain route."""
    json_body(req)
    return user.api("Graph").get("/me?$select=displayName").json()
