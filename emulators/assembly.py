"""Puts a recorder around each service, and maps host names to services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Scope

from .api_proxy import ApiProxy
from .azure.services import Emulated
from .control import Controls, build_sign_in_server
from .entra.app import build_app
from .entra.service import CUSTOMER_HOSTS, Entra
from .entra.service import HOST as ENTRA_HOST
from .gateway import Tunnel
from .graph import GRAPH_HOST, Graph
from .graph_drive import DOWNLOAD_HOST
from .host_router import HostRouter
from .identity import IdentityEndpoint
from .management import MANAGEMENT_HOST, Management
from .recorder import MAX_FILE, Recorded, Recording
from .subject import from_bearer, from_token_request, nobody
from .table import Table
from .vault import VAULT_HOST, Vault


def targets_of(table: Table) -> dict[str, tuple[str, ...]]:
    """Every host name the gateway leads to, and the fault targets behind it."""
    return {
        **dict.fromkeys((ENTRA_HOST, *CUSTOMER_HOSTS), ("entra.discovery", "entra.keys", "entra.token")),
        GRAPH_HOST: ("graph",),
        DOWNLOAD_HOST: ("downloads",),
        VAULT_HOST: ("vault",),
        MANAGEMENT_HOST: (),
        **{api.host: (api.key,) for api in table.apis},
        **{service.host: (service.key,) for service in table.azure},
    }


@dataclass(frozen=True)
class Services:
    """The services of one stack."""

    entra: Entra
    identity: IdentityEndpoint
    vault: Vault
    graph: Graph
    apis: Mapping[str, ApiProxy]
    management: Management
    azure: Mapping[str, Emulated]


@dataclass(frozen=True)
class Site:
    """The ASGI applications of the three listeners."""

    hosts: ASGIApp
    sign_in: ASGIApp
    identity: ASGIApp


class TunnelLookup:
    """Finds the tunnel of a TLS connection. The gateway is set later, because its port is not known at first."""

    def __init__(self) -> None:
        self.by_port: dict[int, Tunnel] = {}

    def tunnel(self, scope: Scope) -> Tunnel | None:
        """The tunnel of this connection, or None."""
        client = scope.get("client")
        return self.by_port.get(client[1]) if client else None

    def caller(self, scope: Scope) -> str:
        """Who opened the tunnel. "browser" for a connection without one: only the sign-in server has no tunnel."""
        tunnel = self.tunnel(scope)
        return tunnel.caller if tunnel else "browser"


def build_site(services: Services, recording: Recording, controls: Controls, tunnels: TunnelLookup) -> Site:
    """The applications of the three listeners, each service with its recorder."""
    entra = Recorded(build_app(services.entra), "entra", recording, _entra_target, from_token_request(services.entra))
    graph = Recorded(services.graph.build_app(), "graph", recording, lambda _: "graph", from_bearer, MAX_FILE)
    downloads = Recorded(services.graph.drives.build_downloads(), "downloads", recording, lambda _: "downloads", nobody)
    vault = Recorded(services.vault.build_app(), "vault", recording, lambda _: "vault", nobody)
    management = Recorded(services.management.build_app(), "management", recording, lambda _: None, nobody)
    hosts: dict[str, ASGIApp] = {
        **dict.fromkeys((ENTRA_HOST, *CUSTOMER_HOSTS), entra),
        GRAPH_HOST: graph,
        DOWNLOAD_HOST: downloads,
        VAULT_HOST: vault,
        MANAGEMENT_HOST: management,
        **{proxy.api.host: _recorded(proxy, proxy.api.key, recording) for proxy in services.apis.values()},
        **{one.service.host: _recorded(one.build_app(), key, recording) for key, one in services.azure.items()},
    }
    return Site(
        hosts=HostRouter(hosts, tunnels.tunnel),
        sign_in=build_sign_in_server(controls, entra),
        identity=Recorded(services.identity.build_app(), "identity", recording, lambda _: "identity", nobody),
    )


def _recorded(app: ASGIApp, key: str, recording: Recording) -> Recorded:
    return Recorded(app, key, recording, lambda _: key, from_bearer, MAX_FILE)


def _entra_target(path: str) -> str | None:
    if path.endswith("/.well-known/openid-configuration"):
        return "entra.discovery"
    if path.endswith("/keys") and "/discovery/" in path:
        return "entra.keys"
    return "entra.token" if path.endswith("/oauth2/v2.0/token") else None
