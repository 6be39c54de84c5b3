"""Hundreds of people for the emulated tenant, in groups by the outcome of their calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from emulators import people
from emulators.people import BLOCKED, FABRIKAM, NEEDS_MFA, NOT_CONSENTED, REVOKED, Person

MANAGER = "manager"
"""Sees everybody's orders; the other traits are the emulated tenant's."""

TRACE = r"soak\d{4}|Soak Person|50a40000-5eed"
"""What the names and ids of the crowd have in common: no log may show it."""

_TRAITS: dict[int, str] = {
    11: REVOKED,
    12: NEEDS_MFA,
    13: NEEDS_MFA,
    14: NEEDS_MFA,
    15: NOT_CONSENTED,
    16: NOT_CONSENTED,
    18: BLOCKED,
    19: MANAGER,
}
_GUEST = 17  # of each twenty


def member(number: int) -> Person:
    """The person of this number."""
    name, oid = f"soak{number:04}", f"50a40000-5eed-4000-8000-{number:012}"
    guest = number % 20 == _GUEST
    traits = frozenset({_TRAITS[number % 20]} if number % 20 in _TRAITS else ())
    return Person(
        name,
        f"Soak Person {number:04}",
        f"{name}_fabrikam.example#EXT#@contoso.example" if guest else f"{name}@contoso.example",
        f"{name}@fabrikam.example" if guest else f"{name}@contoso.example",
        oid,
        traits=traits,
        **({"home_tenant": FABRIKAM, "guest_home_oid": oid.replace("-8000-", "-9000-")} if guest else {}),
    )


@contextmanager
def crowd(size: int) -> Iterator[list[Person]]:
    """So many people more, for stacks that are started meanwhile."""
    crowd = [member(number) for number in range(size)]
    everybody: tuple[Person, ...] = people._EVERYBODY
    setattr(people, "_EVERYBODY", (*everybody, *crowd))  # noqa: B010 — typed as a tuple of seven
    for known in (people.PEOPLE, people.EVERYONE):
        known.update({person.name: person for person in crowd})
    try:
        yield crowd
    finally:
        setattr(people, "_EVERYBODY", everybody)  # noqa: B010 — as above
        for person in crowd:
            del people.PEOPLE[person.name], people.EVERYONE[person.name]
