"""Entra's signing keys: floods of bogus key ids, outages, keys that come and go."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..outcome import Outcome
from ..subject import Subject, wait_in_words
from ..tenant import KEY_SET, beside, comes_true

FLOOD = 200
CROWD, THREADS = 60, 16
_KEYS = ("entra.keys", "entra.discovery")
_STEPS = (
    (60, "1 min"),
    (600, "10 min"),
    (4_200, "70 min"),
    (4_800, "80 min"),
    (10_800, "3 h"),
    (90_000, "25 h"),
    (300_000, "3 days"),
)
_SOON = 3.0  # seconds in which what happens at once has happened


def flood(subject: Subject) -> str:
    """Fetches that so many tokens with made-up key ids cause, a minute after the last one."""
    return str(_fetches(subject, outage=False))


def flood_outage(subject: Subject) -> str:
    """The same while the fetches fail."""
    return str(_fetches(subject, outage=True))


def _fetches(subject: Subject, outage: bool) -> int:
    tenant, peer = subject.tenant, subject.fresh()
    good = tenant.token()
    _must_pass(peer.validate(good).answered)
    peer.later(60)
    if outage:
        tenant.stack.faults.add("entra.keys", status=503)
    since = tenant.mark()
    for _ in range(FLOOD):
        peer.validate(_bogus(good))
    return tenant.asked(KEY_SET, since)


def good_waits(subject: Subject) -> str:
    """Whether a caller with a known key gets in behind a crowd of bogus key ids, all in a few threads."""
    tenant, peer = subject.tenant, subject.fresh()
    good = tenant.token()
    _must_pass(peer.validate(good).answered)
    peer.later(60)
    tenant.stack.faults.add("entra.keys", network="hang")
    since = tenant.mark()
    with ThreadPoolExecutor(THREADS) as threads:
        bogus = [threads.submit(peer.validate, _bogus(good)) for _ in range(CROWD)]
        fetching = comes_true(lambda: tenant.asked(KEY_SET, since), _SOON)
        caller = threads.submit(peer.validate, good)
        at_once = comes_true(caller.done, _SOON)
        waits = "" if at_once else wait_in_words(peer.nominal_time_out(), 1) + " and more"
        tenant.stack.faults.clear()
        _must_pass(caller.result(60).answered)
        for each in bogus:
            each.result(60)
    if at_once:
        return "gets in at once" if fetching else "gets in at once (a bogus key id fetches nothing)"
    return f"waits, too: {waits}"


def keys_outage(subject: Subject) -> str:
    """For how long callers get in while the key set cannot be fetched."""
    tenant, peer = subject.tenant, subject.fresh()
    good, last = tenant.token(), "0 min"
    _must_pass(peer.validate(good).answered)
    for target in _KEYS:
        tenant.stack.faults.add(target, status=503)
    for label in _steps(peer.later):
        outcome = _second(peer, good)
        if not outcome.answered:
            return f"for {last}; after {label}: {outcome.said}"
        last = label
    return f"for {last} and more"


def withdrawn(subject: Subject) -> str:
    """For how long a token is accepted whose key Entra has withdrawn, if nobody comes with a new one."""
    tenant, peer = subject.tenant, subject.fresh()
    old, last = tenant.token(), "0 min"
    _must_pass(peer.validate(old).answered)
    tenant.stack.roll_signing_key(withdraw_old=True)
    for label in _steps(peer.later):
        if not _second(peer, old).answered:
            return f"for {last}, not for {label}"
        last = label
    return f"for {last} and more"


def rolled(subject: Subject) -> str:
    """When the first token passes that a new key has signed, a minute after the last fetch."""
    tenant, peer = subject.tenant, subject.fresh()
    _must_pass(peer.validate(tenant.token()).answered)
    peer.later(60)
    tenant.stack.roll_signing_key()
    new, before = tenant.token(), ""
    if peer.validate(new).answered:
        return "at once"
    for label in _steps(peer.later):
        if peer.validate(new).answered:
            return f"after {label}{before}"
        before = f", not after {label}"
    return f"never{before}"


def hang(subject: Subject) -> str:
    """The longest wait of the first caller of all."""
    tenant, peer = subject.tenant, subject.fresh()
    tenant.stack.faults.add("entra.keys", network="hang")
    since = tenant.mark()
    caller = beside(lambda: peer.validate(tenant.token()))
    _must_pass(comes_true(lambda: tenant.asked(KEY_SET, since)))
    nominal = peer.nominal_time_out()
    tenant.stack.faults.clear()
    caller.result(60)
    tenant.stack.faults.add("entra.keys", network="hang")
    since, hasty = tenant.mark(), subject.fresh(time_out=0.3)
    outcome = hasty.validate(tenant.token())
    return f"{wait_in_words(nominal, tenant.asked(KEY_SET, since), hasty.paused)}; then {outcome.said}"


def _steps(later: Callable[[float], None]) -> Iterator[str]:
    """Lets time pass, from one label to the next."""
    passed = 0.0
    for seconds, label in _STEPS:
        later(seconds - passed)
        passed = seconds
        yield label


def _second(peer: Any, bearer: str) -> Outcome:
    """What comes of the second of two calls: the first may have let a refresh begin."""
    peer.validate(bearer)
    peer.settle()
    outcome: Outcome = peer.validate(bearer)
    return outcome


def _bogus(good: str) -> str:
    """A genuine token under another key id."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "typ": "JWT", "kid": uuid.uuid4().hex}).encode())
    return f"{header.rstrip(b'=').decode()}.{good.partition('.')[2]}"


def _must_pass(passed: object) -> None:
    if not passed:
        raise AssertionError("what must work before anything fails did not work")


MEASUREMENTS = {
    "flood": flood,
    "flood-outage": flood_outage,
    "good-waits": good_waits,
    "keys-outage": keys_outage,
    "withdrawn": withdrawn,
    "rolled": rolled,
    "keys-hang": hang,
}
