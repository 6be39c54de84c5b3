"""Whether a response was right: whose data it has, whether it was due, and what excuses a wrong one."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from emulators.people import BLOCKED, NEEDS_MFA, NOT_CONSENTED, REVOKED, Person

from .crowd import MANAGER
from .history import Disturbance
from .wallet import Token

ANSWERED, REFUSED, UNAVAILABLE = "answered", "refused", "unavailable"
WRONG_OWNER, WRONG_TOKEN, LET_IN = "wrong owner", "another token's answer", "let in wrongly"
TWICE = "order made twice"
INTERNAL, MALFORMED, UNEXCUSED = "internal error", "malformed reply", "unexcused"
BROKEN = "thread of the soak broke"  # no verdict on a call

RIGHT = (ANSWERED, REFUSED, UNAVAILABLE)
WRONG = (WRONG_OWNER, WRONG_TOKEN, LET_IN, TWICE, INTERNAL, MALFORMED, UNEXCUSED, BROKEN)

_SECOND_FETCH = 20.0  # seconds until it is there: five until it begins, ten if it hangs, five until another
_BAD = {"none": (401, "missing_token"), "app-only": (403, "user_token_required")}
_SERVICE = {"/api/me": "graph", "/api/orders": "orders"}


@dataclass(frozen=True)
class Call:
    """One call, its reply and when it was under way. `status` 0: no reply at all.

    `owners`: whose data is in it; `items`: of its orders, each of which was ordered in one call only.
    """

    person: Person
    token: Token
    path: str
    start: float
    end: float
    status: int
    code: str = ""
    owners: Collection[str] = ()
    items: Collection[str] = ()
    headers: Collection[str] = field(default_factory=tuple)

    @property
    def api(self) -> str:
        """The downstream API behind the path."""
        return _SERVICE[self.path]


class Judge:
    """Knows the tokens with a successful call. For them, an outage of Entra excuses nothing. Thread-safe."""

    def __init__(self, without_consent: Collection[str] = ()) -> None:
        """`without_consent`: the APIs that nobody's consent is needed for."""
        self._without_consent = frozenset(without_consent)
        self._answered_at: dict[tuple[int, str], float] = {}
        self._heard_at: dict[Disturbance, float] = {}
        self._lock = threading.Lock()

    def verdict(self, call: Call, disturbances: Sequence[Disturbance]) -> str:
        """One of RIGHT or WRONG."""
        live = self._is_live(call, disturbances)
        if 200 <= call.status < 300:
            found = self._of_response(call, disturbances)
            if found == ANSWERED:
                self._remember(call, disturbances)
            return found
        if call.status == 500:
            return INTERNAL
        if call.status and not _is_well_formed(call):
            return MALFORMED
        if (call.status, call.code) == self._due(call):
            return REFUSED
        if call.status in (502, 503, 504):
            return UNAVAILABLE if any(_excuses_failure(d, call, live) for d in disturbances) else UNEXCUSED
        return REFUSED if any(_excuses_refusal(d, call, live) for d in disturbances) else UNEXCUSED

    def is_due(self, call: Call, *, consented: bool) -> bool:
        """Whether this is the response without any fault. `consented`: whether the person has consented."""
        refusal = None if consented and NOT_CONSENTED in call.person.traits else self._due(call)
        return (call.status, call.code) == (refusal or (200, ""))

    def _of_response(self, call: Call, disturbances: Sequence[Disturbance]) -> str:
        if call.token.bad:
            return LET_IN
        sees_all = MANAGER in call.person.traits and call.api == "orders"
        if not sees_all and set(call.owners) - {call.person.oid}:
            return WRONG_OWNER
        if len(set(call.items)) < len(call.items):
            return TWICE
        if self._needs_consent(call):
            return ANSWERED if any(d.kind == "consent" for d in disturbances) else LET_IN  # if since withdrawn, too
        if self._due(call):
            return WRONG_TOKEN  # only another token of the same person could have got this response
        if _is_stale(call, disturbances) or self._is_withdrawn(call, disturbances):
            return LET_IN
        return ANSWERED

    def _needs_consent(self, call: Call) -> bool:
        return NOT_CONSENTED in call.person.traits and call.api not in self._without_consent

    def _due(self, call: Call) -> tuple[int, str] | None:
        """Status and code of the refusal that this call must get. None: it must succeed."""
        traits = call.person.traits
        if call.token.bad:
            return _BAD.get(call.token.bad, (401, "invalid_token"))
        if NEEDS_MFA in traits and not call.token.has_mfa:
            return 401, "insufficient_claims"
        if BLOCKED in traits:
            return 403, "access_denied"
        if REVOKED in traits:
            return 401, "invalid_token"
        return (403, "consent_required") if self._needs_consent(call) else None

    def _is_live(self, call: Call, disturbances: Sequence[Disturbance]) -> bool:
        """Whether the API has what it needs for this token: then Entra and the vault are not asked."""
        with self._lock:
            answered = self._answered_at.get((call.token.number, call.api))
        if answered is None or answered >= call.start:
            return False
        ending = ("challenge", "withdrawal", "revocation")
        return not any(d.kind in ending and d.since < call.end for d in disturbances)

    def _is_withdrawn(self, call: Call, disturbances: Sequence[Disturbance]) -> bool:
        """Whether its key was withdrawn and the API knew: a token of a newer key had succeeded before.

        Then it had fetched the key set once without that key; a second fetch, a little later, had to lack it too.
        """
        if any(disturbance.kind in ("keys", "entra") for disturbance in disturbances):
            return False  # the second fetch may have failed
        with self._lock:
            return any(
                self._heard_at.get(disturbance, call.start) + _SECOND_FETCH < call.start
                for disturbance in disturbances
                if disturbance.withdraws(call.token.key_id)
            )

    def _remember(self, call: Call, disturbances: Sequence[Disturbance]) -> None:
        with self._lock:
            self._answered_at.setdefault((call.token.number, call.api), call.end)
            for disturbance in disturbances:
                if disturbance.kind == "withdrawal" and not disturbance.withdraws(call.token.key_id):
                    self._heard_at.setdefault(disturbance, call.end)


def _is_stale(call: Call, disturbances: Sequence[Disturbance]) -> bool:
    """Graph evaluates continuously: after the revocation it must not have accepted what was issued before."""
    return call.api == "graph" and any(d.revokes(call.token.issued) and d.until < call.start for d in disturbances)


def _is_well_formed(call: Call) -> bool:
    needed = {401: "www-authenticate", 503: "retry-after"}.get(call.status)
    return bool(call.code) and (needed is None or needed in call.headers)


def _excuses_failure(disturbance: Disturbance, call: Call, live: bool) -> bool:
    """Whether it can be the reason of a 502, 503 or 504."""
    kind = disturbance.kind
    if kind == call.api:
        return True
    if call.api == "orders" and kind in ("keys", "roll", "withdrawal"):
        return True  # the Orders API looks into the new token itself
    if kind == "withdrawal":  # Graph refuses the token that the withdrawn key has signed; or key sets differ
        return call.status == 502 or (call.status == 503 and not live)
    return kind in ("entra", "keys", "credential", "roll") and call.status == 503 and not live


def _excuses_refusal(disturbance: Disturbance, call: Call, live: bool) -> bool:
    """Whether it can be the reason of a 401 or 403 that was not due."""
    kind, said = disturbance.kind, (call.status, call.code)
    if said == (401, "invalid_token"):
        if kind == "revocation":
            return disturbance.revokes(call.token.issued)
        return disturbance.withdraws(call.token.key_id) or (kind in ("roll", "keys", "withdrawal") and not live)
    if said == (401, "insufficient_claims"):
        return kind in ("challenge", "revocation") and call.api == "graph"
    return False
