"""An application asks for a token as itself (RFC 6749, 4.4). The token has its roles at the resource, and no scope.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

from ...requests_io import fingerprint
from ..refusals import EntraError
from ..scopes import DEFAULT, parse_scopes
from .call import Call


def issue(call: Call) -> dict[str, object]:
    """A token for all roles that the application holds. Without a role it gets one too, unless one is required."""
    if call.client.public:
        raise EntraError(7000216, grant="client_credentials")
    text = call.form.require("scope")
    for item in text.split():
        if item.rpartition("/")[2] != DEFAULT:
            raise EntraError(1002012, scope=item)
    directory = call.entra.directory
    resource = parse_scopes(directory, call.client, call.tenant, text, call.indicator).one_resource().resource
    roles = directory.app_roles(call.client, resource)
    if not roles and directory.requires_assignment(resource):
        raise EntraError(501051, client=call.client.name, resource=resource.name)
    token = call.entra.app_token(call.client, resource, roles, proof=call.client_proof, tenant=call.tenant)
    call.note.verdict = f"ok: {resource.name} token for {call.client.name} itself"
    call.note.details.update(roles=" ".join(roles), resource=resource.name, issued=fingerprint(token))
    seconds = int(call.entra.lifetime)
    return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}
