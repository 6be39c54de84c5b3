"""A service redirects to another host: does the token go there, too?"""

from __future__ import annotations

from maintainers.tests.orders import ORDERS_HOST

from ..outcome import Outcome
from ..subject import Subject

_ELSEWHERE = {"Location": f"https://{ORDERS_HOST}/api/elsewhere"}


def token_endpoint(subject: Subject) -> str:
    """307 asks for the same POST once more, with the user's token in its body."""
    peer, tenant = subject.fresh(), subject.tenant
    peer.call(tenant.token())
    tenant.stack.faults.add("entra.token", status=307, headers=_ELSEWHERE)
    bearer = tenant.token("olga")
    return _followed(subject, peer.call(bearer), bearer)


def graph(subject: Subject) -> str:
    """302 on a GET with the downstream token in its header."""
    peer, tenant = subject.fresh(), subject.tenant
    bearer = tenant.token()
    peer.call(bearer)
    tenant.stack.faults.add("graph", status=302, headers=_ELSEWHERE)
    return _followed(subject, peer.call(bearer), "Bearer ")


def _followed(subject: Subject, outcome: Outcome, secret: str) -> str:
    caught = subject.tenant.catcher.caught
    if not caught:
        return f"nowhere: {outcome.said}"
    return "to the other host" if any(secret in request for request in caught) else "followed without the token"


MEASUREMENTS = {"entra-redirect": token_endpoint, "graph-redirect": graph}
