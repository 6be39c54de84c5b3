"""Every application registration of a tenant, as `az ad app show` would describe it: the template's and the table's."""

from __future__ import annotations

from dataclasses import replace

from .applications import API, CLIENT, EXPOSED_CLAIMS, GRAPH, Application
from .table import DownstreamApi, Table


def registrations(table: Table) -> dict[str, Application]:
    """By short name: client, api, graph, and those of the table's APIs."""
    scopes = {"api": table.scopes}
    requires = {"graph": table.graph, **{api.key: api.scopes for api in table.apis}}
    applications = (
        replace(CLIENT, requires=scopes),
        replace(API, scopes=table.scopes, requires=requires, pre_authorizes={"client": table.scopes}),
        *(_downstream(api) for api in table.apis),
        replace(GRAPH, scopes=tuple(dict.fromkeys((*GRAPH.scopes, *table.graph)))),
    )
    return {app.key: app for app in applications}


def _downstream(api: DownstreamApi) -> Application:
    return Application(
        api.key,
        api.title,
        api.client_id,
        identifier_uris=(api.identifier_uri, f"api://{api.client_id}"),
        scopes=api.scopes,
        pre_authorizes={"api": api.scopes} if api.pre_authorized else {},
        optional_claims=EXPOSED_CLAIMS,
    )
