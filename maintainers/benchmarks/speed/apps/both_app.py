"""The hello route, one that also writes a line into the log, and one that greets a user with a downstream token."""

import logging

import azure.functions as func

from shared import User, requires_user

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

_LINE = "function=logged method=GET status=200 ms=0 user=- correlation_id=- tokens=Graph:hit".ljust(150)


@app.route("hello", methods=["GET"])
def hello(req: func.HttpRequest) -> func.HttpResponse:
    """Says hello."""
    return func.HttpResponse('{"hello": "world"}', mimetype="application/json")


@app.route("logged", methods=["GET"])
def logged(req: func.HttpRequest) -> func.HttpResponse:
    """Says hello and writes what a guarded request writes."""
    logging.getLogger(__name__).info("request %s", _LINE)
    return func.HttpResponse('{"hello": "world"}', mimetype="application/json")


@app.route("known", methods=["GET"])
@requires_user(scopes=["access_as_user"])
def known(req: func.HttpRequest, user: User) -> func.HttpResponse:
    """Says hello to a user for whom Graph could be called at once."""
    user.token("Graph")
    return func.HttpResponse('{"hello": "world"}', mimetype="application/json")
