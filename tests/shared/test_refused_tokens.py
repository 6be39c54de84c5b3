"""A downstream API refuses a token without a claims challenge: one new exchange, at most once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from emulators.applications import API, GRAPH
from shared.errors import AccessDenied, ApiError, BadGateway, InvalidToken, ServiceUnavailable
from shared.services import Services
from shared.sessions import EXCHANGE_AGAIN_SECONDS, RequestContext
from shared.telemetry.request_record import RequestRecord
from shared.user.async_user import AsyncUser
from tests.support.lab import Lab, at_once


class Desk:
    """One person's bearer token at one instance of the API."""

    def __init__(self, lab: Lab, person: str = "alice") -> None:
        self.lab, self.person = lab, person
        self.services: Services = lab.services()
        self.bearer = lab.stack.issue_access_token(person)
        self.mark = lab.stack.audit.mark()

    def call(self, path: str = "/me", method: str = "GET", *, idempotent: bool | None = None) -> int:
        """The API's status, or that of the error."""
        user = self.lab.user(self.services, self.bearer)
        try:
            return user.api("Graph").request(method, path, idempotent=idempotent).status_code
        except ApiError as error:
            return error.status

    def token(self) -> str:
        return self.lab.user(self.services, self.bearer).token("Graph")

    def since(self) -> tuple[int, list[int]]:
        """The exchanges, and the statuses of the calls of Graph, since the last call."""
        seen = self.lab.stack.audit.entries(self.mark)
        self.mark = self.lab.stack.audit.mark()
        exchanges = [entry for entry in seen if entry.path.endswith("/oauth2/v2.0/token")]
        return len(exchanges), [entry.status for entry in seen if entry.service == "graph"]


@pytest.fixture
def desk(lab: Lab) -> Iterator[Desk]:
    desk = Desk(lab)
    desk.token()
    desk.since()
    yield desk
    lab.stack.directory.withdraw_consent("alice")
    lab.stack.directory.consent("alice")


def consent_later(lab: Lab) -> None:
    lab.stack.directory.grant("alice", API, GRAPH, ("Mail.Read",))


def test_a_token_that_graph_no_longer_takes_is_exchanged_anew_and_the_call_repeated(desk: Desk) -> None:
    before = desk.token()
    desk.call()
    desk.lab.stack.graph.refused_tokens.refuse_seen()
    desk.since()
    assert desk.call() == 200
    assert desk.since() == (1, [401, 200])
    assert desk.token() != before
    assert desk.call() == 200
    assert desk.since() == (0, [200])


def test_an_api_that_refuses_every_token_gets_502_and_costs_one_exchange_a_minute(desk: Desk) -> None:
    desk.lab.stack.faults.add("graph", status=401)
    assert desk.call() == 502
    assert desk.since() == (1, [401, 401])
    assert desk.call() == 502
    assert desk.since() == (0, [401])
    desk.lab.clock.forward(EXCHANGE_AGAIN_SECONDS + 1)
    assert desk.call() == 502
    assert desk.since() == (1, [401, 401])


@pytest.mark.parametrize(("method", "idempotent"), [("POST", None), ("PATCH", None), ("PUT", False), ("GET", False)])
@pytest.mark.parametrize(("refused", "replied"), [(401, 502), (403, 403)])
def test_what_may_not_be_repeated_is_not_but_the_next_call_has_the_new_token(
    desk: Desk, method: str, idempotent: bool | None, refused: int, replied: int
) -> None:
    consent_later(desk.lab)
    before = desk.token()
    desk.lab.stack.faults.add("graph", status=refused, times=1)
    assert desk.call(method=method, idempotent=idempotent) == replied
    assert desk.since() == (1, [refused])
    assert desk.token() != before
    assert desk.call("/me/messages") == 200
    assert desk.since() == (0, [200])


def test_a_post_that_is_said_to_be_idempotent_is_repeated(desk: Desk) -> None:
    desk.lab.stack.faults.add("graph", status=401, times=1)
    desk.lab.stack.faults.add("graph", status=200, body={}, times=1)
    assert desk.call(method="POST", idempotent=True) == 200
    assert desk.since() == (1, [401, 200])


def test_a_permission_that_was_consented_to_later_counts_with_the_same_bearer_token(desk: Desk) -> None:
    consent_later(desk.lab)
    assert desk.call("/me/messages") == 200
    assert desk.since() == (1, [403, 200])


def test_after_a_403_nothing_is_repeated_while_the_scopes_are_the_same(desk: Desk) -> None:
    assert desk.call("/me/messages") == 403
    assert desk.since() == (1, [403])
    consent_later(desk.lab)
    assert desk.call("/me/messages") == 403  # within the minute
    assert desk.since() == (0, [403])
    desk.lab.clock.forward(EXCHANGE_AGAIN_SECONDS + 1)
    assert desk.call("/me/messages") == 200
    assert desk.since() == (1, [403, 200])


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 400, "body": {"error": "invalid_grant", "error_codes": [50173]}},
        {"status": 400, "body": {"error": "invalid_client", "error_codes": [7000215]}},
    ],
)
def test_a_403_stays_one_and_the_token_stays_good_whatever_the_exchange_meets(
    desk: Desk, fault: dict[str, object]
) -> None:
    before = desk.token()
    desk.lab.stack.faults.add("entra.token", **fault)  # type: ignore[arg-type]  # a row of the table above
    assert desk.call("/me/messages") == 403
    assert desk.token() == before
    assert desk.call() == 200


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 503}, ServiceUnavailable),
        ({"status": 400, "body": {"error": "invalid_grant", "error_codes": [50173]}}, InvalidToken),
        ({"status": 400, "body": {"error": "x", "error_codes": [53003]}}, AccessDenied),
    ],
)
def test_after_a_401_the_caller_is_told_what_entra_says_and_the_token_is_gone(
    desk: Desk, fault: dict[str, object], kind: type[ApiError]
) -> None:
    desk.lab.stack.faults.add("graph", status=401, times=1)
    desk.lab.stack.faults.add("entra.token", **fault)  # type: ignore[arg-type]  # a row of the table above
    with pytest.raises(kind):
        desk.lab.user(desk.services, desk.bearer).api("Graph").get("/me")
    desk.lab.stack.faults.clear()
    desk.since()
    assert desk.call() == 200
    assert desk.since() == (1, [200])


def test_thirty_two_threads_with_one_refused_token_cost_one_exchange(desk: Desk) -> None:
    desk.call()
    desk.lab.stack.graph.refused_tokens.refuse_seen()
    desk.since()
    assert at_once(32, lambda _: desk.call()) == [200] * 32
    exchanges, statuses = desk.since()
    assert (exchanges, statuses.count(200)) == (1, 32)


def test_thirty_two_threads_at_an_api_that_refuses_every_token_cost_one_exchange(desk: Desk) -> None:
    desk.lab.stack.faults.add("graph", status=401)
    assert at_once(32, lambda _: desk.call()) == [502] * 32
    exchanges, statuses = desk.since()
    assert exchanges == 1
    assert 33 <= len(statuses) <= 64


def test_two_people_whose_tokens_are_refused_at_once_keep_to_their_own(lab: Lab) -> None:
    services = lab.services()
    people = {"alice": "Alice Ahlberg", "olga": "Olga Olsen"}
    bearers = {person: lab.stack.issue_access_token(person) for person in people}
    for person, bearer in bearers.items():
        assert lab.me(services, bearer) == people[person]
    for _ in range(3):
        lab.stack.graph.refused_tokens.refuse_seen()
        names = at_once(32, lambda number: lab.me(services, bearers[("alice", "olga")[number % 2]]))
        assert names == [people[("alice", "olga")[number % 2]] for number in range(32)]
        lab.clock.forward(EXCHANGE_AGAIN_SECONDS + 1)


def test_one_callers_minute_is_not_anothers(desk: Desk) -> None:
    desk.lab.stack.faults.add("graph", status=401, times=2)
    assert desk.call() == 502
    other = Desk(desk.lab, "olga")
    other.services = desk.services
    assert other.call() == 200
    desk.lab.stack.faults.add("graph", status=401, times=1)
    other.since()
    assert other.call() == 200
    assert other.since() == (1, [401, 200])


def test_it_is_the_same_for_a_function_that_awaits(desk: Desk) -> None:
    desk.lab.stack.faults.add("graph", status=401, times=1)
    session = desk.services.sessions.open(desk.bearer)
    user = AsyncUser(RequestContext(desk.services.sessions, session, desk.bearer, RequestRecord()), desk.services.apis)
    assert asyncio.run(user.api("Graph").get("/me")).status_code == 200  # type: ignore[arg-type]  # an Awaitable
    assert desk.since() == (1, [401, 200])


def test_a_challenge_whose_claims_cannot_be_read_counts_as_none(desk: Desk) -> None:
    challenge = {"WWW-Authenticate": 'Bearer error="insufficient_claims", claims="%%%"'}
    desk.lab.stack.faults.add("graph", status=401, headers=challenge, times=1)
    assert desk.call() == 200
    assert desk.since() == (1, [401, 200])


def test_the_line_in_the_log_tells_of_both_tokens_and_both_calls(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    record = RequestRecord()
    session = desk.services.sessions.open(desk.bearer)
    user = desk.lab.user(desk.services, desk.bearer)
    user._context = RequestContext(desk.services.sessions, session, desk.bearer, record)
    desk.lab.stack.faults.add("graph", status=401)
    for _ in range(2):
        with pytest.raises(BadGateway):
            user.api("Graph").get("/me")
    record.close(502)
    line = next(message for message in caplog.messages if message.startswith("request "))
    assert [part.split(":")[:2] for part in line.partition(" tokens=")[2].partition(" ")[0].split(",")] == [
        ["Graph", "hit"],
        ["Graph", "miss"],
        ["Graph", "hit"],
    ]
    assert line.count("Graph:401:") == 3
