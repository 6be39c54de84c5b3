"""Which permissions a person still has to consent to."""

from __future__ import annotations

from collections.abc import Iterator

from ..applications import APPLICATIONS, Application
from ..directory import EVERYBODY
from ..people import Person
from .records import Journey, Permission
from .service import Entra


def wanted_permissions(journey: Journey) -> list[Permission]:
    """Everything the sign-in asks for; with `.default` also what a resource that knows the client requires itself."""
    return list(_wanted(journey))


def _wanted(journey: Journey) -> Iterator[Permission]:
    client = journey.client
    for group in journey.scopes.resources:
        names = client.requires.get(group.resource.key, ()) if group.default else group.names
        if names:
            yield Permission(client, group.resource, tuple(names))
        if group.default and client.client_id in group.resource.known_clients:
            yield from required_permissions(group.resource)


def required_permissions(app: Application) -> list[Permission]:
    """Everything the application's manifest requires."""
    return [Permission(app, APPLICATIONS[key], scopes) for key, scopes in app.requires.items()]


def missing_permissions(entra: Entra, journey: Journey, person: Person) -> list[Permission]:
    """What consent is to be asked for; empty when nothing is missing and nobody insists on asking."""
    wanted = wanted_permissions(journey)
    if journey.ask_consent:
        return wanted
    return [p for p in wanted if not set(p.scopes) <= entra.directory.granted(person, p.client, p.resource)]


def record_consent(entra: Entra, journey: Journey, person: Person) -> None:
    """Writes into the directory that the person, or an administrator for everybody, has agreed."""
    who = EVERYBODY if journey.for_everybody else person.name
    for permission in wanted_permissions(journey):
        entra.directory.grant(who, permission.client, permission.resource, permission.scopes)
