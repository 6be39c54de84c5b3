"""Every application registration of a tenant, as `az ad app show` would describe it: the template's and the table's."""

from __future__ import annotations

import uuid
from dataclasses import replace

from .applications import API, CLIENT, EXPOSED_CLAIMS, GRAPH, MCP_CLIENT, Application
from .azure.declared import SCOPE, Kind
from .table import DownstreamApi, Table


def registrations(table: Table) -> dict[str, Application]:
    """By short name: client, mcp, api, graph, the table's APIs, and the service principals of Azure services."""
    scopes = {"api": table.scopes}
    requires = {"graph": table.graph, **{api.key: api.scopes for api in table.apis if api.scopes}}
    kinds = {service.kind.application: service.kind for service in table.azure}
    requires |= dict.fromkeys(kinds, (SCOPE,))
    several = table.for_several_tenants
    applications = (
        replace(CLIENT, requires=scopes, for_several_tenants=several),
        replace(MCP_CLIENT, requires=scopes, for_several_tenants=several),
        replace(
            API,
            identifier_uris=(*API.identifier_uris, *table.public_urls),
            scopes=table.scopes,
            app_roles=tuple(table.app_roles),
            requires=requires,
            pre_authorizes={"client": table.scopes, "mcp": table.scopes},
            for_several_tenants=several,
        ),
        *(daemon(name) for name in table.daemons),
        *(replace(_downstream(api), for_several_tenants=several) for api in table.apis),
        *(_azure(kind) for kind in kinds.values()),
        replace(
            GRAPH,
            scopes=tuple(dict.fromkeys((*GRAPH.scopes, *table.graph))),
            app_roles=tuple(dict.fromkeys((*GRAPH.app_roles, *table.graph_app_roles))),
        ),
    )
    return {app.key: app for app in applications}


def daemon(name: str) -> Application:
    """The registration of a daemon, which calls the API as itself."""
    return Application(f"daemon {name}", f"Daemon {name}", str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.daemon")))


def _downstream(api: DownstreamApi) -> Application:
    return Application(
        api.key,
        api.title,
        api.client_id,
        identifier_uris=(api.identifier_uri, f"api://{api.client_id}"),
        scopes=api.scopes,
        app_roles=api.app_roles,
        pre_authorizes={"api": api.scopes} if api.pre_authorized and api.scopes else {},
        optional_claims=EXPOSED_CLAIMS,
    )


def _azure(kind: Kind) -> Application:
    return Application(
        kind.application,
        kind.title,
        kind.client_id,
        identifier_uris=(kind.resource,),
        scopes=(SCOPE,),
        token_version=1,
        v1_audience=kind.resource,
        of_microsoft=True,
        optional_claims=frozenset({"idtyp", "acrs", "xms_cc"}),
    )
