"""What the settings of scopes may hold: short names for this API's own functions, full names of one API for its calls.

Entra accepts some of the mistakes that are found here. Then every caller would get 403, or a call would get a token for
another API. https://learn.microsoft.com/entra/identity-platform/scopes-oidc
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .clouds import GRAPH_HOSTS, host_of
from .environ import EnvironReader, is_guid

_RESERVED = {"openid", "profile", "offline_access"}
_DEFAULT = ".default"
_GRAPH = "Microsoft Graph"
_GRAPH_ID = "00000003-0000-0000-c000-000000000000"
SHORT_NAME = (
    "must be the short name of the scope, such as access_as_user, as it is in a token; not api://…/access_as_user"
)


def is_full_name(scope: str) -> bool:
    """Whether the scope names its API, too. The scopes in a token's claim `scp` never do."""
    return "://" in scope or is_guid(scope.partition("/")[0]) or scope.endswith(_DEFAULT)


def judge_own_scopes(env: EnvironReader, name: str, scopes: Sequence[str]) -> None:
    """Notes a problem for a full name among this API's own scopes."""
    if any(map(is_full_name, scopes)):
        env.problems.setdefault(name, SHORT_NAME)


def judge_downstream_scopes(
    env: EnvironReader, at: str, scopes: Sequence[str], base_url: str, own: Collection[str]
) -> None:
    """Notes a problem for scopes that no token can have together, or that are of another API than the one called.

    Args:
        at: the beginning of the settings of this API.
        own: this API's client id and audiences.
    """
    name, resources = at + "Scopes", {_resource_of(scope) for scope in scopes}
    host = host_of(base_url)
    problem = ""
    if _RESERVED.intersection(scopes):
        problem = "must name scopes of the API; OpenID Connect's own are asked for anyway"
    elif len(resources) > 1:
        problem = "must name scopes of one API; give each API its own DownstreamApis__<name>__Scopes"
    elif len(scopes) > 1 and any(scope.endswith(_DEFAULT) for scope in scopes):
        problem = "must be either {API}/.default alone, or scopes by name; Entra refuses both together"
    elif resources & {_normal(audience) for audience in own}:
        problem = "must name scopes of the API that is called; these are of this API itself"
    elif host and host not in GRAPH_HOSTS and any("/" not in scope for scope in scopes):
        problem = f"must be {{API}}/{{scope}}; a short name is a scope of {_GRAPH}, and {at}BaseUrl is another API"
    if problem:
        env.problems.setdefault(name, problem)


def _resource_of(scope: str) -> str:
    """The API of a scope, in one form. A short name is a scope of Microsoft Graph."""
    return _normal(scope.rpartition("/")[0]) if "/" in scope else _GRAPH


def _normal(resource: str) -> str:
    resource = resource.lower().rstrip("/")
    bare = resource.removeprefix("api://")
    if bare == _GRAPH_ID or host_of(resource) in GRAPH_HOSTS:
        return _GRAPH
    return bare if is_guid(bare) else resource
