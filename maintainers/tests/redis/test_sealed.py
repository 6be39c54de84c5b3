"""Somebody who reads Redis cannot open an entry, and somebody who writes to it cannot forge one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from emulators.people import PEOPLE
from shared.redis.cache import DistributedCache
from shared.redis.sealed import Seal
from shared.settings import Settings
from tests.support.clock import Clock
from tests.support.lab import Lab
from tests.support.tokens import parts

from .server import RedisServer, dump
from .stand_in import SCOPES, CountingEntra, Instance, settings

SOMEBODY = "5d0b6c1e-2a3f-4b4c-8d5e-6f708192a3b4"
BEARER, OTHER = "header.alice.signature-1", "header.alice.signature-2"


def entry(client: Any) -> tuple[bytes, bytes]:
    """The one entry there is."""
    (key,) = client.keys("*")
    value = client.get(key)
    assert isinstance(value, bytes)
    return key, value


def spellings(secret: str) -> set[bytes]:
    """What a dump might hold it as."""
    raw = secret.encode()
    forms = {raw, raw.lower(), raw.upper(), raw.hex().encode(), secret.encode("utf-16-le"), secret.encode("utf-16-be")}
    return forms | {base64.b64encode(raw).rstrip(b"="), base64.urlsafe_b64encode(raw).rstrip(b"=")}


def test_the_whole_of_redis_holds_no_token_and_no_claim(lab: Lab, server: RedisServer) -> None:
    services = lab.services(TokenCache__Redis__Url=server.url)
    secrets: set[str] = set()
    for person in ("alice", "olga"):
        bearer = lab.stack.issue_access_token(person)
        tokens = [bearer, *(lab.user(services, bearer).token(api) for api in ("Graph", "Orders"))]
        for token in tokens:
            header, claims = parts(token)
            secrets |= {token, *token.split("."), hashlib.sha256(token.encode()).hexdigest()}
            secrets |= {str(value) for value in (*claims.values(), header["kid"]) if len(str(value)) > 4}
        secrets |= {PEOPLE[person].oid, PEOPLE[person].upn, PEOPLE[person].mail, PEOPLE[person].display_name}
    assert len(secrets) > 40
    with server.client() as client:
        found = dump(client)
    assert len(found) == 4  # two people, two APIs
    everything = b"\n".join([*found, *found.values()])
    for secret in secrets:
        for form in spellings(secret):
            assert form not in everything, secret[:12]
        assert hashlib.sha256(secret.encode()).digest() not in everything


def test_the_dump_would_show_a_token_that_is_not_sealed(server: RedisServer) -> None:
    """The test above can fail: also where Redis compresses."""
    with server.client() as client:
        client.set("obo:1:x", b"A" * 5000 + BEARER.encode())
        assert any(form in b"".join(dump(client).values()) for form in spellings(BEARER))


def test_while_somebody_asks_entra_the_lock_says_nothing_either(server: RedisServer, clock: Clock) -> None:
    seen: dict[bytes, bytes] = {}
    with server.client() as client:
        entra = CountingEntra(clock, before=lambda: seen.update(dump(client)))
        Instance(server.url, clock, entra).token(BEARER)
    (name,) = seen
    assert name.endswith(b":lock")
    assert all(form not in name + seen[name] for form in spellings(BEARER) | spellings(SCOPES[0]))


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param((OTHER, settings(), SCOPES), id="another token of the same user"),
        pytest.param((BEARER, settings(), ("User.Read",)), id="other scopes"),
        pytest.param((BEARER, settings(), (*SCOPES, "User.Read")), id="more scopes"),
        pytest.param((BEARER, settings(AzureAd__TenantId=SOMEBODY), SCOPES), id="tenant"),
        pytest.param((BEARER, settings(AzureAd__ClientId=SOMEBODY), SCOPES), id="client"),
        pytest.param((BEARER[:-1], settings(), SCOPES), id="a token cut by one"),
        pytest.param(("", settings(), SCOPES), id="no token"),
    ],
)
def test_an_entry_opens_for_its_own_token_scopes_tenant_and_client_alone(
    server: RedisServer, clock: Clock, stranger: tuple[str, Settings, tuple[str, ...]]
) -> None:
    """The entry is even put where the stranger looks for it."""
    mine = Instance(server.url, clock)
    assert mine.token(BEARER) == mine.token(BEARER) == "downstream-1-nature-1"
    bearer, theirs, scopes = stranger
    entra = CountingEntra(clock)
    other = DistributedCache(theirs.authority, entra, mine.store, clock, clock.forward)
    with server.client() as client:
        _, value = entry(client)
        other.exchange(bearer, scopes, correlation_id="")
        (name,) = {key for key in client.keys("*") if client.get(key) != value}
        client.set(name, value)
    other.exchange(bearer, scopes, correlation_id="")
    assert len(entra.asked) == 2


def test_swapped_entries_are_misses_and_are_replaced(server: RedisServer, clock: Clock) -> None:
    instance = Instance(server.url, clock)
    users = [f"h.{name}.sig-{name}" for name in ("alice", "olga")]
    first = [instance.token(user) for user in users]
    with server.client() as client:
        one, two = client.keys("*")
        values = client.get(one), client.get(two)
        client.set(one, values[1])
        client.set(two, values[0])
    second = [instance.token(user) for user in users]
    assert instance.exchanges == 4
    assert [token[-8:] for token in second] == [token[-8:] for token in first]  # each their own
    assert [instance.token(user) for user in users] == second
    assert instance.exchanges == 4


def meddled(value: bytes) -> list[bytes]:
    """Every bit turned, every length cut, and some more."""
    turned = [value[:at] + bytes([value[at] ^ 1 << at % 8]) + value[at + 1 :] for at in range(len(value))]
    cut = [value[:length] for length in range(len(value))]
    made_up = [bytes(len(value)), b"{}", b'{"token":"x","expires_at":9e9}', b"\xff"]
    return [*turned, *cut, *made_up, value + b"\0", value * 2]


def test_whatever_is_changed_in_an_entry_makes_it_no_entry(server: RedisServer, clock: Clock) -> None:
    """Through the seal alone for each of some hundred, as Redis has nothing to add to that."""
    instance = Instance(server.url, clock)
    instance.token(BEARER)
    seal = Seal.of(BEARER, instance.cache._binding(SCOPES))
    with server.client() as client:
        key, value = entry(client)
    assert seal.name.encode() in key
    assert seal.open(value) is not None
    assert {seal.open(each) for each in meddled(value)} == {None}


@pytest.mark.parametrize("poison", [b"", b"\0", b"{}", b"x" * 50, b"x" * (64 * 1024 + 1), b"\xff" * 10_000_000])
def test_a_poisoned_or_huge_entry_is_a_miss_and_is_replaced(server: RedisServer, clock: Clock, poison: bytes) -> None:
    instance = Instance(server.url, clock)
    instance.token(BEARER)
    with server.client() as client:
        key, _ = entry(client)
        client.set(key, poison)
        before = client.info("stats")["total_net_output_bytes"]
        assert instance.token(BEARER) == "downstream-2-nature-1"
        assert client.info("stats")["total_net_output_bytes"] - before < 1_000_000  # not fetched whole
        assert instance.token(BEARER) == "downstream-2-nature-1"
        assert client.strlen(key) < 1000
    assert instance.exchanges == 2


@pytest.mark.parametrize("command", ["RPUSH", "SADD", "HSET", "ZADD", "XADD"])
def test_another_type_under_the_key_is_a_miss_and_is_replaced(server: RedisServer, clock: Clock, command: str) -> None:
    """A writer must not be able to close one user's entry for good, nor the whole of Redis for the others."""
    arguments = {"HSET": ("a", "b"), "ZADD": ("1", "a"), "XADD": ("*", "a", "b")}.get(command, ("a",))
    instance = Instance(server.url, clock)
    instance.token(BEARER)
    with server.client() as client:
        key, _ = entry(client)
        client.delete(key)
        client.execute_command(command, key, *arguments)
    for _ in range(5):
        instance.token(BEARER)
    assert instance.exchanges == 2
    instance.token(OTHER)
    assert Instance(server.url, clock).token(OTHER).startswith("downstream-3")


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"token":1,"expires_at":9e9,"renew_at":9e9}', b"no JSON"])
def test_what_another_version_has_sealed_is_a_miss_and_is_replaced(
    server: RedisServer, clock: Clock, content: bytes
) -> None:
    instance = Instance(server.url, clock)
    seal = Seal.of(BEARER, instance.cache._binding(SCOPES))
    instance.store.put(seal.name, seal.close(content), 60)
    assert instance.token(BEARER) == instance.token(BEARER)
    assert instance.exchanges == 1


def test_an_entry_of_the_version_before_is_found(server: RedisServer, clock: Clock) -> None:
    """It does not say which scopes were granted."""
    instance = Instance(server.url, clock)
    seal = Seal.of(BEARER, instance.cache._binding(SCOPES))
    instance.store.put(seal.name, seal.close(b'{"token":"old","expires_at":9e9,"renew_at":9e9}'), 60)
    assert instance.token(BEARER) == "old"


def test_an_old_entry_put_back_is_not_used_after_its_time(server: RedisServer, clock: Clock) -> None:
    instance = Instance(server.url, clock)
    instance.token(BEARER)
    with server.client() as client:
        key, old = entry(client)
        clock.forward(3400)
        client.set(key, old)  # without an end of its own
    assert instance.token(BEARER) == "downstream-2-nature-1"


def test_two_entries_of_one_thing_differ(server: RedisServer, clock: Clock) -> None:
    """A fresh nonce each time: one key never seals two contents under one nonce."""
    instance = Instance(server.url, clock)
    values = set()
    with server.client() as client:
        for _ in range(8):
            client.flushall()
            instance.token(BEARER)
            values.add(entry(client)[1][:12])
    assert len(values) == 8


def test_name_and_key_differ_and_neither_is_the_hash_that_the_first_level_uses() -> None:
    seal = Seal.of(BEARER, b"x")
    known = {hashlib.sha256(BEARER.encode()).hexdigest(), BEARER}
    assert len(known | {seal.name, seal._key.hex()}) == 4
    assert seal.name not in repr(seal)
    assert seal._key.hex() not in repr(seal)


def test_a_program_that_goes_by_the_documents_alone_opens_what_is_sealed() -> None:
    """RFC 5869 and NIST SP 800-38D, written down here once more: instances of two versions share their entries."""
    purpose = b"on-behalf-of token cache, version 1\x00binding"
    pseudorandom = hmac.digest(bytes(32), BEARER.encode(), "sha256")
    name = hmac.digest(pseudorandom, purpose + b"\x01", "sha256")
    key = hmac.digest(pseudorandom, name + purpose + b"\x02", "sha256")
    seal = Seal.of(BEARER, b"binding")
    assert seal.name == name.hex()
    sealed = seal.close(b"content")
    assert AESGCM(key).decrypt(sealed[:12], sealed[12:], purpose) == b"content"
    assert seal.open(b"n" * 12 + AESGCM(key).encrypt(b"n" * 12, b"theirs", purpose)) == b"theirs"
    assert seal.open(b"n" * 12 + AESGCM(key).encrypt(b"n" * 12, b"theirs", b"another purpose")) is None


@pytest.mark.parametrize("sealed", [b"", b"n" * 12, b"n" * 27, b"n" * 28, b"n" * 100])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    assert Seal.of(BEARER, b"binding").open(sealed) is None
