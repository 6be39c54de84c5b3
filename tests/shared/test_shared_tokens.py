"""The shared token cache without a Redis: what one instance leaves in the store, what another one does with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from shared.errors import AccessDenied, ApiError
from shared.exchange import DownstreamToken, Origin, Refusal
from shared.redis.cache import WAIT_SECONDS, DistributedCache
from shared.redis.cache_backend import BackendError
from shared.redis.sealed import Seal
from shared.settings import Settings
from tests.support.clock import Clock

SETTINGS = Settings.from_environ(
    {
        "AzureAd__TenantId": "4b1c8a52-7f3e-4a0f-9d5e-0c8f6f0b1a2d",
        "AzureAd__ClientId": "9e2d7c41-5b6a-4c3d-8e1f-2a3b4c5d6e7f",
    }
)
MAIL = ("https://graph.microsoft.com/Mail.Read",)


class Entra:
    """Hands out numbered tokens that last for an hour, or raises `error`."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.asked = clock, 0
        self.error: ApiError | None = None
        self.lasts = 3600.0

    def exchange(
        self, assertion: str, scopes: Sequence[str], *, correlation_id: str, refusal: Refusal | None = None
    ) -> DownstreamToken:
        self.asked += 1
        if self.error:
            raise self.error
        ends = self.clock() + self.lasts
        return DownstreamToken(f"token {self.asked}", ends, ends - 300, granted="mail")


class Memory:
    """A store in memory. `broken` names the commands that fail."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.locks: dict[str, str] = {}
        self.broken: set[str] = set()

    def get(self, name: str) -> bytes | None:
        self._try("get")
        return self.entries.get(name)

    def get_or_lock(self, name: str, seconds: float, unless: bytes = b"") -> tuple[bytes | None, str]:
        self._try("get_or_lock")
        found = self.entries.get(name)
        if found is not None and found != unless:
            return found, ""
        if name in self.locks:
            return None, ""
        self.locks[name] = f"lock {len(self.locks)}"
        return None, self.locks[name]

    def put(self, name: str, content: bytes, seconds: int, lock: str = "") -> None:
        self._try("put")
        self.entries[name] = content
        self.locks.pop(name, None)

    def unlock(self, name: str, lock: str) -> None:
        self._try("unlock")
        if self.locks.get(name) == lock:
            del self.locks[name]

    def drop(self, name: str) -> None:
        self._try("drop")
        self.entries.pop(name, None)

    def _try(self, command: str) -> None:
        if command in self.broken:
            raise BackendError(command)


class Fleet:
    """Two instances with one store before one Entra."""

    def __init__(self) -> None:
        self.clock, self.store = Clock(), Memory()
        self.entra = Entra(self.clock)
        self.on_wait: Callable[[], object] = lambda: None
        self.waited: list[float] = []
        self.first, self.second = self._instance(), self._instance()

    def _instance(self) -> DistributedCache:
        authority = SETTINGS.authority
        return DistributedCache(authority, self.entra, self.store, self.clock, self._wait, jitter=lambda: 1.0)

    def _wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.clock.forward(seconds)
        self.on_wait()


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def token(
    instance: DistributedCache,
    bearer: str = "alice's",
    scopes: tuple[str, ...] = MAIL,
    refusal: Refusal | None = None,
) -> str:
    return instance.exchange(bearer, scopes, correlation_id="", refusal=refusal).token


def test_what_one_instance_exchanged_the_other_finds(fleet: Fleet) -> None:
    assert token(fleet.first) == token(fleet.second) == "token 1"
    shared = fleet.second.exchange("alice's", MAIL, correlation_id="")

    assert (fleet.entra.asked, shared.origin, shared.granted) == (1, Origin.SHARED_CACHE, "mail")
    assert fleet.store.locks == {}


def test_it_is_found_for_the_same_access_token_and_scopes_alone(fleet: Fleet) -> None:
    token(fleet.first)

    assert token(fleet.second, bearer="olga's") == "token 2"
    assert token(fleet.second, scopes=("https://graph.microsoft.com/User.Read",)) == "token 3"


def test_the_store_holds_no_token_in_the_clear(fleet: Fleet) -> None:
    token(fleet.first)

    ((name, content),) = fleet.store.entries.items()
    assert b"token 1" not in content
    assert "alice" not in name


def test_a_token_that_is_due_for_renewal_is_exchanged_again(fleet: Fleet) -> None:
    token(fleet.first)
    fleet.clock.forward(3301)

    assert token(fleet.second) == "token 2"
    assert token(fleet.first) == "token 2"


@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 40, b"not sealed", b"{}", b"no JSON", b'{"token": 1, "expires_at": 1, "renew_at": 1}'],
)
def test_an_entry_that_is_none_is_replaced(fleet: Fleet, content: bytes) -> None:
    token(fleet.first)
    (name,) = fleet.store.entries
    seal = Seal.of("alice's", fleet.first._binding(MAIL))
    assert seal.name == name
    fleet.store.entries[name] = seal.close(content) if content.startswith((b"{", b"no J")) else content

    assert token(fleet.second) == "token 2"
    assert token(fleet.first) == "token 2"


def test_a_refused_token_is_replaced_once_for_all(fleet: Fleet) -> None:
    token(fleet.first)

    assert token(fleet.first, refusal=Refusal("token 1")) == "token 2"
    assert token(fleet.second, refusal=Refusal("token 1")) == "token 2"
    assert fleet.entra.asked == 2


def test_with_claims_entra_is_asked_whatever_the_store_holds(fleet: Fleet) -> None:
    token(fleet.first)

    assert token(fleet.second, refusal=Refusal("token 1", claims='{"access_token": {}}')) == "token 2"
    assert token(fleet.first) == "token 2"


@pytest.mark.parametrize(("is_void", "kept"), [(True, 0), (False, 1)])
def test_a_void_token_is_forgotten_even_if_no_other_is_to_be_had(fleet: Fleet, is_void: bool, kept: int) -> None:
    token(fleet.first)
    fleet.entra.error = AccessDenied(reason="test")

    with pytest.raises(AccessDenied):
        token(fleet.second, refusal=Refusal("token 1", is_void=is_void))
    assert len(fleet.store.entries) == kept


def test_a_replacement_that_cannot_be_kept_leaves_no_refused_token_behind(fleet: Fleet) -> None:
    token(fleet.first)
    fleet.store.broken = {"put"}

    assert token(fleet.first, refusal=Refusal("token 1")) == "token 2"
    assert fleet.store.entries == {}


def test_who_waits_for_the_lock_gets_what_its_holder_got(fleet: Fleet) -> None:
    token(fleet.first)
    ((name, content),) = fleet.store.entries.items()
    fleet.store.entries.clear()
    fleet.store.locks[name] = "held"
    fleet.on_wait = lambda: fleet.store.put(name, content, 60) if len(fleet.waited) == 3 else None

    assert token(fleet.second) == "token 1"
    assert fleet.waited == [0.02, 0.04, 0.08]


def test_a_lock_whose_holder_never_comes_back_is_waited_for_no_longer_than_the_bound(fleet: Fleet) -> None:
    name = Seal.of("alice's", fleet.first._binding(MAIL)).name
    fleet.store.locks[name] = "held"

    assert token(fleet.first) == "token 1"
    assert WAIT_SECONDS <= sum(fleet.waited) < WAIT_SECONDS + 0.25
    assert max(fleet.waited) == 0.25


def test_without_a_token_the_lock_is_given_back(fleet: Fleet) -> None:
    fleet.entra.error = AccessDenied(reason="test")

    with pytest.raises(AccessDenied):
        token(fleet.first)
    assert (fleet.store.locks, fleet.store.entries) == ({}, {})


def test_a_token_without_any_time_left_is_used_and_not_kept(fleet: Fleet) -> None:
    fleet.entra.lasts = 0.5

    assert token(fleet.first) == "token 1"
    assert (fleet.store.locks, fleet.store.entries) == ({}, {})


@pytest.mark.parametrize("command", ["get", "get_or_lock", "put", "unlock", "drop"])
def test_a_store_that_fails_is_no_obstacle(fleet: Fleet, command: str) -> None:
    fleet.store.broken = {command, "put"}

    assert token(fleet.first) == "token 1"
    assert token(fleet.first, refusal=Refusal("token 1")) == "token 2"


def test_a_failure_of_entra_is_told_even_if_the_store_fails_too(fleet: Fleet) -> None:
    fleet.store.broken = {"unlock", "drop"}
    fleet.entra.error = AccessDenied(reason="test")

    with pytest.raises(AccessDenied):
        token(fleet.first)
    with pytest.raises(AccessDenied):
        token(fleet.first, refusal=Refusal("token 1"))
