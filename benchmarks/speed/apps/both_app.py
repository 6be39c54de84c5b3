"""The hello route, and one that does no more for a user who is signed in and has a downstream token."""

import azure.functions as func

from shared import User, requires_user

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("hello", methods=["GET"])
def hello(req: func.HttpRequest) -> func.HttpResponse:
    """Says hello."""
    return func.HttpResponse('{"hello": "world"}', mimetype="application/json")


@app.route("known", methods=["GET"])
@requires_user(scopes=["access_as_user"])
def known(req: func.HttpRequest, user: User) -> func.HttpResponse:
    """Says hello to a user for whom Graph could be called at once."""
    user.token("Graph")
    return func.HttpResponse('{"hello": "world"}', mimetype="application/json")
