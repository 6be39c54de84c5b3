"""Requested scopes: which resource they name, and which of its permissions. Where `resource` is sent, it must fit."""

from __future__ import annotations

from dataclasses import dataclass

from ..applications import GRAPH, OIDC_SCOPES, Application
from ..directory import Directory
from .refusals import EntraError

DEFAULT = ".default"


@dataclass(frozen=True)
class ResourceScopes:
    """Permissions asked of one resource. `prefix` is how the caller named it; empty for Graph's bare names."""

    resource: Application
    prefix: str
    names: tuple[str, ...]

    @property
    def default(self) -> bool:
        """Whether all that was consented to is asked for."""
        return DEFAULT in self.names

    def written(self, names: tuple[str, ...]) -> list[str]:
        """Permission names as `scope` in the response spells them."""
        return [f"{self.prefix}/{name}" if self.prefix else name for name in names]


@dataclass(frozen=True)
class RequestedScopes:
    """A parsed scope parameter."""

    resources: tuple[ResourceScopes, ...]
    oidc: frozenset[str]

    def one_resource(self) -> ResourceScopes:
        """The only resource: a token is for exactly one. OpenID scopes alone mean Graph, as at Entra."""
        if len(self.resources) > 1:
            raise EntraError(28000, scopes=", ".join(r.resource.name for r in self.resources))
        return self.resources[0] if self.resources else ResourceScopes(GRAPH, "", ())


def parse_scopes(
    directory: Directory, client: Application, tenant: str, text: str | None, indicator: str | None = None
) -> RequestedScopes:
    """Reads a scope parameter; refuses unknown resources and scopes that no resource exposes.

    `indicator` is the parameter `resource`, which must fit: see `check_indicator`.
    """
    if not text or not text.strip():
        raise EntraError(900144, parameter="scope")
    found: dict[str, ResourceScopes] = {}
    oidc = set()
    for item in text.split():
        if item in OIDC_SCOPES:
            oidc.add(item)
            continue
        prefix, resource, name = _resolve(directory, tenant, item)
        check_indicator(resource, indicator)  # first: Graph is where a name without a prefix belongs, known or not
        if name != DEFAULT and name not in resource.scopes:
            raise EntraError(650053, client=client.name, scope=name, resource=resource.client_id)
        known = found.get(resource.key, ResourceScopes(resource, prefix, ()))
        found[resource.key] = ResourceScopes(resource, known.prefix, (*known.names, name))
    for group in found.values():
        if group.default and len(set(group.names)) > 1:
            raise EntraError(70011, reason=".default cannot be combined with other scopes of the same resource.")
    return RequestedScopes(tuple(found.values()), frozenset(oidc))


def check_indicator(resource: Application, indicator: str | None) -> None:
    """The parameter `resource` (RFC 8707) must equal an identifier URI of the application whose scopes are asked for.

    Every character counts, a slash at the end too. Entra has refused all else since March 2026.
    """
    if indicator is not None and indicator not in resource.identifier_uris:
        raise EntraError(9010010)


def _resolve(directory: Directory, tenant: str, item: str) -> tuple[str, Application, str]:
    prefix, slash, name = item.rpartition("/")
    if not slash:
        return "", directory.applications["graph"], item
    resource = directory.resource(prefix, tenant)
    if resource is None:
        raise EntraError(500011, resource=prefix or "(none)", tenant=tenant)
    return prefix, resource, name
