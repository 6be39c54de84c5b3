"""The claims inside a person's tokens, as Entra writes them (v1.0 and v2.0 access tokens, ID tokens)."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass

from ..applications import AGENT, Application
from ..certificates import base64url
from ..groups import MAX_IN_TOKEN
from ..people import AGENT_USER, Person
from .verification import issuers

BACKDATE = 300
"""Entra dates its tokens five minutes back, for services whose clock is slow."""


@dataclass(frozen=True)
class Grant:
    """What was decided: this client may call this resource as this person."""

    tenant: str
    person: Person
    client: Application
    resource: Application
    scopes: tuple[str, ...]
    roles: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("pwd",)
    auth_contexts: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Object ids of groups that the token names."""
    optional_claims: frozenset[str] = frozenset()
    """Those that the resource asks for."""
    client_proof: str = "0"
    """How the client proved itself: 0 not at all (public), 1 secret, 2 certificate or federated token."""

    @property
    def has_mfa(self) -> bool:
        """Whether a second factor was used."""
        return "mfa" in self.methods

    @property
    def through_agent(self) -> bool:
        """Whether an agent has got the token, in place of the sample client."""
        return self.client.key == "client" and self.person.calls_through_agent


def pairwise_subject(person: Person, application_id: str) -> str:
    """`sub`: stable for a person and an application, and different for every application."""
    return base64url(hashlib.sha256(f"{person.oid}|{application_id}".encode()).digest())


def access_token_claims(grant: Grant, issued: float, lifetime: float, version: int) -> dict[str, object]:
    """Claims of a delegated access token in version 1 or 2."""
    shape = _version_2(grant) if version == 2 else _version_1(grant)
    claims: dict[str, object] = {
        **shape,
        **token_times(issued, lifetime),
        "aio": base64url(secrets.token_bytes(72)),
        "idtyp": "user",
        "name": grant.person.display_name,
        "oid": grant.person.oid,
        "rh": "1." + base64url(secrets.token_bytes(33)) + ".",
        "scp": " ".join(grant.scopes),
        "sid": str(uuid.uuid4()),
        "sub": pairwise_subject(grant.person, grant.resource.client_id),
        "tid": grant.tenant,
        "uti": base64url(secrets.token_bytes(16)),
        "xms_ftd": base64url(secrets.token_bytes(45)),
        "xms_idrel": "1 20" if grant.person.is_guest else "1 2",
    }
    optional: dict[str, object] = {
        "acrs": list(grant.auth_contexts),
        "idp": issuers(grant.person.home_tenant)[0] if grant.person.is_guest else None,
        "roles": list(grant.roles),
        "xms_cc": list(grant.capabilities),
    }
    claims.update({name: value for name, value in optional.items() if value})
    asked = {name: value for name, value in _asked_for(grant).items() if name in grant.optional_claims}
    return {**claims, **asked, **_groups(grant)}


def _asked_for(grant: Grant) -> dict[str, object]:
    """Optional claims about the user and about agents. Tokens without an agent have numbers of other meanings, too.

    https://learn.microsoft.com/entra/agent-id/agent-token-claims
    """
    claims: dict[str, object] = {
        "acct": int(grant.person.is_guest),
        "xms_act_fct": "9 11 3" if grant.through_agent else "3 9",
        "xms_sub_fct": "13 3" if AGENT_USER in grant.person.traits else "2 3",
    }
    return {**claims, "xms_par_app_azp": AGENT.blueprint} if grant.through_agent else claims


def _groups(grant: Grant) -> dict[str, object]:
    """The groups of the user; above the limit, the address at which a service can ask for them."""
    if len(grant.groups) <= MAX_IN_TOKEN:
        return {"groups": list(grant.groups)} if grant.groups else {}
    endpoint = f"https://graph.windows.net/{grant.tenant}/users/{grant.person.oid}/getMemberObjects"
    return {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": endpoint}}}


def _version_2(grant: Grant) -> dict[str, object]:
    shape: dict[str, object] = {
        "aud": grant.resource.client_id,
        "iss": issuers(grant.tenant)[1],
        "azp": AGENT.client_id if grant.through_agent else grant.client.client_id,
        "azpacr": "2" if grant.through_agent else grant.client_proof,
        "preferred_username": grant.person.sign_in_name,
        "ver": "2.0",
    }
    if grant.has_mfa:
        shape["amr"] = list(grant.methods)
    return shape


def _version_1(grant: Grant) -> dict[str, object]:
    person = grant.person
    return {
        "aud": grant.resource.v1_audience or f"api://{grant.resource.client_id}",
        "iss": issuers(grant.tenant)[0],
        "acct": int(person.is_guest),
        "acr": "1",
        "amr": list(grant.methods),
        "app_displayname": AGENT.name if grant.through_agent else grant.client.name,
        "appid": AGENT.client_id if grant.through_agent else grant.client.client_id,
        "appidacr": "2" if grant.through_agent else grant.client_proof,
        "family_name": person.surname,
        "given_name": person.given_name,
        "ipaddr": "203.0.113.7",
        "tenant_region_scope": "EU",
        "unique_name": person.sign_in_name,
        "upn": person.upn,
        "ver": "1.0",
        "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"],
        "xms_tcdt": 1600000000,
    }


def id_token_claims(grant: Grant, issued: float, lifetime: float, nonce: str | None) -> dict[str, object]:
    """Claims of the ID token for the client itself."""
    claims: dict[str, object] = {
        **token_times(issued, lifetime),
        "aud": grant.client.client_id,
        "iss": issuers(grant.tenant)[1],
        "name": grant.person.display_name,
        "oid": grant.person.oid,
        "preferred_username": grant.person.sign_in_name,
        "rh": "1." + base64url(secrets.token_bytes(33)) + ".",
        "sub": pairwise_subject(grant.person, grant.client.client_id),
        "tid": grant.tenant,
        "uti": base64url(secrets.token_bytes(16)),
        "ver": "2.0",
    }
    if grant.person.is_guest:
        claims["idp"] = issuers(grant.person.home_tenant)[0]
    if nonce is not None:
        claims["nonce"] = nonce
    return claims


def token_times(issued: float, lifetime: float) -> dict[str, object]:
    """When a token was issued and how long it is good, as claims."""
    return {"iat": int(issued) - BACKDATE, "nbf": int(issued) - BACKDATE, "exp": int(issued + lifetime)}
