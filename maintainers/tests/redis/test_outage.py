"""Redis may be slow, silent, gone, full or wrong: the request goes on without it, and later uses it again."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import traceback
from collections.abc import Callable

import pytest

from emulators.loopback import bind
from shared.errors import AccessDenied, ApiError, SettingsError
from shared.net.circuit_breaker import FIRST_OPEN_SECONDS, MAX_OPEN_SECONDS
from shared.net.deadline import within
from shared.redis import connection as redis_connection
from shared.redis import store as redis_store
from shared.redis.cache_backend import BackendError
from shared.settings.settings import Settings
from tests.support.clock import Clock
from tests.support.lab import Lab, at_once

from .server import RedisServer
from .stand_in import CLIENT, TENANT, CountingEntra, Instance, store
from .tap import Tap

REQUESTS = 30
SLOW = redis_connection.REPLY_SECONDS * 3
PASSWORD = "s3cr3t-hunter2"  # what the run's leak watch looks for, too
SICK = ["hang", "reset", "reset late", "garbage", "slow"]


def bearer(number: int) -> str:
    return f"header.user-{number}.signature-{number}"


def nowhere() -> str:
    """An address where nobody listens."""
    with bind(0, "nobody") as listener:
        return f"redis://127.0.0.1:{listener.getsockname()[1]}"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged for the operator of the API."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("mode", SICK)
def test_a_sick_redis_costs_two_attempts_and_then_nothing(
    tap: Tap, clock: Clock, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    """The clock stands still, so the circuit stays as it is: attempts are counted, not seconds."""
    tap.mode, tap.delay = mode, SLOW
    instance = Instance(tap.url, clock)
    tokens = {instance.token(bearer(number)) for number in range(REQUESTS)}
    assert len(tokens) == instance.exchanges == REQUESTS
    assert (
        1 <= tap.connections <= 2 * redis_store.FAILURES
    )  # redis-py's pool connects again if the reset is early enough
    assert len(lines(caplog)) == 1
    assert re.fullmatch(r"Redis: 2 failures in a row \(\w+\), circuit open", lines(caplog)[0])


@pytest.mark.parametrize("mode", SICK)
def test_a_redis_that_falls_sick_while_connected_costs_no_more(
    tap: Tap, clock: Clock, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    instance = Instance(tap.url, clock)
    instance.token(bearer(0))
    tap.mode, tap.delay = mode, SLOW
    if mode == "reset":
        tap.cut()
    asked = tap.requests
    assert len({instance.token(bearer(number)) for number in range(REQUESTS)} | {None}) == REQUESTS + 1
    assert tap.requests - asked <= 2 * redis_store.FAILURES  # an attempt may be a new connection's greeting and more
    assert len(lines(caplog)) == 1


def test_nobody_at_the_address_costs_two_attempts(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    instance = Instance(nowhere(), clock)
    assert len({instance.token(bearer(number)) for number in range(REQUESTS)}) == REQUESTS
    assert len(lines(caplog)) == 1


@pytest.mark.parametrize("mode", SICK)
def test_it_comes_back_by_itself(tap: Tap, clock: Clock, caplog: pytest.LogCaptureFixture, mode: str) -> None:
    tap.mode, tap.delay = mode, SLOW
    instance = Instance(tap.url, clock)
    for number in range(3):
        instance.token(bearer(number))
    tap.mode = "pass"
    clock.forward(FIRST_OPEN_SECONDS)
    instance.token(bearer(3))
    assert Instance(tap.url, clock, instance.entra).token(bearer(3)) == "downstream-4-nature-3"
    assert instance.exchanges == 4
    assert lines(caplog)[1:] == ["Redis: circuit closed, it responds again"]


def test_while_it_stays_away_it_is_tried_now_and_then_by_one_request(tap: Tap, clock: Clock) -> None:
    tap.mode = "reset"
    instance = Instance(tap.url, clock)
    for number in range(5):
        instance.token(bearer(number))
    tried = tap.connections
    for minute in range(20):
        clock.forward(MAX_OPEN_SECONDS)
        at_once(8, lambda number, minute=minute: instance.token(bearer(100 * minute + number)))  # type: ignore[misc]
    assert 20 <= tap.connections - tried <= 40  # redis-py connects once more when a connection ends under its hands


def test_a_response_that_comes_too_late_is_not_taken_for_the_next_one(tap: Tap, clock: Clock) -> None:
    redis = store(tap.url, clock)
    redis.put("a", b"first", 60)
    redis.put("b", b"second", 60)
    tap.mode, tap.delay = "slow", SLOW
    with pytest.raises(BackendError):
        redis.get("a")
    tap.mode = "pass"
    assert redis.get("b") == b"second"


@pytest.mark.parametrize("claims", [None, '{"access_token":{}}'])
def test_redis_lost_while_entra_is_asked_costs_nobody_the_token(tap: Tap, clock: Clock, claims: str | None) -> None:
    """Neither what cannot be left there nor a lock that cannot be given back is the caller's affair."""

    def lose() -> None:
        tap.mode = "reset"
        tap.cut()

    instance = Instance(tap.url, clock, CountingEntra(clock, before=lose))
    assert instance.token(bearer(0), claims=claims) == "downstream-1-nature-0"
    tap.mode = "pass"
    instance.entra.error = AccessDenied()
    with pytest.raises(AccessDenied):
        instance.token(bearer(1), claims=claims)


def test_a_request_whose_time_is_over_says_nothing_about_redis(
    server: RedisServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    instance = Instance(server.url, clock)
    for number in range(5):
        with within(0.0, clock):
            instance.token(bearer(number))
    assert lines(caplog) == []
    instance.token(bearer(9))
    assert Instance(server.url, clock, instance.entra).token(bearer(9)) == "downstream-6-nature-9"


def test_redis_killed_under_load_loses_no_request(lab: Lab, mortal: RedisServer) -> None:
    services = lab.services(TokenCache__Redis__Url=mortal.url)
    people = ["alice", "olga"]
    bearers = [lab.stack.issue_access_token(people[number % 2]) for number in range(32)]
    half = threading.Barrier(33)

    def work(number: int) -> list[str]:
        if number == 32:
            half.wait(60)
            mortal.kill()
            return []
        names = [lab.me(services, bearers[number])]
        half.wait(60)
        for _ in range(3):
            fresh = lab.stack.issue_access_token(people[number % 2])
            names.append(lab.me(services, fresh))
        return names

    mark = lab.stack.audit.mark()
    for number, names in enumerate(at_once(33, work)[:32]):
        assert names == [["Alice Ahlberg", "Olga Olsen"][number % 2]] * 4
    assert len(lab.exchanges(mark)) == 32 * 4


def test_killed_and_started_again_it_is_used_again(mortal: RedisServer, clock: Clock) -> None:
    instance = Instance(mortal.url, clock)
    instance.token(bearer(0))
    mortal.kill()
    for number in range(1, 4):
        instance.token(bearer(number))
    mortal.start()
    clock.forward(FIRST_OPEN_SECONDS)
    instance.token(bearer(4))
    with mortal.client() as client:
        assert len(client.keys("*")) == 1


def test_idle_connections_that_were_cut_are_no_failure(
    tap: Tap, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A server ends idle connections, and those of a token that is over: that is no outage."""
    instance = Instance(tap.url, clock)
    for number in range(5):
        tap.cut()
        instance.token(bearer(number))
        assert Instance(tap.url, clock, instance.entra).token(bearer(number))
    assert instance.exchanges == 5
    assert lines(caplog) == []


def fill(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")


def test_a_full_redis_still_returns_what_it_holds_and_says_so_once(
    mortal: RedisServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    instance = Instance(mortal.url, clock)
    kept = instance.token(bearer(0))
    fill(mortal)
    assert {instance.token(bearer(0)) for _ in range(REQUESTS)} == {kept}
    assert len({instance.token(bearer(number)) for number in range(1, REQUESTS)}) == REQUESTS - 1
    assert instance.exchanges == REQUESTS
    assert len(lines(caplog)) == 1
    with mortal.client() as client:
        client.config_set("maxmemory", "0")
    clock.forward(MAX_OPEN_SECONDS)
    instance.token(bearer(99))
    assert Instance(mortal.url, clock, instance.entra).token(bearer(99)) == f"downstream-{REQUESTS + 1}-ature-99"


def test_a_redis_that_takes_no_writes_for_a_while_still_returns_what_it_holds_and_says_so_once(
    mortal: RedisServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """As during a failover: writes hang, reads succeed."""
    instance = Instance(mortal.url, clock)
    kept = instance.token(bearer(0))
    with mortal.client() as client:
        client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        for number in range(1, REQUESTS):
            instance.token(bearer(number))
            assert instance.token(bearer(0)) == kept
        assert lines(caplog) == ["Redis, writing: 2 failures in a row (TimeoutError), circuit open"]
        client.execute_command("CLIENT", "UNPAUSE")
    clock.forward(MAX_OPEN_SECONDS)
    instance.token(bearer(99))
    assert Instance(mortal.url, clock, instance.entra).token(bearer(99)).endswith("-ature-99")
    assert instance.exchanges == REQUESTS + 1
    assert lines(caplog)[1:] == ["Redis, writing: circuit closed, it responds again"]


def test_a_redis_that_responds_slowly_is_used_at_first_and_then_left_alone(
    tap: Tap, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    instance = Instance(tap.url, clock)
    instance.store.put("name", b"content", 60)
    tap.mode, tap.delay = "drip", 0.005  # so that no two bytes come at once
    tap.on_drip = lambda: clock.forward(redis_store.SLOW_SECONDS / 10)
    assert [instance.store.get("name") for _ in range(redis_store.FAILURES)] == [b"content"] * redis_store.FAILURES
    assert lines(caplog) == []  # just after quick ones, it may be a stall of this process
    clock.forward(redis_store.SLOW_UNLESS_QUICK_WITHIN_SECONDS)
    assert [instance.store.get("name") for _ in range(redis_store.FAILURES)] == [b"content"] * redis_store.FAILURES
    assert lines(caplog) == ["Redis: 2 failures in a row (slow), circuit open"]
    asked = tap.requests
    assert len({instance.token(bearer(number)) for number in range(REQUESTS)}) == instance.exchanges == REQUESTS
    assert tap.requests == asked


def test_a_script_that_redis_has_forgotten_is_sent_again_also_by_the_probe(
    mortal: RedisServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    instance = Instance(mortal.url, clock)
    instance.token(bearer(0))
    with mortal.client() as client:
        client.replicaof("127.0.0.1", "1")
        for number in range(1, 3):
            instance.token(bearer(number))
        client.replicaof("NO", "ONE")
        client.script_flush()
    clock.forward(FIRST_OPEN_SECONDS)
    instance.token(bearer(3))
    assert Instance(mortal.url, clock, instance.entra).token(bearer(3)) == "downstream-4-nature-3"
    assert lines(caplog)[-1] == "Redis, writing: circuit closed, it responds again"


@pytest.mark.parametrize("error", [None, AccessDenied()])
def test_a_full_redis_does_not_keep_a_token_that_was_refused(
    mortal: RedisServer, clock: Clock, error: ApiError | None
) -> None:
    """What replaces it cannot be written, but it can be deleted: that needs no room."""
    instance, other = Instance(mortal.url, clock), Instance(mortal.url, clock)
    refused = instance.token(bearer(0))
    fill(mortal)
    for number in range(1, 5):
        instance.token(bearer(number))
    instance.entra.error = error
    with pytest.raises(AccessDenied) if error else contextlib.nullcontext():
        instance.token(bearer(0), claims='{"access_token":{}}')
    with mortal.client() as client:
        assert client.keys("*") == []
    other.token(bearer(0))
    assert (other.exchanges, refused) == (1, "downstream-1-nature-0")


def test_a_redis_that_may_only_be_read_is_used_for_that(mortal: RedisServer, clock: Clock) -> None:
    """As a replica after a failover; then the name leads to another one, so the connection is not kept."""
    instance = Instance(mortal.url, clock)
    instance.token(bearer(0))
    with mortal.client() as client:
        before = {each["id"] for each in client.client_list()}
        client.replicaof("127.0.0.1", "1")
        assert len({instance.token(bearer(number)) for number in range(5)}) == 5
        assert {each["id"] for each in client.client_list()} != before


@pytest.mark.parametrize("given", [f":{PASSWORD}-wrong@", "", f"somebody:{PASSWORD}@"])
def test_a_wrong_password_costs_two_attempts_and_is_never_shown(
    mortal: RedisServer, clock: Clock, caplog: pytest.LogCaptureFixture, given: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with mortal.client() as client:
        client.config_set("requirepass", PASSWORD)
    url = mortal.url.replace("//", f"//{given}")
    instance = Instance(url, clock)
    assert len({instance.token(bearer(number)) for number in range(REQUESTS)}) == REQUESTS
    shown = caplog.text + repr(instance.store) + repr(instance.cache) + repr(vars(instance.store))
    assert PASSWORD not in shown
    assert len(lines(caplog)) == 1
    clock.forward(MAX_OPEN_SECONDS)
    with pytest.raises(BackendError) as raised:
        instance.store.get("x")
    assert "circuit" not in str(raised.value)
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))
    right = Instance(mortal.url.replace("//", f"//:{PASSWORD}@"), clock)
    right.token(bearer(0))
    assert right.store.get("nothing") is None


def test_the_password_is_in_no_repr_of_the_settings_and_in_no_message() -> None:
    good = {"AzureAd__TenantId": TENANT, "AzureAd__ClientId": CLIENT}
    name = "TokenCache__Redis__Url"
    assert PASSWORD not in repr(Settings.from_environ({**good, name: f"rediss://:{PASSWORD}@redis.example:10000"}))
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({**good, name: f"redis://:{PASSWORD}@redis.example:10000"})
    assert PASSWORD not in f"{raised.value!r} {raised.value} {raised.value.problems}"


@pytest.mark.parametrize("call", [lambda s: s.get("x"), lambda s: s.put("x", b"", 1), lambda s: s.get_or_lock("x", 1)])
def test_an_open_circuit_is_a_store_error_and_asks_nobody(
    tap: Tap, clock: Clock, call: Callable[[redis_store.RedisStore], object]
) -> None:
    tap.mode = "reset"
    broken = store(tap.url, clock)
    for _ in range(redis_store.FAILURES):
        with pytest.raises(BackendError):
            broken.drop("x")
    tried = tap.connections
    with pytest.raises(BackendError, match="circuit open"):
        call(broken)
    assert tap.connections == tried


def test_more_threads_than_connections_all_get_their_token(server: RedisServer, clock: Clock) -> None:
    entra = CountingEntra(clock)
    instance = Instance(server.url, clock, entra)
    count = redis_connection.MAX_CONNECTIONS + 16
    assert len(set(at_once(count, lambda number: instance.token(bearer(number))))) == count
    with server.client() as client:
        assert client.info("clients")["connected_clients"] <= redis_connection.MAX_CONNECTIONS + 1
