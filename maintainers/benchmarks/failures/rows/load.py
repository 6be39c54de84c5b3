"""Many at once, one throttled, and a certificate that changes meanwhile."""

from __future__ import annotations

from emulators.people import PEOPLE
from maintainers.benchmarks.together import at_once

from ..subject import Subject, tried_in_words
from ..tenant import TOKEN_ENDPOINT

THREADS = 20
_THROTTLED = {"error": "temporarily_unavailable", "error_description": "AADSTS90055: busy", "error_codes": [90055]}


def throttled(subject: Subject) -> str:
    """What the throttled user's call comes to, and what it costs: two calls."""
    peer, tenant = subject.fresh(), subject.tenant
    peer.call(tenant.token())
    _throttle(subject)
    since, olga = tenant.mark(), tenant.token("olga")
    outcome = peer.call(olga)
    first = tried_in_words(tenant.asked(TOKEN_ENDPOINT, since), peer.paused)
    since = tenant.mark()
    peer.call(olga)
    return f"{outcome.said}: {first}; second call: {tried_in_words(tenant.asked(TOKEN_ENDPOINT, since), 0)}"


def throttled_other(subject: Subject) -> str:
    """Another user's call in the same moment."""
    peer, tenant = subject.fresh(), subject.tenant
    peer.call(tenant.token())
    _throttle(subject)
    peer.call(tenant.token("olga"))
    since = tenant.mark()
    outcome = peer.call(tenant.token("greta"))
    asked = tenant.asked(TOKEN_ENDPOINT, since)
    return "answered" if outcome.answered else f"{outcome.said}{'' if asked else ', without asking Entra'}"


def threads(subject: Subject) -> str:
    """Exchanges for one token that arrives in twenty threads at once, and once more."""
    peer, tenant = subject.fresh(), subject.tenant
    peer.call(tenant.token("olga"))
    bearer, since = tenant.token(), tenant.mark()
    outcomes = at_once(THREADS, lambda: peer.call(bearer))
    first = tenant.asked(TOKEN_ENDPOINT, since)
    since = tenant.mark()
    outcomes.append(peer.call(bearer))
    wrong = sum(outcome.person != PEOPLE["alice"].oid for outcome in outcomes)
    more = tenant.asked(TOKEN_ENDPOINT, since)
    return f"{first}, then {more} for the next call{f'; {wrong} calls failed' if wrong else ''}"


def rotated(subject: Subject) -> str:
    """A known and a new caller, after the old certificate has been taken out of the registration."""
    peer, tenant = subject.fresh(), subject.tenant
    known = tenant.token()
    peer.call(known)
    tenant.stack.rotate_client_certificate(unregister_old=True)
    tenant.write_certificate()
    outcomes = {"known": peer.call(known), "new": peer.call(tenant.token("olga"))}
    said = {who: "answered" if outcome.answered else outcome.said for who, outcome in outcomes.items()}
    return said["new"] if said["new"] == said["known"] else "; ".join(f"{who}: {text}" for who, text in said.items())


def _throttle(subject: Subject) -> None:
    subject.tenant.stack.faults.add(
        "entra.token", status=429, headers={"Retry-After": "30"}, body=_THROTTLED, person="olga"
    )


MEASUREMENTS = {"throttled": throttled, "throttled-other": throttled_other, "threads": threads, "rotated": rotated}
