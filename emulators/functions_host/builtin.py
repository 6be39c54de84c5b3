"""What the real host replies to without a function: its home page, its own routes, and requests without a key."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from emulators.functions_host.replies import Reply, empty
from emulators.functions_host.requests import Request
from emulators.functions_host.targets import parameters

# In Azure every app has keys of its own. On this machine there is one for all, and it is no secret.
LOCAL_KEY = "local"
KEY_HINT = f"x-functions-key: {LOCAL_KEY} or ?code={LOCAL_KEY}"

_OWN_ROUTES = ("/admin/", "/runtime/webhooks/")
_HOME = b"<!DOCTYPE html><title>Functions</title><h1>Your Functions 4.0 app is up and running</h1>\n"


def before_functions(request: Request) -> Reply | None:
    """The host's own response, without a function. None: a function handles the request."""
    if not request.header("host"):  # only HTTP/1.0 lets it be left out
        return empty(500)
    if request.path.lower().startswith(_OWN_ROUTES):
        return empty(401)  # they ask for the master key, which this host does not have
    return None


def home_page(environ: Mapping[str, str]) -> Reply:
    """What `/` shows when no function has that route; AzureWebJobsDisableHomepage takes it away."""
    if environ.get("AzureWebJobsDisableHomepage", "").lower() == "true":
        return Reply(204)
    return Reply(200, ((b"Content-Type", b"text/html"),), _HOME)


def has_key(request: Request) -> bool:
    """Whether the request carries the key for functions whose auth_level is not ANONYMOUS."""
    given = request.header("x-functions-key") or dict(parameters(request.query)).get("code", "")
    return hmac.compare_digest(given.encode(), LOCAL_KEY.encode())
