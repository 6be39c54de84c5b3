from __future__ import annotations

from shared.expiring_lru import ExpiringLru
from tests.clock import Clock


def test_an_entry_ends_on_time() -> None:
    clock = Clock(1000)
    cache: ExpiringLru[str, str] = ExpiringLru(10, 100, clock)
    cache.put("a", "A", 1100, 1)
    clock.forward(99.9)
    assert cache.get("a") == "A"
    clock.forward(0.1)
    assert cache.get("a") is None
    assert len(cache) == 0


def test_what_ended_is_forgotten_even_if_nobody_asks_for_it() -> None:
    clock = Clock(1000)
    cache: ExpiringLru[int, str] = ExpiringLru(1000, 10_000, clock)
    for number in range(500):
        cache.put(number, "x", 1100 + number % 50, 1)
    clock.forward(300)
    cache.put(-1, "new", 2000, 1)
    assert len(cache) == 1


def test_at_the_bound_the_least_recently_used_goes() -> None:
    cache: ExpiringLru[str, str] = ExpiringLru(2, 100, Clock(0))
    cache.put("a", "A", 100, 1)
    cache.put("b", "B", 100, 1)
    cache.get("a")
    cache.put("c", "C", 100, 1)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", None, "C")


def test_the_first_value_stays_so_that_threads_share_it() -> None:
    cache: ExpiringLru[str, list[int]] = ExpiringLru(2, 100, Clock(0))
    first, second = [1], [1]
    assert cache.put("a", first, 100, 1) is first
    assert cache.put("a", second, 100, 1) is first


def test_a_size_is_booked_on_the_very_value_or_on_none() -> None:
    cache: ExpiringLru[str, list[int]] = ExpiringLru(2, 100, Clock(0))
    first, second = [1], [1]
    cache.put("a", first, 100, 10)
    cache.resize("a", first, lambda: 20)
    assert cache.size == 20
    cache.remove("a")
    cache.put("a", second, 100, 10)
    cache.resize("a", first, lambda: 90)
    assert cache.size == 10


def test_memory_of_evicted_keys_does_not_pile_up() -> None:
    cache: ExpiringLru[int, str] = ExpiringLru(10, 10_000, Clock(0))
    for number in range(10_000):
        cache.put(number, "x", 100, 1)
    assert sum(len(keys) for keys in cache._ending.values()) == 10


def test_an_entry_that_is_removed_during_a_look_up_harms_nobody() -> None:
    def now() -> float:
        for key in leaving:
            cache.remove(key)
        return 0.0

    leaving: list[str] = []
    cache: ExpiringLru[str, str] = ExpiringLru(2, 100, now)
    cache.put("a", "A", 100, 1)
    leaving.append("a")
    assert cache.get("a") == "A"
    assert cache.get("a") is None
