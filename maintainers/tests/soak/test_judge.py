"""The soak's judge: responses that it must find wrong, and responses that it must accept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from emulators.people import Person

from .crowd import member
from .history import Disturbance, History
from .judge import (
    ANSWERED,
    INTERNAL,
    LET_IN,
    MALFORMED,
    REFUSED,
    TWICE,
    UNAVAILABLE,
    UNEXCUSED,
    WRONG_OWNER,
    WRONG_TOKEN,
    Call,
    Judge,
)
from .wallet import Token

PLAIN, REVOKED, NEEDS_MFA, NOT_CONSENTED, GUEST, BLOCKED, MANAGER = map(member, (0, 11, 12, 15, 17, 18, 19))
PASSWORD, MFA = Token("", 1, key_id="old", issued=100), Token("", 2, has_mfa=True, key_id="old", issued=100)


def call(person: Person, status: int, code: str = "", token: Token = PASSWORD, **more: Any) -> Call:
    """A well-formed reply between second 10 and second 11, with the person's own data in a good one."""
    own = {"owners": {person.oid}} if status < 300 else {"headers": {"www-authenticate", "retry-after"}}
    return Call(person, token, more.pop("path", "/api/me"), 10.0, 11.0, status, code, **{**own, **more})


def during(kind: str, fact: object = None) -> list[Disturbance]:
    return [Disturbance(kind, 9.0, 9.5, fact=fact)]


@pytest.mark.parametrize("path", ["/api/me", "/api/orders"])
@pytest.mark.parametrize("person", [PLAIN, GUEST, MANAGER])
def test_somebody_elses_data_is_a_wrong_owner(person: Person, path: str) -> None:
    others = {person.oid, member(1).oid}
    sees_all = person is MANAGER and path == "/api/orders"

    assert Judge().verdict(call(person, 200, path=path), []) == ANSWERED
    expected = ANSWERED if sees_all else WRONG_OWNER
    assert Judge().verdict(call(person, 200, path=path, owners=others), during("graph")) == expected


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (call(NEEDS_MFA, 200), WRONG_TOKEN),
        (call(NEEDS_MFA, 200, token=MFA), ANSWERED),
        (call(NEEDS_MFA, 401, "insufficient_claims"), REFUSED),
        (call(NEEDS_MFA, 401, "insufficient_claims", MFA), UNEXCUSED),
        (call(BLOCKED, 200), WRONG_TOKEN),
        (call(BLOCKED, 403, "access_denied"), REFUSED),
        (call(REVOKED, 200), WRONG_TOKEN),
        (call(REVOKED, 401, "invalid_token"), REFUSED),
        (call(NOT_CONSENTED, 200), LET_IN),
        (call(NOT_CONSENTED, 403, "consent_required"), REFUSED),
        (call(PLAIN, 403, "consent_required"), UNEXCUSED),
        (call(PLAIN, 401, "invalid_token"), UNEXCUSED),
        (call(PLAIN, 200, token=replace(PASSWORD, bad="expired")), LET_IN),
        (call(PLAIN, 401, "invalid_token", replace(PASSWORD, bad="expired")), REFUSED),
        (call(PLAIN, 401, "invalid_token", replace(PASSWORD, bad="none")), UNEXCUSED),
        (call(PLAIN, 401, "missing_token", replace(PASSWORD, bad="none")), REFUSED),
        (call(PLAIN, 403, "user_token_required", replace(PASSWORD, bad="app-only")), REFUSED),
        (call(PLAIN, 200, path="/api/orders", items=["1", "2"]), ANSWERED),
        (call(PLAIN, 200, path="/api/orders", items=["1", "2", "1"]), TWICE),
        (call(PLAIN, 500, "internal_error"), INTERNAL),
        (call(PLAIN, 0, "ConnectionError"), UNEXCUSED),
        (call(PLAIN, 503, "temporarily_unavailable"), UNEXCUSED),
        (call(PLAIN, 404, "not_found"), UNEXCUSED),
        (call(PLAIN, 502, "downstream_failed"), UNEXCUSED),
        (call(PLAIN, 503, "temporarily_unavailable", headers=()), MALFORMED),
        (call(PLAIN, 401, "invalid_token", headers=()), MALFORMED),
        (call(PLAIN, 502, ""), MALFORMED),
    ],
)
def test_without_any_trouble(reply: Call, verdict: str) -> None:
    assert Judge().verdict(reply, []) == verdict


@pytest.mark.parametrize(
    ("reply", "disturbances", "verdict"),
    [
        (call(PLAIN, 502, "x"), during("graph"), UNAVAILABLE),
        (call(PLAIN, 502, "x"), during("orders"), UNEXCUSED),
        (call(PLAIN, 504, "x", path="/api/orders"), during("orders"), UNAVAILABLE),
        (call(PLAIN, 503, "x"), during("entra"), UNAVAILABLE),
        (call(PLAIN, 502, "x"), during("entra"), UNEXCUSED),
        (call(PLAIN, 503, "x"), during("credential"), UNAVAILABLE),
        (call(PLAIN, 500, "server_misconfigured"), during("credential"), INTERNAL),
        (call(PLAIN, 401, "insufficient_claims"), during("challenge"), REFUSED),
        (call(PLAIN, 401, "insufficient_claims", path="/api/orders"), during("challenge"), UNEXCUSED),
        (call(PLAIN, 401, "invalid_token"), during("roll"), REFUSED),
        (call(PLAIN, 401, "invalid_token"), during("graph"), UNEXCUSED),
        (call(PLAIN, 502, "x", path="/api/orders"), during("roll"), UNAVAILABLE),
        (call(PLAIN, 401, "invalid_token"), during("revocation", 101), REFUSED),
        (call(PLAIN, 401, "invalid_token"), during("revocation", 100), UNEXCUSED),
        (call(PLAIN, 200), during("revocation", 101), LET_IN),
        (call(PLAIN, 200), during("revocation", 100), ANSWERED),
        (call(PLAIN, 200, path="/api/orders"), during("revocation", 101), ANSWERED),
        (call(NOT_CONSENTED, 200), during("consent"), ANSWERED),
        (call(PLAIN, 401, "invalid_token"), during("withdrawal", frozenset({"old"})), REFUSED),
        (call(PLAIN, 200), during("withdrawal", frozenset({"old"})), ANSWERED),
    ],
)
def test_what_a_trouble_excuses(reply: Call, disturbances: list[Disturbance], verdict: str) -> None:
    assert Judge().verdict(reply, disturbances) == verdict


@pytest.mark.parametrize("kind", ["entra", "keys", "credential"])
def test_whoever_has_been_answered_need_not_mind_entra(kind: str) -> None:
    judge, trouble = Judge(), [Disturbance(kind, 15.0)]
    later = replace(call(PLAIN, 503, "x"), start=20.0, end=21.0)

    assert judge.verdict(later, trouble) == UNAVAILABLE
    assert judge.verdict(call(PLAIN, 200), []) == ANSWERED
    assert judge.verdict(later, trouble) == UNEXCUSED
    assert judge.verdict(replace(later, token=MFA), trouble) == UNAVAILABLE  # another token is another session
    assert judge.verdict(replace(later, path="/api/orders"), trouble) == UNAVAILABLE  # and so is another API
    assert judge.verdict(later, [*trouble, Disturbance("challenge", 19.0, 20.5)]) == UNAVAILABLE


def test_a_withdrawn_key_opens_nothing_once_the_api_has_seen_a_newer_one() -> None:
    judge, trouble = Judge(), during("withdrawal", frozenset({"old"}))
    newer = replace(PASSWORD, number=3, key_id="new")
    later = replace(call(PLAIN, 200), start=40.0, end=41.0)
    soon = replace(later, start=20.0, end=21.0)

    assert judge.verdict(later, trouble) == ANSWERED
    assert judge.verdict(call(PLAIN, 200, token=newer), trouble) == ANSWERED
    assert judge.verdict(soon, trouble) == ANSWERED  # the second fetch may not have been made yet
    assert judge.verdict(later, [*trouble, Disturbance("keys", 30.0)]) == ANSWERED  # or has failed
    assert judge.verdict(later, trouble) == LET_IN
    assert judge.verdict(replace(later, token=newer), trouble) == ANSWERED


@pytest.mark.parametrize(
    ("person", "consented", "due"),
    [
        (PLAIN, True, (200, "")),
        (NEEDS_MFA, True, (401, "insufficient_claims")),
        (NOT_CONSENTED, True, (200, "")),
        (NOT_CONSENTED, False, (403, "consent_required")),
        (BLOCKED, True, (403, "access_denied")),
    ],
)
def test_what_is_due_when_all_is_well(person: Person, consented: bool, due: tuple[int, str]) -> None:
    judge = Judge()

    assert judge.is_due(call(person, *due), consented=consented)
    assert not judge.is_due(call(person, 503, "temporarily_unavailable"), consented=consented)


def test_a_trouble_is_felt_from_its_beginning_until_a_while_after_its_end() -> None:
    clock = [0.0]
    history = History(now=lambda: clock[0])
    clock[0] = 100.0
    trouble = history.begin("graph")
    clock[0] = 101.0

    assert history.during(99.0, 100.0, "x") == [trouble]
    assert history.during(99.0, 99.9, "x") == []
    history.end(trouble)
    assert history.during(103.9, 105.0, "x") == [trouble]
    assert history.during(104.1, 105.0, "x") == []


def test_a_persons_trouble_is_nobody_elses() -> None:
    history = History()
    trouble = history.begin("graph", "soak0001")

    assert history.during(trouble.since, trouble.since, "soak0001") == [trouble]
    assert history.during(trouble.since, trouble.since, "soak0002") == []
