"""One route without a user: the cost of every app in this host."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("hello", methods=["GET"])
def hello(req: func.HttpRequest) -> func.HttpResponse:
    """Says hello."""
    return func.HttpResponse('{"hello": "world"}', mimetype="application/json")
