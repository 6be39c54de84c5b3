"""Azure Managed Redis: TLS and a token of the managed identity, with no key and no password anywhere."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from emulators.applications import API_IDENTITY, CERTIFICATE_IDENTITY, REDIS_URI, VAULT_URI
from emulators.audit import Entry
from emulators.authority import Authority
from emulators.redis_proxy import RedisProxy
from shared.redis import credentials as redis_credentials
from shared.redis.cache_backend import BackendError
from shared.redis.store import RedisStore
from shared.services import Services
from tests.support.lab import Lab, at_once

from .server import RedisServer

IDENTITY = API_IDENTITY.client_id


@pytest.fixture
def proxy(lab: Lab, server: RedisServer) -> Iterator[RedisProxy]:
    proxy = lab.stack.redis_proxy(server.port)
    yield proxy
    proxy.stop()


def with_redis(lab: Lab, proxy: RedisProxy, identity: str | None = IDENTITY) -> Services:
    return lab.services(TokenCache__Redis__Url=proxy.url, TokenCache__Redis__ManagedIdentityClientId=identity)


def judged(lab: Lab, mark: int) -> list[str]:
    return [entry.verdict for entry in lab.seen(mark, "auth")]


def identity_tokens(lab: Lab, mark: int) -> list[Entry]:
    return [entry for entry in lab.stack.audit.entries(mark) if entry.details.get("resource") == REDIS_URI]


def test_what_one_instance_exchanged_another_finds_behind_tls_and_entra(lab: Lab, proxy: RedisProxy) -> None:
    bearer, mark = lab.stack.issue_access_token("alice"), lab.stack.audit.mark()
    token = lab.user(with_redis(lab, proxy), bearer).token("Graph")
    assert lab.user(with_redis(lab, proxy), bearer).token("Graph") == token
    assert len(lab.exchanges(mark)) == 1
    assert judged(lab, mark) == ["ok: let in"] * 2
    assert len(identity_tokens(lab, mark)) == 2


def test_one_token_of_the_identity_serves_every_connection_of_an_instance(lab: Lab, proxy: RedisProxy) -> None:
    services, mark = with_redis(lab, proxy), lab.stack.audit.mark()
    bearers = [lab.stack.issue_access_token("alice") for _ in range(8)]
    lab.user(services, lab.stack.issue_access_token("alice")).token("Graph")
    at_once(8, lambda number: lab.user(services, bearers[number]).token("Graph"))
    assert judged(lab, mark)
    assert set(judged(lab, mark)) == {"ok: let in"}
    assert len(identity_tokens(lab, mark)) == 1


def test_an_identity_without_an_access_policy_is_refused_and_the_request_goes_on(
    lab: Lab, proxy: RedisProxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.writers.clear()
    services, mark = with_redis(lab, proxy), lab.stack.audit.mark()
    for _ in range(5):
        assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"
    assert set(judged(lab, mark)) == {"refused: the identity has no access policy"}
    assert 1 <= len(judged(lab, mark)) <= 4
    assert sum("Redis" in record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING) <= 2


def test_an_identity_that_the_app_does_not_have_is_no_obstacle(lab: Lab, proxy: RedisProxy) -> None:
    services, mark = with_redis(lab, proxy, CERTIFICATE_IDENTITY.client_id), lab.stack.audit.mark()
    assert lab.me(services, lab.stack.issue_access_token("alice")) == "Alice Ahlberg"
    assert judged(lab, mark) == []


def test_the_first_request_begins_to_get_the_token_for_redis_and_waits_for_a_slow_one(
    lab: Lab, proxy: RedisProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new instance has most to gain from what others exchanged, and its identity's first token is the slowest."""
    monkeypatch.setattr(redis_credentials, "FIRST_TOKEN_SECONDS", 20.0)  # however busy this machine is
    bearer = lab.stack.issue_access_token("alice")
    token = lab.user(with_redis(lab, proxy), bearer).token("Graph")
    mark, prepared = lab.stack.audit.mark(), with_redis(lab, proxy)
    fault = lab.stack.faults.add("identity", delay=0.3)
    prepared.load_early()
    assert comes_true(lambda: identity_tokens(lab, mark))
    assert judged(lab, mark) == []
    assert lab.user(with_redis(lab, proxy), bearer).token("Graph") == token
    lab.stack.faults.remove(fault)
    assert lab.exchanges(mark) == []


def test_a_token_that_is_on_its_way_says_nothing_about_redis(
    lab: Lab, proxy: RedisProxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(redis_credentials, "FIRST_TOKEN_SECONDS", 0.0)
    services = with_redis(lab, proxy)
    fault = lab.stack.faults.add("identity", network="hang")
    assert services.settings.redis is not None
    store = RedisStore(services.settings.redis, time.time)
    for _ in range(5):
        with pytest.raises(BackendError, match="NoTokenYetError"):
            store.get("name")
    lab.stack.faults.remove(fault)
    assert comes_true(lambda: responses(store))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def responses(store: RedisStore) -> bool:
    with contextlib.suppress(BackendError):
        return store.get("name") is None
    return False


def comes_true(condition: Callable[[], object]) -> bool:
    """Whether it does within ten seconds."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(condition())


def test_a_connection_that_ended_with_its_token_is_opened_again_with_a_new_one(lab: Lab, proxy: RedisProxy) -> None:
    """Its lifetime here is one that no library keeps a token for: they go by the machine's clock, which stands."""
    lab.stack.identity.lifetime, before = 200.0, lab.stack.identity.lifetime
    try:
        services, mark = with_redis(lab, proxy), lab.stack.audit.mark()
        lab.user(services, lab.stack.issue_access_token("alice")).token("Graph")
        assert judged(lab, mark) == ["ok: let in"]
        lab.clock.forward(201)
        gone = threading.Event()
        while proxy.open and not gone.wait(0.02):
            pass
        bearer = lab.stack.issue_access_token("alice")
        token = lab.user(services, bearer).token("Graph")
        assert judged(lab, mark) == ["ok: let in"] * 2
        assert lab.user(with_redis(lab, proxy), bearer).token("Graph") == token
    finally:
        lab.stack.identity.lifetime = before


def test_a_managed_identity_endpoint_that_hangs_holds_nobody(lab: Lab, proxy: RedisProxy) -> None:
    """The request is over while the identity's token is still waited for; the client credential is there already."""
    services, bearer = with_redis(lab, proxy), lab.stack.issue_access_token("alice")
    graph = services.settings.downstream_apis["graph"].scopes
    services.entra.of(services.settings.authority).exchange(bearer, graph, correlation_id=str(uuid.uuid4()))
    fault = lab.stack.faults.add("identity", network="hang")
    responses: list[str] = []

    def ask() -> None:
        with contextlib.suppress(Exception):
            responses.append(lab.me(services, bearer))

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(20)
    in_time = list(responses)
    lab.stack.faults.remove(fault)
    asking.join(30)
    assert in_time == ["Alice Ahlberg"]


def client(proxy: RedisProxy, ca: str, **credentials: Any) -> redis.Redis:
    once = Retry(NoBackoff(), 0)
    return redis.Redis(host="localhost", port=proxy.port, ssl=True, ssl_ca_certs=ca, retry=once, **credentials)


def test_a_certificate_of_an_unknown_authority_is_refused(
    lab: Lab, proxy: RedisProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE is how the emulated authority becomes trusted; here it names another one."""
    bearer, mark = lab.stack.issue_access_token("alice"), lab.stack.audit.mark()
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).file))
    services = with_redis(lab, proxy)
    assert lab.me(services, bearer) == "Alice Ahlberg"
    assert judged(lab, mark) == []


def test_a_certificate_for_another_name_is_refused(lab: Lab, server: RedisServer) -> None:
    proxy = RedisProxy(lab.stack.entra, lab.stack.audit, lab.stack._ca.with_name("server.pem"), server.port)
    mark = lab.stack.audit.mark()
    assert lab.me(with_redis(lab, proxy), lab.stack.issue_access_token("alice")) == "Alice Ahlberg"
    assert judged(lab, mark) == []
    proxy.stop()


def identity_token(lab: Lab, resource: str = REDIS_URI, lifetime: float = 3600.0) -> str:
    return lab.stack.entra.identity_token(resource, lifetime)


def test_the_proxy_is_strict(lab: Lab, proxy: RedisProxy) -> None:
    """Also in what the tests above cannot make the API do wrong."""
    oid, ca = API_IDENTITY.principal_id, str(lab.stack._ca)
    good = identity_token(lab)
    refused: dict[str, dict[str, str]] = {
        "an access key": {"password": "a" * 44},
        "no credentials": {},
        "the client id as user": {"username": IDENTITY, "password": good},
        "a token for the vault": {"username": oid, "password": identity_token(lab, VAULT_URI)},
        "a token that is over": {"username": oid, "password": identity_token(lab, lifetime=-1.0)},
        "a forged token": {"username": oid, "password": good[:-8] + "AAAAAAAA"},
        "a person's token": {"username": oid, "password": lab.stack.issue_access_token("alice")},
    }
    for what, credentials in refused.items():
        try:
            client(proxy, ca, **credentials).get("x")
            pytest.fail(f"let in: {what}")
        except redis.AuthenticationError:
            pass
    for protocol in (2, 3):
        let_in = client(proxy, ca, username=oid, password=good, protocol=protocol)
        assert let_in.set("x", "y")
        assert let_in.get("x") == b"y"
        with pytest.raises(redis.exceptions.NoPermissionError):
            let_in.flushall()
