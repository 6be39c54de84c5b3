"""What is known before a service fails, the request during the failure, and the work of the next good request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.lab import Lab

from .api import Api

_HOUR = 3600.0
Preparation = Callable[[Lab, Api, str, str], None]
"""Called with alice's and with olga's token."""


@dataclass(frozen=True)
class Scene:
    """Before the failure there was `prepare`; then alice calls `function`, which cannot do without the service.

    When it is over she calls again, and `next_request` is all that the emulators see of it: the rest was kept.
    """

    function: str
    prepare: Preparation
    next_request: str


def _nothing(lab: Lab, api: Api, alice: str, olga: str) -> None:
    """A process that has just started."""


def _signed_in(lab: Lab, api: Api, alice: str, olga: str) -> None:
    """Entra's signing keys are known, and so is alice."""
    assert api.call("whoami", alice).status == 200


def _others_were_here(lab: Lab, api: Api, alice: str, olga: str) -> None:
    """A call of Graph for olga succeeded, so the client credential is loaded."""
    assert api.call("me", olga).status == 200
    _signed_in(lab, api, alice, olga)


def _called_before(function: str) -> Preparation:
    def call(lab: Lab, api: Api, alice: str, olga: str) -> None:
        """Her token for that very API is known."""
        assert api.call(function, alice).status == 200

    return call


_CREDENTIAL = "identity:token vault:secret"

SCENES = {
    "discovery": Scene("me", _nothing, "entra:discovery entra:keys entra:obo graph:me"),  # the credential is there
    "keys": Scene("me", _nothing, "entra:discovery entra:keys entra:obo graph:me"),
    "identity": Scene("me", _nothing, f"{_CREDENTIAL} entra:obo graph:me"),
    "vault": Scene("me", _nothing, f"{_CREDENTIAL} entra:obo graph:me"),
    "token": Scene("me", _others_were_here, "entra:obo graph:me"),
    "graph": Scene("me", _called_before("me"), "graph:me"),
    "orders": Scene("add order", _called_before("add order"), "orders:orders"),
}


@dataclass(frozen=True)
class Refresh:
    """The results of alice's first call are so many seconds old when `person` calls. Then the service fails.

    `meanwhile` are the successful requests in that time, in any order: the caller's own, and those that were due. A
    minute later the service responds again and `next_person` calls. `renewed` must be among the successes.
    """

    after: float
    person: str
    meanwhile: str
    next_person: str
    renewed: str
    lifetime: float = 10 * _HOUR
    """Of the tokens that Entra issues: no exchange is due where it would be in the way."""


_KEYS = "entra:discovery entra:keys"

REFRESHES = {
    "discovery": Refresh(_HOUR, "alice", "graph:me", "alice", _KEYS),
    "keys": Refresh(_HOUR, "alice", "entra:discovery graph:me", "alice", _KEYS),
    "identity": Refresh(4 * _HOUR, "olga", f"{_KEYS} entra:obo graph:me", "greta", "identity:token vault:secret"),
    "vault": Refresh(4 * _HOUR, "olga", f"identity:token {_KEYS} entra:obo graph:me", "greta", "vault:secret"),
    "token": Refresh(_HOUR - 300, "alice", "graph:me", "alice", "entra:obo", lifetime=_HOUR),
}
