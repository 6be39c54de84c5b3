"""Entra or Graph wants more of the user: a second factor, consent."""

from __future__ import annotations

import jwt

from emulators.entra.claims_request import MFA_CLAIMS

from ..outcome import Outcome
from ..subject import Subject
from ..tenant import TOKEN_ENDPOINT

_MARK = next(iter(MFA_CLAIMS["access_token"].values()))["values"][0]  # type: ignore[attr-defined]


def mfa(subject: Subject) -> str:
    """Where an app finds the claims that its caller must be sent."""
    return _claims_in(subject.fresh().call(subject.tenant.token("maya")))


def step_up(subject: Subject) -> str:
    """One user's tokens with and without MFA, in both orders: what is carried on must be that of the very token."""
    wrong = []
    for order in ((False, True, False), (True, False)):
        peer, tokens = subject.fresh(), {mfa: subject.tenant.token(mfa=mfa) for mfa in (False, True)}
        carried = [_has_mfa(peer.downstream_token(tokens[mfa])) for mfa in order]
        wrong += [had for had, has in zip(order, carried, strict=True) if had != has]
    said = {True: "the token with MFA is called on without", False: "the token without MFA is called on with it"}
    return "; ".join(said[had] for had in sorted(set(wrong))) or "each its own"


def cae(subject: Subject) -> str:
    """Graph refuses the first token, and would accept a new one exchanged with its claims."""
    peer, tenant = subject.fresh(), subject.tenant
    bearer = tenant.token(mfa=True)
    peer.call(bearer)
    tenant.stack.graph.challenge(times=1)
    since = tenant.mark()
    outcome = peer.call(bearer)
    exchanges = tenant.asked(TOKEN_ENDPOINT, since)
    return "answered, after a new exchange" if outcome.answered and exchanges else outcome.said


def cae_refused(subject: Subject) -> str:
    """The same, but the user has no second factor: the caller must be sent to get one."""
    peer, tenant = subject.fresh(), subject.tenant
    bearer = tenant.token()
    peer.call(bearer)
    tenant.stack.graph.challenge(times=None)
    return _claims_in(peer.call(bearer))


def consent(subject: Subject) -> str:
    """The call after the consent, with the same token, a moment later."""
    peer, tenant = subject.fresh(), subject.tenant
    bearer = tenant.token("connor")
    refused = peer.call(bearer)
    tenant.stack.directory.consent("connor")
    since = tenant.mark()
    after = peer.call(bearer)
    asked = tenant.asked(TOKEN_ENDPOINT, since)
    same = "the same" if after.said == refused.said else after.said
    return f"{refused.said}; then {'answered' if after.answered else same}{'' if asked else ', without asking Entra'}"


def _claims_in(outcome: Outcome) -> str:
    return f"{outcome.said}; claims: {outcome.where(_MARK)}"


def _has_mfa(token: str) -> bool:
    return "mfa" in jwt.decode(token, options={"verify_signature": False}).get("amr", [])


MEASUREMENTS = {"mfa": mfa, "step-up": step_up, "cae": cae, "cae-refused": cae_refused, "consent": consent}
