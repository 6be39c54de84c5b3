from __future__ import annotations

from shared.sessions import ExpiringLru
from tests.support.clock import Clock


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


def test_the_bound_of_sizes_holds_to_the_byte() -> None:
    cache: ExpiringLru[str, str] = ExpiringLru(100, 30, Clock(0))
    for key in "abc":
        cache.put(key, key.upper(), 100, 10)
    assert (len(cache), cache.size, cache.evicted) == (3, 30, 0)
    cache.put("d", "D", 100, 1)
    assert (cache.get("a"), len(cache), cache.size, cache.evicted) == (None, 3, 21, 1)


def test_the_bound_of_number_holds_to_the_entry() -> None:
    cache: ExpiringLru[int, str] = ExpiringLru(3, 100, Clock(0))
    for number in range(3):
        cache.put(number, "x", 100, 1)
    assert (len(cache), cache.evicted) == (3, 0)
    cache.put(3, "x", 100, 1)
    assert (len(cache), cache.evicted, cache.get(0)) == (3, 1, None)


def test_what_alone_is_larger_than_the_bound_is_handed_back_and_not_kept() -> None:
    cache: ExpiringLru[str, str] = ExpiringLru(3, 100, Clock(0))
    cache.put("a", "A", 100, 1)
    assert cache.put("b", "B", 100, 101) == "B"
    assert (len(cache), cache.size, cache.get("b")) == (0, 0, None)


def test_an_entry_that_grows_makes_others_go() -> None:
    cache: ExpiringLru[str, str] = ExpiringLru(10, 100, Clock(0))
    first = cache.put("a", "A", 100, 40)
    second = cache.put("b", "B", 100, 40)
    cache.resize("b", second, lambda: 70)
    assert (cache.get("a"), cache.get("b"), cache.size, cache.evicted) == (None, "B", 70, 1)
    cache.resize("a", first, lambda: 50)
    assert cache.size == 70


def test_sizes_of_what_ends_or_is_removed_are_given_back() -> None:
    clock = Clock(1000)
    cache: ExpiringLru[str, str] = ExpiringLru(10, 100, clock)
    for key, ends_at in (("a", 1010), ("b", 1020), ("c", 9000)):
        cache.put(key, key.upper(), ends_at, 10)
    cache.remove("c")
    cache.remove("c")
    assert (len(cache), cache.size) == (2, 20)
    clock.forward(10)
    assert cache.get("a") is None
    assert (len(cache), cache.size) == (1, 10)
    clock.forward(100)
    cache.put("d", "D", 9000, 5)
    assert (len(cache), cache.size, cache.evicted) == (1, 5, 0)


def test_what_had_ended_anyway_does_not_count_as_evicted() -> None:
    clock = Clock(1000)
    cache: ExpiringLru[str, str] = ExpiringLru(1, 100, clock)
    cache.put("a", "A", 1010, 1)
    clock.forward(10)
    cache.put("b", "B", 1020, 1)
    assert (cache.get("b"), cache.evicted) == ("B", 0)
    clock.forward(9)
    cache.put("c", "C", 1100, 1)
    assert cache.evicted == 1


def test_a_key_may_come_back_after_its_entry_has_ended() -> None:
    clock = Clock(1000)
    cache: ExpiringLru[str, str] = ExpiringLru(10, 100, clock)
    cache.put("a", "old", 1010, 1)
    clock.forward(10)
    assert cache.get("a") is None
    assert cache.put("a", "new", 1030, 1) == "new"
    clock.forward(19)
    assert cache.get("a") == "new"


def test_a_sweep_takes_what_has_ended_and_leaves_the_rest() -> None:
    """Once a minute, when something is put. What ends between two sweeps waits for the second."""
    clock = Clock(6000)
    cache: ExpiringLru[str, str] = ExpiringLru(10, 100, clock)
    cache.put("ended", "x", 6060, 1)
    cache.put("running", "x", 6061, 1)
    clock.forward(60)
    cache.put("new", "x", 9000, 1)
    assert (len(cache), cache.get("running"), cache.get("new")) == (2, "x", "x")
    clock.forward(59.9)
    cache.put("newer", "x", 9000, 1)
    assert len(cache) == 3
    clock.forward(0.1)
    cache.put("newest", "x", 9000, 1)
    assert (len(cache), cache.get("running")) == (3, None)
