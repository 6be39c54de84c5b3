"""The requests that the emulators got, by fingerprints of tokens: which token was exchanged, and which was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from emulators.audit import Audit, Entry
from emulators.requests_io import fingerprint


@dataclass(frozen=True)
class Exchange:
    """One On-Behalf-Of exchange. `claims` are those asked of the sign-in, without the API's capabilities."""

    assertion: str
    resource: str
    status: int
    claims: dict[str, Any]
    issued: str | None


class Trail:
    """The audit trail from now on, or from the last `restart`."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._mark = audit.mark()

    def restart(self) -> None:
        self._mark = self._audit.mark()

    @property
    def exchanges(self) -> list[Exchange]:
        return [_exchange(entry) for entry in self._entries() if entry.action == "obo"]

    def calls(self, service: str) -> list[tuple[str, int]]:
        """(fingerprint of the bearer token, status) of every request to `graph` or `orders`."""
        return [(entry.details["bearer"], entry.status) for entry in self._entries() if entry.service == service]

    def pages(self, action: str) -> list[str]:
        """The verdicts on every submitted page of Entra: `sign-in`, `mfa`, `consent`."""
        return [entry.verdict for entry in self._entries() if entry.action == action]

    def origin(self, bearer: str) -> str:
        """The fingerprint of the token that this downstream token was exchanged for."""
        (source,) = [e.assertion for e in map(_exchange, self._all("obo")) if e.issued == bearer]
        return source

    def _entries(self) -> list[Entry]:
        return self._audit.entries(self._mark)

    def _all(self, action: str) -> list[Entry]:
        return [entry for entry in self._audit.entries() if entry.action == action]


def _exchange(entry: Entry) -> Exchange:
    details = entry.details
    claims = json.loads(details.get("claims", "{}")).get("access_token", {})
    assert claims.pop("xms_cc", None) == {"values": ["cp1"]}  # every exchange declares it: Graph challenges no other
    return Exchange(details["assertion"], details.get("resource", ""), entry.status, claims, details.get("issued"))


def print_of(token: str) -> str:
    """The fingerprint of a token, as the trail shows it."""
    return fingerprint(token)
