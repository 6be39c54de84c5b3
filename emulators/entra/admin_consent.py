"""`/{tenant}/adminconsent` and `/{tenant}/v2.0/adminconsent`: an administrator consents for everybody."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..applications import Application
from ..people import Person
from ..requests_io import note
from . import pages
from .authorize import ReplyTo
from .consents import wanted_permissions
from .form import parse_form
from .records import Visit
from .redirects import is_registered
from .refusals import EntraError
from .replies import Trace
from .scopes import RequestedScopes, ResourceScopes, parse_scopes
from .service import SHARED_TENANTS, Entra
from .sign_in_pages import begin, refusal_page


async def admin_consent(request: Request) -> Response:
    """Starts the sign-in. Without a redirect URI it ends on a page of Entra."""
    entra: Entra = request.app.state.entra
    note(request).action = "adminconsent"
    try:
        form = parse_form(request.url.query)
        tenant, client = _client(entra, request.path_params["tenant"], form.require("client_id"))
        redirect_uri = form.get("redirect_uri")
        if redirect_uri is not None and not is_registered(client, redirect_uri):
            raise EntraError(50011, redirect_uri=redirect_uri, client=client.name)
        scopes = (
            parse_scopes(entra.directory, client, tenant, form["scope"]) if "scope" in form else _all(entra, client)
        )
    except EntraError as refused:
        return refusal_page(entra, request, refused)
    reply_to = ReplyTo(redirect_uri, "query", form.get("state")) if redirect_uri else None

    def finish(visit: Visit, _person: Person) -> Response:
        granted = [name for p in wanted_permissions(entra, visit) for name in p.scopes]
        if reply_to is None:
            return pages.done_page("Consent is granted for everybody in this tenant.")
        return reply_to.send({"admin_consent": "True", "tenant": tenant, "scope": " ".join(granted)})

    def cancel(refused: EntraError) -> Response:
        if reply_to is None:
            return refusal_page(entra, request, refused)
        return reply_to.refuse(refused, Trace.of(request), entra.now())

    visit = Visit(tenant, client, scopes, finish, cancel, ask_consent=True, for_everybody=True)
    return begin(entra, request, visit)


def _client(entra: Entra, tenant_name: str, client_id: str) -> tuple[str, Application]:
    """As `Entra.client`, but also an application that the tenant does not have yet: this consent installs it.

    Refuses one that calls an API which the tenant does not have (AADSTS650052).
    """
    offered = entra.directory.offered(client_id)
    if offered is None or tenant_name.lower() in SHARED_TENANTS:
        return entra.client(tenant_name, client_id)
    tenant = entra.tenant(tenant_name)
    for key in offered.requires:
        resource = entra.directory.applications[key]
        if not entra.directory.has(tenant, resource):
            raise EntraError(650052, resource=resource.name, tenant=tenant_name)
    return tenant, offered


def _all(entra: Entra, client: Application) -> RequestedScopes:
    known = entra.directory.applications
    groups = tuple(ResourceScopes(known[key], "", names) for key, names in client.requires.items())
    return RequestedScopes(groups, frozenset())
