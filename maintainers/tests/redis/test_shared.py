"""Instances share exchanged tokens. Only one exchanges, and none waits long for an instance that has died."""

from __future__ import annotations

import re

import pytest

from shared.errors import AccessDenied, ApiError, ServiceUnavailable
from shared.exchange.downstream_token import Origin, Refusal
from shared.net.deadline import within
from shared.redis import store as redis_store
from shared.redis.cache import LOCK_SECONDS, WAIT_SECONDS
from shared.redis.cache_backend import BackendError
from shared.redis.store import RedisStore
from shared.sessions import RequestContext
from shared.telemetry.request_record import RequestRecord
from tests.support.clock import Clock
from tests.support.lab import Lab, at_once

from .server import RedisServer
from .stand_in import LIFE, SCOPES, CountingEntra, Instance

BEARER = "header.alice.signature-1"
CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
POLL = 0.25  # the longest pause between two looks, in seconds


def lock_of(server: RedisServer, instance: Instance, bearer: str = BEARER) -> str:
    """The name under which an entry, and its lock, will be."""
    seen: list[bytes] = []
    with server.client() as client:
        entra = CountingEntra(instance.clock, before=lambda: seen.extend(client.keys("*:lock")))
        Instance(server.url, instance.clock, entra).token(bearer)
        client.flushall()
    (key,) = seen
    return key.decode().removeprefix("obo:1:{").removesuffix("}:lock")


def lock(store: RedisStore, name: str) -> str:
    """The lock of an entry that is not there; "" when another one has it."""
    content, value = store.get_or_lock(name, LOCK_SECONDS)
    assert content is None
    return value


def test_what_one_instance_exchanged_another_finds(lab: Lab, server: RedisServer) -> None:
    first = lab.services(TokenCache__Redis__Url=server.url)
    bearer = lab.stack.issue_access_token("alice")
    token = lab.user(first, bearer).token("Graph")
    mark = lab.stack.audit.mark()
    second = lab.services(TokenCache__Redis__Url=server.url)
    assert lab.user(second, bearer).token("Graph") == token
    assert lab.exchanges(mark) == []
    assert lab.me(second, bearer) == "Alice Ahlberg"


def test_the_log_tells_where_the_cache_is_and_which_tokens_it_had(
    lab: Lab, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bearer, url = lab.stack.issue_access_token("alice"), server.url.replace("//", "//:pass-word@")
    for environ in ({"TokenCache__Redis__Url": server.url}, {"TokenCache__Redis__Url": server.url}, {}):
        services, record = lab.services(**environ), RequestRecord()
        for _ in range(2):
            caller = RequestContext(services.sessions, services.sessions.open(bearer), bearer, record)
            caller.token_for(services.apis.named("Graph"))
        record.close(200)
    tokens = [message.partition(" tokens=")[2] for message in caplog.messages]
    lines = [re.sub(r":\d+ms", "", line) for line in tokens if line]
    assert lines == ["Graph:miss,Graph:hit", "Graph:shared,Graph:hit", "Graph:miss,Graph:hit"]
    lab.services(TokenCache__Redis__Url=url)
    place = server.url.removeprefix("redis://")
    assert caplog.messages.count(f"token cache: shared through Redis at {place}") == 3
    assert "pass-word" not in caplog.text


def test_without_the_setting_each_instance_asks_for_itself(lab: Lab, server: RedisServer) -> None:
    bearer = lab.stack.issue_access_token("alice")
    mark = lab.stack.audit.mark()
    for _ in range(2):
        lab.user(lab.services(), bearer).token("Graph")
    assert len(lab.exchanges(mark)) == 2


def test_a_known_token_does_not_cost_a_look_into_redis(lab: Lab, server: RedisServer) -> None:
    services = lab.services(TokenCache__Redis__Url=server.url)
    bearer = lab.stack.issue_access_token("alice")
    lab.user(services, bearer).token("Graph")
    with server.client() as client:
        before = client.info("stats")["total_commands_processed"]
        for _ in range(20):
            lab.user(services, bearer).token("Graph")
        assert client.info("stats")["total_commands_processed"] - before == 1  # the INFO


def test_an_entry_ends_with_its_token(server: RedisServer, clock: Clock) -> None:
    Instance(server.url, clock).token(BEARER)
    with server.client() as client:
        (key,) = client.keys("*")
        assert LIFE - 60 < client.ttl(key) <= LIFE


def test_a_token_that_is_over_is_not_left_behind(server: RedisServer, clock: Clock) -> None:
    entra = CountingEntra(clock, before=lambda: clock.forward(-LIFE))
    instance = Instance(server.url, clock, entra)
    clock.forward(LIFE)
    late = Instance(server.url, clock, CountingEntra(lambda: clock() - LIFE))
    late.token(BEARER)
    with server.client() as client:
        assert [key for key in client.keys("*") if not key.endswith(b":lock")] == []
    assert instance.exchanges == 0


@pytest.mark.parametrize(("after", "exchanges"), [(LIFE - 301, 1), (LIFE - 300, 2)])
def test_a_token_due_for_renewal_is_replaced_for_all(
    server: RedisServer, clock: Clock, after: float, exchanges: int
) -> None:
    entra = CountingEntra(clock)
    one, two = (Instance(server.url, clock, entra) for _ in range(2))
    first = one.token(BEARER)
    clock.forward(after)
    second = two.token(BEARER)
    assert (second == first) is (exchanges == 1)
    assert one.token(BEARER) == second
    assert len(entra.asked) == exchanges


def test_threads_of_many_instances_with_one_cold_token_cost_one_exchange(server: RedisServer, clock: Clock) -> None:
    import time

    entra = CountingEntra(clock, before=lambda: time.sleep(0.3))
    fleet = [Instance(server.url, clock, entra, sleep=time.sleep) for _ in range(4)]
    tokens = at_once(16, lambda number: fleet[number % 4].token(BEARER))
    assert set(tokens) == {"downstream-1-nature-1"}
    assert len(entra.asked) == 1
    with server.client() as client:
        assert client.keys("*:lock") == []


def test_different_tokens_do_not_wait_for_each_other(server: RedisServer, clock: Clock) -> None:
    entra = CountingEntra(clock)
    inner = Instance(server.url, clock, entra)
    outer = Instance(server.url, clock, CountingEntra(clock, before=lambda: inner.token("header.olga.signature-2")))
    before = clock()
    outer.token(BEARER)
    assert clock() == before
    assert len(entra.asked) == 1


def test_a_dead_holder_of_the_lock_delays_for_no_longer_than_the_bound(server: RedisServer, clock: Clock) -> None:
    instance = Instance(server.url, clock)
    name = lock_of(server, instance)
    assert lock(instance.store, name)  # and dies
    with server.client() as client:
        assert 0 < client.pttl(f"obo:1:{{{name}}}:lock") <= LOCK_SECONDS * 1000
    before = clock()
    instance.token(BEARER)
    assert instance.exchanges == 1
    assert WAIT_SECONDS <= clock() - before <= WAIT_SECONDS + POLL
    assert LOCK_SECONDS < WAIT_SECONDS


def test_when_the_dead_holders_lock_ends_one_takes_over(server: RedisServer, clock: Clock) -> None:
    def sleep(seconds: float) -> None:
        clock.forward(seconds)
        if clock() - start >= LOCK_SECONDS:  # the clock stands for Redis's own
            with server.client() as client:
                client.delete(f"obo:1:{{{name}}}:lock")

    instance = Instance(server.url, clock, sleep=sleep)
    name, start = lock_of(server, instance), clock()
    assert lock(instance.store, name)
    instance.token(BEARER)
    assert instance.exchanges == 1
    assert LOCK_SECONDS <= clock() - start <= LOCK_SECONDS + POLL


def test_whoever_waits_for_another_waits_no_longer_than_its_own_deadline(server: RedisServer, clock: Clock) -> None:
    instance = Instance(server.url, clock)
    assert lock(instance.store, lock_of(server, instance))
    before = clock()
    with within(1.0, clock):
        instance.token(BEARER)
    assert clock() - before <= 0.5 + POLL  # the other half is for Entra


def test_a_late_holder_does_not_give_back_anothers_lock(server: RedisServer, clock: Clock) -> None:
    one, two = Instance(server.url, clock).store, Instance(server.url, clock).store
    late = lock(one, "name")
    with server.client() as client:
        client.delete("obo:1:{name}:lock")  # it ended
        mine = lock(two, "name")
        assert mine not in ("", late)
        one.unlock("name", late)
        assert client.get("obo:1:{name}:lock") == mine.encode()
        assert lock(one, "name") == ""
        two.put("name", b"content", 60, mine)
        assert client.keys("*") == [b"obo:1:{name}"]


def test_a_late_holder_overwrites_nothing_but_may_fill_a_gap(server: RedisServer, clock: Clock) -> None:
    one, two = Instance(server.url, clock).store, Instance(server.url, clock).store
    late = lock(one, "name")
    two.put("name", b"what met a claims challenge", 60)  # and ends the lock
    one.put("name", b"what it replaced", 60, late)
    assert two.get("name") == b"what met a claims challenge"
    two.drop("name")
    mine = lock(two, "name")
    one.put("name", b"better than nothing", 60, late)
    assert one.get("name") == b"better than nothing"
    two.put("name", b"newer", 60, mine)
    assert one.get("name") == b"newer"
    with server.client() as client:
        assert client.keys("*:lock") == []


def test_an_entry_that_will_not_do_is_no_obstacle_to_its_lock(server: RedisServer, clock: Clock) -> None:
    one = Instance(server.url, clock).store
    one.put("name", b"old", 60)
    assert one.get_or_lock("name", LOCK_SECONDS) == (b"old", "")
    content, mine = one.get_or_lock("name", LOCK_SECONDS, unless=b"old")
    assert (content, bool(mine)) == (None, True)
    one.put("name", b"new", 60, mine)
    assert one.get_or_lock("name", LOCK_SECONDS, unless=b"old") == (b"new", "")


def test_when_the_exchange_fails_nobody_waits_for_another_and_soon_the_lock_is_gone(
    server: RedisServer, clock: Clock
) -> None:
    one, two = Instance(server.url, clock), Instance(server.url, clock)
    before = clock()
    for instance in (one, two, two):
        instance.entra.error = ServiceUnavailable(retry_after=1, reason="Entra is down")
        with pytest.raises(ServiceUnavailable):
            instance.token(BEARER)
    assert clock() == before
    with server.client() as client:
        (key,) = client.keys("*")
        assert 0 < client.pttl(key) <= redis_store.FREE_MILLISECONDS
    one.entra.error = None
    assert one.token(BEARER) == "downstream-2-nature-1"
    with server.client() as client:
        assert client.keys("*:lock") == []


def test_a_failure_is_not_shared(server: RedisServer, clock: Clock) -> None:
    one, two = Instance(server.url, clock), Instance(server.url, clock)
    one.entra.error = AccessDenied()
    with pytest.raises(ApiError):
        one.token(BEARER)
    assert two.token(BEARER) == "downstream-1-nature-1"


def test_a_claims_challenge_replaces_the_entry_for_all(server: RedisServer, clock: Clock) -> None:
    entra = CountingEntra(clock)
    one, two = (Instance(server.url, clock, entra) for _ in range(2))
    refused = one.token(BEARER)
    fresh = one.token(BEARER, claims=CLAIMS)
    assert fresh != refused
    assert two.token(BEARER) == fresh
    assert entra.asked == [None, CLAIMS]


def test_when_the_claims_cannot_be_met_the_refused_token_is_no_longer_there(server: RedisServer, clock: Clock) -> None:
    instance = Instance(server.url, clock)
    instance.token(BEARER)
    instance.entra.error = AccessDenied()
    with pytest.raises(AccessDenied):
        instance.token(BEARER, claims=CLAIMS)
    with server.client() as client:
        assert client.keys("*") == []


def test_a_claims_challenge_of_another_scope_set_leaves_the_entry(server: RedisServer, clock: Clock) -> None:
    instance = Instance(server.url, clock)
    kept = instance.token(BEARER)
    instance.token(BEARER, scopes=("User.Read",), claims=CLAIMS)
    assert instance.token(BEARER, SCOPES) == kept


def test_a_token_refused_without_claims_is_replaced_for_all_by_one_exchange(server: RedisServer, clock: Clock) -> None:
    entra = CountingEntra(clock)
    one, two, three = (Instance(server.url, clock, entra) for _ in range(3))
    refused = one.token(BEARER)
    fresh = one.token(BEARER, refusal=Refusal(refused))
    assert fresh != refused
    assert two.token(BEARER, refusal=Refusal(refused)) == fresh  # it had the first in its own memory
    assert three.token(BEARER) == fresh
    assert entra.asked == [None, ""]
    assert three.token(BEARER, refusal=Refusal(fresh)) not in (refused, fresh)


@pytest.mark.parametrize("is_void", [True, False])
def test_without_a_new_token_a_void_one_is_no_longer_there_and_one_that_is_not_void_is(
    server: RedisServer, clock: Clock, is_void: bool
) -> None:
    instance = Instance(server.url, clock)
    refused = instance.token(BEARER)
    instance.entra.error = ServiceUnavailable(retry_after=1)
    with pytest.raises(ServiceUnavailable):
        instance.token(BEARER, refusal=Refusal(refused, is_void=is_void))
    with server.client() as client:
        assert len(client.keys("*")) == (0 if is_void else 1)


def test_scopes_granted_are_compared_across_instances_and_versions(lab: Lab, server: RedisServer) -> None:
    bearer = lab.stack.issue_access_token("olga")
    scopes = ("https://graph.microsoft.com/.default",)
    one, two = (lab.services(TokenCache__Redis__Url=server.url) for _ in range(2))
    first = one.sessions.token_for(one.sessions.open(bearer), bearer, scopes, correlation_id="")
    found = two.sessions.token_for(two.sessions.open(bearer), bearer, scopes, correlation_id="")
    assert (found.origin, found.granted) == (Origin.SHARED_CACHE, first.granted)
    assert first.granted


def test_an_instance_that_dropped_a_token_does_not_find_it_again(lab: Lab, server: RedisServer) -> None:
    bearer, services = lab.stack.issue_access_token("alice"), lab.services(TokenCache__Redis__Url=server.url)
    lab.me(services, bearer)
    lab.stack.graph.refused_tokens.refuse_seen()
    lab.stack.faults.add("entra.token", status=503)
    with pytest.raises(ServiceUnavailable):
        lab.me(services, bearer)
    lab.stack.faults.clear()
    mark = lab.stack.audit.mark()
    assert lab.me(services, bearer) == "Alice Ahlberg"
    assert [entry.status for entry in lab.seen(mark, "me")] == [200]


def test_a_store_out_of_use_says_so_by_the_kind_of_error_alone(server: RedisServer, clock: Clock) -> None:
    instance = Instance("redis://:s3cr3t-hunter2@127.0.0.1:1", clock)
    with pytest.raises(BackendError) as raised:
        instance.store.get("x")
    assert (str(raised.value), raised.value.__cause__) == ("ConnectionError", None)
    assert raised.value.__suppress_context__
