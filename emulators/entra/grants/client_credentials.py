"""An application asking for a token as itself. No permission of that kind is registered, so nothing is ever issued."""

from __future__ import annotations

from ..refusals import EntraError
from ..scopes import parse_scopes
from .call import Call


def refuse(call: Call) -> dict[str, object]:
    """Checks the request as Entra does, then refuses it."""
    requested = parse_scopes(call.entra.directory, call.client, call.tenant, call.form.get("scope"))
    wanted = requested.one_resource()
    if not wanted.default:
        raise EntraError(1002012, scope=call.form["scope"])
    raise EntraError(501051, client=call.client.name, resource=wanted.resource.name)
