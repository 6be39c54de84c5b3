"""The grant that a sign-in would give, for tokens that are issued without a sign-in."""

from __future__ import annotations

from collections.abc import Iterable

from ..directory import Directory
from ..people import EVERYONE
from .claims import Grant
from .claims_request import ClaimsRequest
from .decision import issued_contexts

GRAPH_SCOPES = ("User.Read", "email", "openid", "profile")


def usual_grant(
    directory: Directory, person: str, app: str, scopes: Iterable[str] | None = None, *, mfa: bool = False
) -> Grant:
    """The client calls the API, or the API one of the others; all scopes of the resource unless some are named."""
    known = directory.applications
    resource, client = known[app], known["client" if app == "api" else "api"]
    usual = GRAPH_SCOPES if app == "graph" else resource.scopes
    account = EVERYONE[person]
    methods = ("pwd", "mfa") if mfa else ("pwd",)
    return Grant(
        account.tenant,
        account,
        client,
        resource,
        tuple(usual if scopes is None else scopes),
        roles=directory.roles(account, resource),
        methods=methods,
        auth_contexts=issued_contexts(directory, resource, ClaimsRequest(), methods),
        groups=directory.groups_in_token(account, resource),
        optional_claims=directory.optional_claims(resource),
        client_proof="0" if client.public else "2",
    )
