"""The API. Each function acts as the signed-in user: `user.api(…)` calls another API as that user."""

import azure.functions as func

from shared import McpServer, User, health, json_body, protected_resource, requires_user

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)  # the access token decides, not a function key
app.register_functions(protected_resource)  # where clients that know the address alone learn how to sign in (RFC 9728)
tools = McpServer("contoso-api", instructions="Each tool acts as the signed-in user.")


@app.route("api/me", methods=["GET"])
@requires_user(scopes=["access_as_user"])
def me(req: func.HttpRequest, user: User) -> object:
    """The signed-in user's profile, read from Microsoft Graph as that user."""
    return user.api("Graph").get("/me?$select=displayName,mail,userPrincipalName,id").json()


@app.route("api/orders", methods=["GET"])
@requires_user(scopes=["access_as_user"])
def list_orders(req: func.HttpRequest, user: User) -> object:
    """The orders that the user may see. The Orders API decides which, and its response is passed on."""
    return user.api("Orders").get("/orders")


@app.route("api/orders", methods=["POST"])
@requires_user(scopes=["access_as_user"])
def add_order(req: func.HttpRequest, user: User) -> object:
    """Adds an order of the user's: `{"item": "…", "quantity": 1}`."""
    return user.api("Orders").post("/orders", json=json_body(req))


@tools.tool
def my_profile(user: User) -> object:
    """Who the user is: name and mail address."""
    return user.api("Graph").get("/me?$select=displayName,mail")


@tools.tool
def place_order(user: User, item: str, quantity: int = 1) -> object:
    """Orders an item for the user."""
    return user.api("Orders").post("/orders", json={"item": item, "quantity": quantity})


@app.route("api/mcp", methods=["POST", "GET", "DELETE"])
@requires_user(scopes=["access_as_user"])
def mcp(req: func.HttpRequest, user: User) -> func.HttpResponse:
    """The tools, for AI agents: docs/mcp.md says how to connect one."""
    return tools.handle(req, user)


@app.route("api/health", methods=["GET"])
async def check_health(req: func.HttpRequest) -> func.HttpResponse:
    """Whether settings, credential and signing keys are right. It names them, never values. Anonymous; asks nobody."""
    return health()
