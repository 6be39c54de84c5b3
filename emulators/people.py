"""The people of the emulated tenants. Each stands for one outcome: failures are chosen by person, not by chance."""

from __future__ import annotations

from dataclasses import dataclass, field

CONTOSO = "c0070505-1e9a-4c21-9d5e-3f6a0b7c8d21"
"""Tenant in which the applications are registered and everybody has an account."""
FABRIKAM = "fab41ca0-52d4-4b6e-8a19-6c3e5d4f7b82"
"""Home tenant of the guest. The applications are there only if they are for several tenants."""
CUSTOMERS = "ec570305-2b6f-4d1a-8c7e-9f0a1b2c3d4e"
"""A tenant of Entra External ID. The applications are there once a test has put them there."""

TENANTS = {
    CONTOSO: CONTOSO,
    "contoso.example": CONTOSO,
    "contoso.onmicrosoft.com": CONTOSO,
    FABRIKAM: FABRIKAM,
    "fabrikam.example": FABRIKAM,
    CUSTOMERS: CUSTOMERS,
    "customers.onmicrosoft.com": CUSTOMERS,
}
"""Every name a tenant can be addressed by → its id."""

ADMIN = "admin"
"""May grant consent for everybody."""
NEEDS_MFA = "needs-mfa"
"""Conditional Access wants a second factor before any exchange."""
NOT_CONSENTED = "not-consented"
"""Has not allowed the API to act for them."""
BLOCKED = "blocked"
"""Conditional Access refuses any exchange, and nothing the person does changes that."""
USES_AGENT = "uses-agent"
"""Where this person calls with the sample client, the client is an agent that calls for the person."""
AGENT_USER = "agent-user"
"""The user account of an agent. No person stands behind it."""
REVOKED = "revoked"
"""An administrator revokes this person's sessions as soon as they exist."""


@dataclass(frozen=True)
class Person:
    """An account in `tenant`. `oid` is its object id there; `home_oid` differs from it for a guest only."""

    name: str
    display_name: str
    upn: str
    mail: str
    oid: str
    home_tenant: str = CONTOSO
    traits: frozenset[str] = field(default_factory=frozenset)
    about: str = ""
    guest_home_oid: str | None = None
    tenant: str = CONTOSO

    @property
    def home_oid(self) -> str:
        """Object id in the home tenant."""
        return self.guest_home_oid or self.oid

    @property
    def is_guest(self) -> bool:
        """Whether the account is invited from another tenant."""
        return self.home_tenant != self.tenant

    @property
    def calls_through_agent(self) -> bool:
        """Whether an agent takes the part of the sample client."""
        return not self.traits.isdisjoint({USES_AGENT, AGENT_USER})

    @property
    def sign_in_name(self) -> str:
        """What the person types to sign in: a guest uses the address of the home tenant."""
        return self.mail if self.is_guest else self.upn

    @property
    def given_name(self) -> str:
        """First word of the display name."""
        return self.display_name.split(" ")[0]

    @property
    def surname(self) -> str:
        """The rest of the display name."""
        return self.display_name.partition(" ")[2]


def _member(name: str, surname: str, oid: str, about: str, *traits: str) -> Person:
    address = f"{name}@contoso.example"
    return Person(name, f"{name.capitalize()} {surname}", address, address, oid, traits=frozenset(traits), about=about)


_EVERYBODY = (
    _member("alice", "Ahlberg", "a11ce000-3c5d-4e1f-8a2b-90b1c2d3e4f5", "all is well; also an administrator", ADMIN),
    _member(
        "maya",
        "Moreno",
        "0a4a0000-7b1c-4d2e-9f3a-81c2d3e4f5a6",
        "needs MFA: a claims challenge until she steps up",
        NEEDS_MFA,
    ),
    _member(
        "connor",
        "Castle",
        "c0ff0400-2d6e-4f3a-8b4c-72d3e4f5a6b7",
        "has not consented: refused until consent is given",
        NOT_CONSENTED,
    ),
    Person(
        "greta",
        "Greta Gruber",
        "greta_fabrikam.example#EXT#@contoso.example",
        "greta@fabrikam.example",
        "94e7a000-8e7f-4a4b-9c5d-63e4f5a6b7c8",
        FABRIKAM,
        about="guest from another tenant: works, under the id of her guest account",
        guest_home_oid="94e7a0ff-1f8a-4b5c-8d6e-54f5a6b7c8d9",
    ),
    _member(
        "blake",
        "Bishop",
        "b1a4e000-4a9b-4c6d-9e7f-45a6b7c8d9ea",
        "blocked by Conditional Access, with nothing to be done",
        BLOCKED,
    ),
    _member(
        "rhea",
        "Rossi",
        "44ea0000-9bac-4d7e-8f8a-36b7c8d9eafb",
        "sessions revoked: must sign in again, and is revoked again",
        REVOKED,
    ),
    _member("olga", "Olsen", "019a0000-acbd-4e8f-9a9b-27c8d9eafb0c", "all is well"),
    _member(
        "petra",
        "Paulsen",
        "9e47a000-bdce-4f9a-8bac-18d9eafb0c1d",
        "calls through an agent: works, and the log names the agent",
        USES_AGENT,
    ),
    _member(
        "robin",
        "Ridge",
        "40b14000-cedf-4a0b-9cbd-09eafb0c1d2e",
        "the user account of an agent: refused unless AzureAd__AllowAgentUsers",
        AGENT_USER,
    ),
)

PEOPLE: dict[str, Person] = {person.name: person for person in _EVERYBODY}
"""Everybody in Contoso, by short name."""


def _elsewhere(tenant: str, domain: str, name: str, surname: str, oid: str, about: str, *traits: str) -> Person:
    address, shown = f"{name}@{domain}", f"{name.capitalize()} {surname}"
    return Person(name, shown, address, address, oid, tenant, frozenset(traits), about, tenant=tenant)


_IN_FABRIKAM = (FABRIKAM, "fabrikam.example")
_ELSEWHERE = (
    _elsewhere(
        *_IN_FABRIKAM, "frida", "Fisher", "f41da000-1b2c-4d3e-8f4a-5b6c7d8e9f01", "all is well; an administrator", ADMIN
    ),
    _elsewhere(*_IN_FABRIKAM, "felix", "Faber", "fe11c000-2c3d-4e4f-9a5b-6c7d8e9f0a12", "needs MFA", NEEDS_MFA),
    _elsewhere(
        *_IN_FABRIKAM, "fiona", "Frank", "f104a000-3d4e-4f5a-8b6c-7d8e9f0a1b23", "has not consented", NOT_CONSENTED
    ),
    _elsewhere(
        CUSTOMERS, "customers.example", "carla", "Costa", "ca41a000-4e5f-4a6b-9c7d-8e9f0a1b2c34", "a customer", ADMIN
    ),
)
EVERYONE: dict[str, Person] = {**PEOPLE, **{person.name: person for person in _ELSEWHERE}}
"""Everybody in every tenant, by short name."""


def people_of(tenant: str) -> list[Person]:
    """Who has an account in this tenant."""
    return [person for person in EVERYONE.values() if person.tenant == tenant]


def person_by_oid(oid: object) -> Person | None:
    """The account with this object id, or None."""
    return next((person for person in EVERYONE.values() if person.oid == oid), None)


def person_by_sign_in_name(text: str) -> Person | None:
    """The account that signs in under this name (case does not count), or None."""
    wanted = text.strip().lower()
    return next((p for p in EVERYONE.values() if wanted in (p.sign_in_name.lower(), p.upn.lower(), p.name)), None)
