"""Routes that wait for Graph: guarded and bare, `def` and `async def`. The bare ones are handed a token for Graph."""

import azure.functions as func
import requests

from shared import AsyncUser, User, requires_user

PATH = "/me?$select=id"
GRAPH = f"https://graph.microsoft.com/v1.0{PATH}"
CALLERS = 100

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
session = requests.Session()
session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=CALLERS))


@app.route("waits", methods=["GET"])
@requires_user(scopes=["access_as_user"])
def waits(req: func.HttpRequest, user: User) -> object:
    """Calls Graph as the user."""
    return user.api("Graph").get(PATH).json()


@app.route("bare", methods=["GET"])
def bare(req: func.HttpRequest) -> func.HttpResponse:
    """The same call with requests, by hand."""
    reply = session.get(GRAPH, headers={"Authorization": req.headers["x-graph"]}, timeout=30)
    return func.HttpResponse(reply.content, mimetype="application/json")


@app.route("awaits", methods=["GET"])
@requires_user(scopes=["access_as_user"])
async def awaits(req: func.HttpRequest, user: AsyncUser) -> object:
    """Calls Graph as the user, without blocking."""
    return (await user.api("Graph").get(PATH)).json()


@app.route("bare_awaits", methods=["GET"])
async def bare_awaits(req: func.HttpRequest) -> func.HttpResponse:
    """The same call with httpx2, by hand."""
    reply = await _client().get(GRAPH, headers={"Authorization": req.headers["x-graph"]})
    return func.HttpResponse(reply.content, mimetype="application/json")


def _client() -> "httpx2.AsyncClient":
    """One client for all calls, made where the event loop runs."""
    global client
    if client is None:
        limits = httpx2.Limits(max_connections=CALLERS, max_keepalive_connections=CALLERS)
        client = httpx2.AsyncClient(timeout=30, limits=limits)
    return client


try:
    import httpx2
except ImportError:  # then nobody asks for bare_awaits
    pass
else:
    client: "httpx2.AsyncClient | None" = None
