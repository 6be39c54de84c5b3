"""Entra's token endpoint is down, or does not respond."""

from __future__ import annotations

import math

from ..subject import Subject, tried_in_words, wait_in_words
from ..tenant import TOKEN_ENDPOINT, beside, comes_true


def unavailable(subject: Subject) -> str:
    """503: how often it is asked, and what the app gets."""
    peer, tenant = subject.fresh(), subject.tenant
    peer.call(tenant.token())
    tenant.stack.faults.add("entra.token", status=503, body="<html>down</html>")
    since = tenant.mark()
    outcome = peer.call(tenant.token("olga"))
    return f"{outcome.said}: {tried_in_words(tenant.asked(TOKEN_ENDPOINT, since), peer.paused)}"


def over(subject: Subject) -> str:
    """The outage is over: another caller, a moment later."""
    peer, tenant = subject.fresh(), subject.tenant
    peer.call(tenant.token())
    tenant.stack.faults.add("entra.token", status=503, body="<html>down</html>")
    peer.call(tenant.token("olga"))
    tenant.stack.faults.clear()
    since = tenant.mark()
    outcome = peer.call(tenant.token("greta"))
    asked = tenant.asked(TOKEN_ENDPOINT, since)
    return "answered" if outcome.answered else f"{outcome.said}{'' if asked else ', without asking Entra'}"


def hang(subject: Subject) -> str:
    """The timeout in force while the endpoint hangs, times the attempts that are made when it strikes."""
    peer, tenant = subject.fresh(), subject.tenant
    peer.call(tenant.token())
    tenant.stack.faults.add("entra.token", network="hang")
    since = tenant.mark()
    caller = beside(lambda: peer.call(tenant.token("olga")))
    if not comes_true(lambda: tenant.asked(TOKEN_ENDPOINT, since)):
        raise AssertionError("the token endpoint was not asked")
    nominal = peer.nominal_time_out()
    tenant.stack.faults.clear()
    caller.result(60)
    if math.isinf(nominal):
        return wait_in_words(nominal, 1)
    hasty = subject.fresh(time_out=0.5)
    hasty.call(tenant.token())
    tenant.stack.faults.add("entra.token", network="hang")
    since = tenant.mark()
    outcome = hasty.call(tenant.token("olga"))
    return f"{wait_in_words(nominal, tenant.asked(TOKEN_ENDPOINT, since), hasty.paused)}; then {outcome.said}"


MEASUREMENTS = {"entra-503": unavailable, "entra-503-over": over, "entra-hang": hang}
