"""What stands in queues: entries by their ends, ghosts, and entries that leave while somebody looks at them."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.cache import POLICIES, CacheManager, Entry
from perfkit.cache.entry import FOREVER, MISSING
from perfkit.cache.memory.ends import SLACK, Ends
from perfkit.cache.policies.ghosts import Ghosts
from perfkit.testing import FakeClock


def ending(at: float) -> Entry:
    return Entry("key", 1, at, expires=at, due=at)


def put(ends: Ends, at: float) -> Entry:
    entry = ending(at)
    ends.wanted += 1
    ends.push(at, entry)
    return entry


def drained(ends: Ends) -> list[float]:
    found: list[float] = []
    while (first := ends.first()) is not None:
        found.append(first[0])
        ends.pop()
    return found


def items(ends: Ends) -> int:
    return len(ends._queue) + len(ends._heap)


@given(times=st.lists(st.floats(0.0, 1e6)))
def test_ends_come_in_their_order_whatever_that_of_their_arrival(times: list[float]) -> None:
    ends = Ends()
    for at in times:
        put(ends, at)
    assert drained(ends) == sorted(times)


@given(steps=st.lists(st.tuples(st.sampled_from(["put", "leave", "later", "never", "pop"]), st.integers(0, 1000))))
def test_ends_agree_with_a_plain_list(steps: list[tuple[str, int]]) -> None:
    ends, model = Ends(), list[Entry]()
    for step, number in steps:
        entry = model[number % len(model)] if model else None
        if step == "put":
            model.append(put(ends, float(number)))
        elif entry is None:
            assert ends.first() is None
        elif step == "leave":
            entry.is_alive = False
            ends.wanted -= 1
            model.remove(entry)
        elif step == "later":
            # As the tier does: it asks again at the old end, or puts another in if the new end is earlier.
            entry.expires = float(number)
            if number < entry.due:
                entry.due = float(number)
                ends.push(entry.due, entry)
        elif step == "never":
            entry.expires = entry.due = FOREVER
            ends.wanted -= 1
            model.remove(entry)
        else:
            found = ends.first()
            assert found is not None
            assert found[0] == min(each.due for each in model)
            assert found[1] in model
            ends.pop()
            ends.wanted -= 1
            model.remove(found[1])
    assert items(ends) <= 2 * ends.wanted + SLACK + len(steps)


@pytest.mark.parametrize("order", [1, -1], ids=["queue", "heap"])
def test_who_left_does_not_stay_among_the_ends(order: int) -> None:
    ends = Ends()
    put(ends, 1e9)
    for number in range(5000):
        put(ends, 1e6 + order * number).is_alive = False
        ends.wanted -= 1
        assert items(ends) <= 2 * (ends.wanted + 1) + SLACK


def test_after_the_last_end_whatever_comes_is_in_order_again() -> None:
    ends = Ends()
    put(ends, 100.0)
    assert drained(ends) == [100.0]
    put(ends, 5.0)
    assert (len(ends._queue), len(ends._heap)) == (1, 0)


def test_a_cache_of_values_that_are_replaced_keeps_few_ends() -> None:
    cache = CacheManager(max_size=100, clock=FakeClock())
    chance = random.Random(1)
    for number in range(20_000):
        cache.set(number % 300, number, ttl=chance.choice([5.0, 60.0, 3600.0]))
    assert items(cache._tier.ends) <= 2 * 100 + SLACK + 1


@given(ghosts=st.lists(st.integers(0, 200), max_size=400), most=st.integers(1, 20))
def test_ghosts_know_the_last_ones_and_not_those_before_twice_as_many(ghosts: list[int], most: int) -> None:
    known = Ghosts(most)
    for ghost in ghosts:
        known.remember(ghost)
        assert len(known) <= 2 * (most + 1)
    distinct = list(dict.fromkeys(reversed(ghosts)))
    assert all(ghost in known.young or ghost in known.old for ghost in distinct[:most])


def test_a_ghost_that_is_taken_is_known_no_more() -> None:
    known = Ghosts(2)
    for ghost in (1, 2, 3, 4, 1):
        known.remember(ghost)
    assert known.take(1)
    assert not known.take(1)
    assert not known.take(99)


@pytest.mark.parametrize("max_size", [1, 2, 7, 500])
def test_the_ghosts_of_adaptive_are_bounded_by_its_size(max_size: int) -> None:
    policy: Any = POLICIES["adaptive"](max_size)
    chance, members = random.Random(1), 0
    for _ in range(20 * max_size + 200):
        entry = Entry(chance.randrange(5 * max_size), 1)
        if members < max_size:
            policy.add(entry)
            members += 1
        else:
            policy.replace(entry)
        entry.hits = chance.randrange(4)
    assert len(policy._small_ghosts) <= 2 * (max_size * 0.67 + 2)
    assert len(policy._main_ghosts) <= max(1, max_size // 2)


class Meddling(FakeClock):
    """A clock at which something happens between two steps of whoever looks at it."""

    happens: Callable[[], object] | None = None

    def monotonic(self) -> float:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return super().monotonic()


def ways(cache: CacheManager, loads: list[int]) -> dict[str, Callable[[], Any]]:
    """Return ways of asking for what lies under ``key``, or is loaded."""

    def load() -> str:
        loads.append(1)
        return "loaded"

    def kept(key: str) -> str:
        return load()

    async def akept(key: str) -> str:
        return load()

    memoized = cache.memoized(ttl=60, namespace="sync")(kept)
    amemoized = cache.memoized(ttl=60, namespace="async")(akept)
    cache.set("key", "kept", ttl=60)
    memoized("key")
    asyncio.run(amemoized("key"))  # type: ignore[arg-type] # it is a coroutine
    loads.clear()
    return {
        "get": lambda: cache.get("key", "default"),
        "get_many": lambda: cache.get_many(["key"]).get("key", "default"),
        "memoize": lambda: cache.memoize("key", load, ttl=60),
        "amemoize": lambda: asyncio.run(cache.amemoize("key", load, ttl=60)),
        "memoized": lambda: memoized("key"),
        "amemoized": lambda: asyncio.run(amemoized("key")),  # type: ignore[arg-type] # as above
    }


@pytest.mark.parametrize("way", ["get", "get_many", "memoize", "amemoize", "memoized", "amemoized"])
@pytest.mark.parametrize("strategy", POLICIES)
def test_a_value_that_leaves_while_it_is_looked_at_was_not_there(strategy: str, way: str) -> None:
    clock, loads = Meddling(), list[int]()
    cache = CacheManager(strategy=strategy, max_size=3, clock=clock)
    ask = ways(cache, loads)[way]

    def evict_all() -> None:
        for number in range(10):
            cache.set(number, 1, ttl=3600)

    before = cache.get_stats()
    clock.happens = evict_all
    found = ask()
    assert found is not MISSING
    assert found == ("default" if way.startswith("get") else "loaded")
    after = cache.get_stats()
    assert (after.hits - before.hits, after.misses - before.misses) == (0, 1)
    assert len(loads) == (0 if way.startswith("get") else 1)


def test_a_stale_value_that_leaves_while_it_is_looked_at_is_loaded_anew() -> None:
    clock = Meddling()
    cache = CacheManager(max_size=3, clock=clock)
    cache.memoize("key", lambda: "old", ttl=10, stale_while_revalidate=100)
    clock.advance(20)
    clock.happens = lambda: cache.delete("key")
    assert cache.memoize("key", lambda: "new", ttl=10, stale_while_revalidate=100) == "new"
    assert cache.get_stats().stale_hits == 0


def test_invalidating_a_tag_takes_as_many_steps_whatever_carries_it() -> None:
    def steps(entries: int) -> int:
        cache, count = CacheManager(max_size=None, max_bytes=10**9, sizeof=len), 0
        for number in range(entries):
            cache.set(number, "x", tags=["t"])

        def step(*_: object) -> None:
            nonlocal count
            count += 1

        gc.disable()
        sys.setprofile(step)
        try:
            cache.invalidate_tags(["t"])
        finally:
            sys.setprofile(None)
            gc.enable()
        assert cache.get(entries - 1) is None
        return count

    steps(1)
    assert steps(10) == steps(20_000)
