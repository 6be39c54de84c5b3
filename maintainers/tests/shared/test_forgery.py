"""Forged tokens, one defect per row: each is refused, tells the forger nothing, and costs next to nothing.

The rows are in maintainers/tests/forgery. None causes an exchange, a session or a request to Entra, except one fetch of
the keys for an unknown key id. Memory and work must be in proportion to the token's length.
"""

from __future__ import annotations

import pytest

from maintainers.tests.forgery import APP_ONLY, CONTROLS, TABLES, UNKNOWN_KEYS, Row
from maintainers.tests.forgery.claims import NEARLY
from maintainers.tests.forgery.target import Cost, Target
from shared.errors import ApiError, InvalidToken, UserTokenRequired
from shared.hosting.response import reply_to_error
from shared.validation.jws import MAX_TOKEN_CHARS
from tests.support.lab import Lab

FORGED = [pytest.param(row, id=f"{table}: {name}") for table, rows in TABLES.items() for name, row in rows.items()]


def rows(table: dict[str, Row]) -> list[object]:
    return [pytest.param(row, id=name) for name, row in table.items()]


@pytest.fixture(scope="module")
def targets() -> list[Target]:
    return []


@pytest.fixture
def target(lab: Lab, targets: list[Target]) -> Target:
    if not targets or targets[-1].is_old:
        targets.append(Target(lab))
    return targets[-1]


def is_cheap(cost: Cost, usual: Cost, token: str) -> bool:
    """At most a genuine token's memory and work, and a little for every character, unless there are too many."""
    judged = len(token) if len(token) <= MAX_TOKEN_CHARS else 0
    return cost.memory <= usual.memory + 32 * judged + len(token) and cost.calls <= usual.calls + 2 * judged


def tells_nothing(error: ApiError, token: str) -> bool:
    """Neither the reply nor the log holds a piece of what was sent; and the reply is one for all."""
    reply = reply_to_error(error, "c0ffee00-0000-4000-8000-000000000000", "realm")
    told = f"{error!r} {error.reason} {error.extra} {reply.get_body()!r} {dict(reply.headers)}"
    pieces = [segment[start : start + 16] for segment in token.split(".") for start in (0, 40)]
    return not any(piece in told for piece in pieces if len(piece) == 16) and "evil" not in told


@pytest.mark.parametrize("row", FORGED)
def test_a_forged_token_is_refused_and_costs_nothing(target: Target, row: Row) -> None:
    token, sessions = row(target.genuine()), len(target.services.sessions)
    error = target.refuse(token)
    assert type(error) is InvalidToken
    assert (error.detail, error.challenge(), error.extra) == (InvalidToken.detail, {"error": "invalid_token"}, {})
    assert tells_nothing(error, token)
    for _ in range(3):  # the memory is that of all threads, and another one may have been at work
        cost = target.measure(token)
        assert cost.fetches == ()
        if is_cheap(cost, target.usual, token):
            break
    assert is_cheap(cost, target.usual, token), cost
    assert len(target.services.sessions) == sessions


@pytest.mark.parametrize("row", rows(UNKNOWN_KEYS))
def test_an_unknown_key_id_is_good_for_one_fetch_of_the_keys(target: Target, row: Row) -> None:
    token, sessions = row(target.genuine()), len(target.services.sessions)
    first, again = target.measure(token), target.measure(token)
    assert first.fetches == ("discovery", "keys")
    assert again.fetches == ()
    assert is_cheap(again, target.usual, token), again
    error = target.refuse(token)
    assert (type(error), tells_nothing(error, token), len(target.services.sessions)) == (InvalidToken, True, sessions)


def test_an_endless_key_id_costs_no_more(target: Target) -> None:
    token = target.genuine().with_header(kid="k" * 16_000)
    cost = target.measure(token)
    assert cost.fetches in ((), ("discovery", "keys"))
    assert type(target.refuse(token)) is InvalidToken
    assert is_cheap(target.measure(token), target.usual, token)


@pytest.mark.parametrize("row", rows(APP_ONLY))
def test_a_genuine_token_of_an_application_is_told_what_it_lacks(target: Target, row: Row) -> None:
    token, sessions = row(target.genuine()), len(target.services.sessions)
    error = target.refuse(token)
    assert type(error) is UserTokenRequired
    assert tells_nothing(error, token)
    assert target.measure(token).fetches == ()
    assert len(target.services.sessions) == sessions


@pytest.mark.parametrize("row", rows(CONTROLS))
def test_what_is_odd_but_genuine_is_accepted(target: Target, row: Row) -> None:
    """Otherwise the rows above could be refused for another reason than the one they name."""
    token = row(target.genuine())
    session = target.open(token)
    assert "access_as_user" in session.access_token.scopes
    assert session.access_token.claims()["oid"]
    assert target.open(token) is session


SCOPES = {
    "in upper case": "ACCESS_AS_USER",
    "with more": "access_as_user2",
    "with less": "access_as_use",
    "with a look-alike": "\u0430ccess_as_user",
    "with NUL": "access_as_user\x00",
    "with a zero-width space": "access_as_user\u200b",
    "with a tab": "access_as_user\tother",
    "with a line break": "other\naccess_as_user",
    "with a wide space": "access_as_user\u3000other",
    "with a no-break space": "other\u00a0access_as_user",
    "with a separator of lines": "other\u2028access_as_user",
    "with a separator of files": "other\x1caccess_as_user",
    "with a comma": "other,access_as_user",
    "with the resource": "api://x/access_as_user",
    "in quotes": '"access_as_user"',
}


@pytest.mark.parametrize("scopes", SCOPES.values(), ids=SCOPES)
def test_a_scope_is_what_stands_between_spaces(target: Target, scopes: str) -> None:
    """RFC 6749 §3.3: scopes are parted by SP, and by nothing else that looks like it."""
    assert "access_as_user" not in target.open(target.genuine().with_claims(scp=scopes)).access_token.scopes


@pytest.fixture(scope="module")
def strict_targets() -> list[Target]:
    return []


@pytest.mark.parametrize("how", NEARLY)
def test_with_a_list_of_clients_no_other_one_gets_in(lab: Lab, strict_targets: list[Target], how: str) -> None:
    if not strict_targets:
        strict_targets.append(Target(lab, AzureAd__AllowedClients=lab.stack.environ("client")["CLIENT_APP_ID"]))
    genuine = strict_targets[0].genuine()
    assert strict_targets[0].open(genuine.token())
    value = NEARLY[how](genuine.claims["azp"])
    for changes in ({"azp": value}, {"azp": value, "appid": genuine.claims["azp"]}):
        assert strict_targets[0].refuse(genuine.with_claims(**changes)).reason.startswith("client application: ")


def test_every_row_is_another_token(target: Target) -> None:
    """Two rows that make the same token are one row too many; one that makes a genuine one is none."""
    genuine = target.genuine()
    made: dict[str, list[str]] = {}
    for table, named in {**TABLES, "unknown": UNKNOWN_KEYS, "app-only": APP_ONLY}.items():
        for name, row in named.items():
            made.setdefault(row(genuine), []).append(f"{table}: {name}")
    assert genuine.token() not in made
    assert [names for names in made.values() if len(names) > 1] == []
    assert len(made) > 600
