"""Who may use an Azure service: a delegated token for its resource, and a role of the user on it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from ..entra.claims_request import MFA_CLAIMS
from ..entra.service import Entra
from ..entra.verification import TokenError, verify_token
from ..people import CONTOSO, Person, person_by_oid
from ..refused_tokens import RefusedTokens
from ..requests_io import bearer, fingerprint
from .declared import SCOPE, AzureService, Kind


class TokenRefusedError(Exception):
    """The service does not accept the token. `claims` is the claims request that a new one must satisfy."""

    def __init__(self, reason: str, *, missing: bool = False, claims: Mapping[str, object] | None = None) -> None:
        super().__init__(reason)
        self.missing, self.claims = missing, claims


class RoleMissingError(Exception):
    """The token is good. The user holds no role on the service that allows this."""

    def __init__(self, person: Person, action: str, roles: Iterable[str]) -> None:
        self.needs = tuple(roles)
        super().__init__(f"{person.name} may not {action}: needs {' or '.join(self.needs)}")


@dataclass
class _Demand:
    claims: Mapping[str, object]
    person: str | None
    left: int


class ClaimsDemands:
    """Claims that a service asks for. A token that was refused once is refused until its end. Safe across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[_Demand] = []
        self._refused: dict[str, Mapping[str, object]] = {}

    def add(self, claims: Mapping[str, object] | None = None, *, person: str | None = None, tokens: int = 1) -> None:
        """Refuses the next `tokens` different tokens (of `person`) with a claims challenge. None asks for MFA."""
        with self._lock:
            self._open.append(_Demand(MFA_CLAIMS if claims is None else claims, person, tokens))

    def clear(self) -> None:
        """Forgets all demands and refused tokens."""
        with self._lock:
            self._open.clear()
            self._refused.clear()

    def check(self, token: str, person: Person) -> None:
        """Raises TokenRefusedError for a token that must be replaced by one with more claims."""
        mark = fingerprint(token)
        with self._lock:
            demand = next((one for one in self._open if one.person in (None, person.name)), None)
            if mark not in self._refused and demand is not None:
                self._refused[mark] = demand.claims
                demand.left -= 1
                self._open = [one for one in self._open if one.left > 0]
            claims = self._refused.get(mark)
        if claims is not None:
            raise TokenRefusedError("claims challenge", claims=claims)


class Access:
    """The checks of one service, in this order: token, audience, user, scope, then the role.

    `holders` says who holds each role: the name of the role, and short names of people. A test may change it.
    """

    def __init__(self, entra: Entra, service: AzureService) -> None:
        self._entra = entra
        self.kind: Kind = service.kind
        self.refused_tokens = RefusedTokens()
        self.demands = ClaimsDemands()
        self.holders: dict[str, set[str]] = {}
        self._roles = service.roles
        self.reset()

    def reset(self) -> None:
        """Gives everybody the roles of the table, and forgets what was demanded."""
        self.holders.update({role: set(self._roles.get(role, ())) for role in self.kind.roles})
        self.demands.clear()

    def caller(self, request: Request, action: str) -> Person:
        """The user who may do this. Raises TokenRefusedError and RoleMissingError."""
        token = bearer(request)
        if token is None:
            raise TokenRefusedError("no token", missing=True)
        claims = self._claims(token)
        person = person_by_oid(claims.get("oid"))
        if person is None or "scp" not in claims:
            raise TokenRefusedError("the token is not of a user")  # a role of an application is not emulated
        if SCOPE not in str(claims["scp"]).split():
            raise TokenRefusedError(f"the token lacks the scope {SCOPE}")
        if not self.refused_tokens.accepts(token):
            raise TokenRefusedError("the token is no longer accepted")
        self.demands.check(token, person)
        roles = [role for role, allowed in self.kind.roles.items() if action in allowed]
        if not any(person.name in self.holders[role] for role in roles):
            raise RoleMissingError(person, action, roles)
        return person

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            claims = verify_token(token, self._entra.keys, CONTOSO, self._entra.now())
        except TokenError as bad:
            raise TokenRefusedError(str(bad)) from None
        if claims.get("tid") != CONTOSO:
            raise TokenRefusedError("the token is of another tenant")
        if str(claims.get("aud", "")).rstrip("/") not in (self.kind.resource, self.kind.client_id):
            raise TokenRefusedError("Audience validation failed. Audience did not match.")
        return claims
