"""Whether a person's sign-in may become a token for a resource: revocation, Conditional Access, assignment, consent."""

from __future__ import annotations

import math

from ..applications import Application
from ..directory import AUTH_CONTEXTS, Directory
from ..people import BLOCKED, NEEDS_MFA, REVOKED, Person
from .claims_request import MFA_CLAIMS, ClaimsRequest
from .records import SignIn
from .refusals import EntraError
from .replies import stamp
from .scopes import DEFAULT, ResourceScopes
from .service import Entra


def check_not_revoked(entra: Entra, person: Person, issued: float) -> None:
    """Refuses what was issued before the person's sessions were revoked (AADSTS50173)."""
    revoked_at = math.inf if REVOKED in person.traits else entra.directory.revoked_at(person)
    if revoked_at is not None and issued < revoked_at:
        raise EntraError(50173, issued=stamp(issued))


def check_claims(entra: Entra, resource: Application, wanted: ClaimsRequest, sign_in: SignIn) -> None:
    """Refuses when the sign-in does not satisfy what is asked of it, and says so again (AADSTS50076, 50173)."""
    if wanted.not_before is not None and sign_in.at < wanted.not_before:
        raise EntraError(50173, issued=stamp(sign_in.at))
    has_all = set(wanted.auth_contexts) <= entra.directory.auth_contexts(sign_in.methods)
    if not has_all or (wanted.policies and "mfa" not in sign_in.methods):
        raise EntraError(50076, resource=resource.client_id, claims=wanted.challenge())


def required_methods(wanted: ClaimsRequest) -> frozenset[str]:
    """What the person must use in addition to the password to satisfy these claims."""
    by_contexts = (AUTH_CONTEXTS[name] for name in wanted.auth_contexts)
    return frozenset({"mfa"} if wanted.policies else ()).union(*by_contexts)


def check_conditional_access(
    entra: Entra, person: Person, resource: Application, wanted: ClaimsRequest, sign_in: SignIn
) -> None:
    """Applies the tenant's policies to a token for `resource`: blocked outright, or a second factor first."""
    if BLOCKED in person.traits:
        raise EntraError(53003)
    check_claims(entra, resource, wanted, sign_in)
    needs_mfa = NEEDS_MFA in person.traits or entra.directory.requires_mfa(resource)
    if needs_mfa and "mfa" not in sign_in.methods:
        raise EntraError(50076, resource=resource.client_id, claims=MFA_CLAIMS)


def issued_contexts(
    directory: Directory, resource: Application, wanted: ClaimsRequest, methods: tuple[str, ...]
) -> tuple[str, ...]:
    """The `acrs` of a token: the contexts asked for. If the resource wants the claim, also those already satisfied.

    https://learn.microsoft.com/entra/identity-platform/developer-guide-conditional-access-authentication-context
    """
    holds = {name for name in directory.auth_contexts(methods) if AUTH_CONTEXTS[name]}
    opportunistic = holds if directory.asks_for_claim(resource, "acrs") else set()
    return tuple(sorted({*wanted.auth_contexts, *opportunistic}))


def check_assigned(entra: Entra, person: Person, resource: Application) -> None:
    """Refuses people who are not assigned to an application that demands it (AADSTS50105)."""
    if not entra.directory.may_use(person, resource):
        raise EntraError(50105, resource=resource.name)


def permitted_scopes(entra: Entra, person: Person, client: Application, wanted: ResourceScopes) -> tuple[str, ...]:
    """Every scope consented to, sorted: Entra puts all of them into the token. Refuses when a wanted one is missing."""
    granted = entra.directory.granted(person, client, wanted.resource)
    missing = set(wanted.names) - {DEFAULT} - granted
    if missing or not granted:
        raise EntraError(65001, client_id=client.client_id, client=client.name)
    return tuple(sorted(granted))
