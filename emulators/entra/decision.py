"""Whether a person's sign-in may become a token for a resource: revocation, Conditional Access, assignment, consent."""

from __future__ import annotations

import math

from ..applications import Application
from ..people import BLOCKED, NEEDS_MFA, REVOKED, Person
from .claims_request import MFA_CLAIMS, ClaimsRequest
from .refusals import EntraError
from .replies import stamp
from .scopes import DEFAULT, ResourceScopes
from .service import Entra


def check_not_revoked(entra: Entra, person: Person, issued: float) -> None:
    """Refuses what was issued before the person's sessions were revoked (AADSTS50173)."""
    revoked_at = math.inf if REVOKED in person.traits else entra.directory.revoked_at(person)
    if revoked_at is not None and issued < revoked_at:
        raise EntraError(50173, issued=stamp(issued))


def check_conditional_access(
    person: Person, resource: Application, wanted: ClaimsRequest, methods: tuple[str, ...], auth_context: str | None
) -> None:
    """Applies the tenant's policies to a token for `resource`: blocked outright, or a second factor first."""
    if BLOCKED in person.traits:
        raise EntraError(53003)
    if wanted.auth_context is not None and wanted.auth_context != auth_context:
        raise EntraError(50076, resource=resource.client_id, claims=wanted.challenge())
    if (wanted.policies or NEEDS_MFA in person.traits) and "mfa" not in methods:
        raise EntraError(
            50076, resource=resource.client_id, claims=wanted.challenge() if wanted.policies else MFA_CLAIMS
        )


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
