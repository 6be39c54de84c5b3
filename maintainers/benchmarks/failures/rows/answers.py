"""Unusable responses: HTML in place of JSON, ten megabytes. And what all failures together left in the log."""

from __future__ import annotations

from ..outcome import NOWHERE, Outcome
from ..subject import Subject

_MARK = "inner-host-17.corp.example"
_HTML = f"<html><title>Sign in to {_MARK}</title></html>"
_BIG = {"error": "invalid_grant", "error_description": f"{_MARK} " + "x" * 10_000_000}


def html_keys(subject: Subject) -> str:
    """The key set is a web page, at the very first fetch."""
    subject.tenant.stack.faults.add("entra.keys", status=200, body=_HTML)
    return _seen(subject, subject.fresh().validate(subject.tenant.token()))


def html_token(subject: Subject) -> str:
    """The token endpoint responds with a web page, as a proxy's sign-in does."""
    return _exchange_answers(subject, _HTML)


def big_token(subject: Subject) -> str:
    """The token endpoint's error is ten megabytes long."""
    return _exchange_answers(subject, _BIG, status=400)


def logged_validating(subject: Subject) -> str:
    """Everything that was logged for all rows before this one; and for a guest."""
    subject.fresh().validate(subject.tenant.token("greta"))
    return subject.tenant.logs.found()


def logged_exchanging(subject: Subject) -> str:
    """Everything that was logged for all rows before this one."""
    return subject.tenant.logs.found()


def _exchange_answers(subject: Subject, body: object, status: int = 200) -> str:
    peer, tenant = subject.fresh(), subject.tenant
    peer.call(tenant.token())
    tenant.logs.forget()
    tenant.stack.faults.add("entra.token", status=status, body=body)
    return _seen(subject, peer.call(tenant.token("olga")))


def _seen(subject: Subject, outcome: Outcome) -> str:
    places = (outcome.where(_MARK), subject.tenant.logs.where(_MARK))
    shown = " and ".join(place for place in places if place and place != NOWHERE)
    return f"{outcome.said}; seen in {shown}" if shown else f"{outcome.said}; seen by nobody"


MEASUREMENTS = {
    "keys-html": html_keys,
    "entra-html": html_token,
    "entra-big": big_token,
    "validation-logs": logged_validating,
    "exchange-logs": logged_exchanging,
}
