"""What the emulated Entra keeps between two requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.responses import Response

from ..applications import Application
from ..people import Person
from .claims_request import ClaimsRequest
from .refusals import EntraError
from .scopes import RequestedScopes


@dataclass(frozen=True)
class AuthorizationRequest:
    """A sign-in a client has asked for, checked."""

    tenant: str
    client: Application
    redirect_uri: str
    response_mode: str
    scopes: RequestedScopes
    code_challenge: str | None = None
    state: str | None = None
    nonce: str | None = None
    claims: ClaimsRequest = field(default_factory=ClaimsRequest)


@dataclass(frozen=True)
class SignIn:
    """When somebody signed in (seconds since the epoch), and by which methods (`amr`)."""

    at: float
    methods: tuple[str, ...]


@dataclass
class Code:
    """An authorization code: what it was asked for, who signed in, and whether it has been redeemed."""

    request: AuthorizationRequest
    person: Person
    methods: tuple[str, ...]
    redeemed: bool = False


@dataclass
class DeviceSignIn:
    """A sign-in on another device: what was asked, and what the person has decided."""

    client: Application
    tenant: str
    scopes: RequestedScopes
    expires: float
    claims: ClaimsRequest = field(default_factory=ClaimsRequest)
    person: Person | None = None
    declined: bool = False
    methods: tuple[str, ...] = ()
    last_poll: float = 0.0


@dataclass(frozen=True)
class RefreshGrant:
    """What a refresh token stands for. It is bound to a client and a person, and not to a resource."""

    client: Application
    tenant: str
    person: Person
    issued: float
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Permission:
    """Scopes of a resource that an application wants to use."""

    client: Application
    resource: Application
    scopes: tuple[str, ...]


@dataclass
class Visit:
    """A person's way through the sign-in pages. `finish` and `cancel` make the last response."""

    tenant: str
    client: Application
    scopes: RequestedScopes
    finish: Callable[[Visit, Person], Response]
    cancel: Callable[[EntraError], Response]
    claims: ClaimsRequest = field(default_factory=ClaimsRequest)
    ask_consent: bool = False
    for_everybody: bool = False
    """An administrator is to consent for the whole tenant."""
    suggested: Person | None = None
    person: Person | None = None
    more_methods: frozenset[str] = frozenset()
    """The methods that the person has used in addition to the password."""
    consented: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """How the person has signed in, as `amr` says it."""
        return ("pwd", *sorted(self.more_methods))
