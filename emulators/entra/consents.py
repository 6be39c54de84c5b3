"""Which permissions a person still has to consent to."""

from __future__ import annotations

from collections.abc import Iterator

from ..applications import Application
from ..directory import everybody_in
from ..people import Person
from .records import Permission, Visit
from .service import Entra


def wanted_permissions(entra: Entra, visit: Visit) -> list[Permission]:
    """Everything the sign-in asks for; with `.default` all the client requires, and in turn what is required by those
    of its resources that know it.

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow#default-and-combined-consent
    """
    groups = visit.scopes.resources
    named = [Permission(visit.client, g.resource, tuple(g.names)) for g in groups if g.names and not g.default]
    return [*named, *_combined(entra, visit.client)] if any(group.default for group in groups) else named


def _combined(entra: Entra, client: Application) -> Iterator[Permission]:
    for permission in required_permissions(entra, client):
        yield permission
        if client.client_id in permission.resource.known_clients:
            yield from required_permissions(entra, permission.resource)


def required_permissions(entra: Entra, app: Application) -> list[Permission]:
    """Everything the application's manifest requires."""
    known = entra.directory.applications
    return [Permission(app, known[key], scopes) for key, scopes in app.requires.items()]


def missing_permissions(entra: Entra, visit: Visit, person: Person) -> list[Permission]:
    """The consent to ask for. Empty when nothing is missing and the client does not demand the prompt."""
    wanted = wanted_permissions(entra, visit)
    if visit.ask_consent:
        return wanted
    return [p for p in wanted if not set(p.scopes) <= entra.directory.granted(person, p.client, p.resource)]


def record_consent(entra: Entra, visit: Visit, person: Person) -> None:
    """Writes into the directory that the person, or an administrator for everybody, has agreed."""
    who = everybody_in(visit.tenant) if visit.for_everybody else person.name
    if visit.for_everybody:
        entra.directory.install(visit.tenant, visit.client.key)
    for permission in wanted_permissions(entra, visit):
        entra.directory.grant(who, permission.client, permission.resource, permission.scopes)
