"""What happens between two steps of another thread or task: each test holds one of the two in the middle."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from haste import hasty

from perfkit.cache import CacheManager
from perfkit.cache.http.shelf import Shelf
from perfkit.cache.loads.flight import Flight

WAIT = 20.0


@pytest.fixture
def cache() -> Iterator[CacheManager]:
    cache = CacheManager()
    yield cache
    assert len(cache._engine.flights) == 0
    cache.close()


def test_a_load_that_nobody_waits_for_any_more_is_not_stored_over_what_was_set_since(
    cache: CacheManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    flights = cache._engine.flights
    leave = flights.leave

    async def ask() -> None:
        loaded: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def leave_late(flight: Flight) -> None:
            # The load is done and its task about to go on: too late to be cancelled.
            loaded.set_result("old")
            leave(flight)
            cache.set("key", "new")

        async def load() -> str:
            return await loaded

        monkeypatch.setattr(flights, "leave", leave_late)
        asking = asyncio.create_task(cache.amemoize("key", load))
        while not flights.table:  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(0)
        flight = flights.table["default", "key"]
        asking.cancel()
        await asyncio.wait({asking})
        while not flight.future.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert flight.future.result().value == "old"
        assert cache.get("key") == "new"

    asyncio.run(ask())


def test_a_load_that_another_took_the_place_of_is_not_stored_over_what_was_set_since(cache: CacheManager) -> None:
    # As with a second tier, where a load may be of tags that it does not know.
    cache._tier.hears_elsewhere = True
    began, may_end = threading.Event(), threading.Event()

    def load() -> str:
        began.set()
        assert may_end.wait(WAIT)
        return "old"

    first = threading.Thread(target=cache.memoize, args=("key", load))
    first.start()
    assert began.wait(WAIT)
    cache.invalidate_tags(["another"])
    cache.memoize("key", lambda: "newer")
    cache.set("key", "newest")
    may_end.set()
    first.join(WAIT)
    assert cache.get("key") == "newest"


class Slow(str):
    """A text that holds one thread up when it is sorted."""

    __slots__ = ()
    held: threading.Thread | None = None
    is_held, may_go_on = threading.Event(), threading.Event()

    def __lt__(self, other: str) -> bool:
        if threading.current_thread() is Slow.held:
            Slow.is_held.set()
            assert Slow.may_go_on.wait(WAIT)
        return str.__lt__(self, other)

    __hash__ = str.__hash__


def test_a_pattern_finds_what_was_set_before_though_another_one_is_just_sorting_the_keys(cache: CacheManager) -> None:
    for key in ("a", "b"):
        cache.set(Slow(key), key)
    assert cache.invalidate_pattern("nothing*") == 0
    cache.set("user:1", "old")
    Slow.held = threading.Thread(target=cache.invalidate_pattern, args=("no*",))
    Slow.held.start()
    assert Slow.is_held.wait(WAIT)
    assert cache.invalidate_pattern("user:*") == 1
    cache.set("user:2", "new")
    Slow.may_go_on.set()
    Slow.held.join(WAIT)
    assert cache.invalidate_pattern("user:*") == 1


@pytest.mark.parametrize("strategy", ["lru", "lfu", "fifo", "adaptive"])
def test_a_set_that_waited_while_all_was_emptied_and_filled_anew_finds_its_place(strategy: str) -> None:
    cache = CacheManager(strategy=strategy, max_size=1)
    cache.set("a", 1)
    tier = cache._tier
    usual = tier.turns

    def turns() -> Iterator[bool]:
        tier.turns = usual
        cache.clear()
        cache.set("b", 2)
        yield next(usual)

    tier.turns = turns()
    assert cache.set("c", 3)
    assert cache.get_many(["a", "b", "c"]) == {"c": 3}
    assert len(cache) == tier.count == 1
    cache.close()


class Asked(str):
    """A URL that is asked for at the very moment in which somebody compares it."""

    __slots__ = ("shelf",)
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        self.shelf.touch("other")
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other


def test_a_url_that_is_asked_for_while_another_leaves_the_shelf_does_no_harm() -> None:
    shelf = Shelf(max_urls=10, max_bytes=100)
    growing = Asked("growing")
    growing.shelf = shelf
    for url in (growing, "other", "third"):
        shelf.open(url)
        shelf.add(url, url + " body", 20)
        shelf.touch(url)
    for number in range(2):
        leaving = shelf.add(growing, f"more {number}", 25)
    assert leaving == ["third", "third body"]
    assert shelf.bytes == 90


class Hasty:
    """Threads and an event loop that read three keys through a cache, one thread that changes them, and impatience."""

    def __init__(self, cache: CacheManager, seconds: float) -> None:
        self.cache, self.end = cache, time.monotonic() + seconds
        self.source, self.floors = [0] * 3, [0] * 3
        self.troubles: list[object] = []
        self.reads = self.writes = 0

    def look(self, key: int, floor: int, value: Any) -> None:
        self.reads += 1
        if value is not None and value < floor:
            self.troubles.append((key, floor, value))

    def read(self, seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < self.end:
            key = chance.randrange(3)
            floor = self.floors[key]
            if chance.random() < 0.3:
                value = self.cache.get(f"key:{key}")
            else:
                value = self.cache.memoize(f"key:{key}", lambda key=key: self.source[key], tags=[f"tag:{key}"])
            self.look(key, floor, value)

    async def aread(self, seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < self.end:
            key = chance.randrange(3)

            async def load(key: int = key) -> int:
                value = self.source[key]
                await asyncio.sleep(0)
                return value

            floor = self.floors[key]
            task = asyncio.ensure_future(self.cache.amemoize(f"key:{key}", load, tags=[f"tag:{key}"]))
            await asyncio.sleep(0)
            if chance.random() < 0.3:
                task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                self.look(key, floor, task.result())

    def aread_all(self) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*map(self.aread, range(10, 14)))

        asyncio.run(all_of_them())

    def write(self) -> None:
        chance = random.Random(0)
        while time.monotonic() < self.end:
            key = chance.randrange(3)
            self.source[key] += 1
            changes: list[Callable[[], object]] = [
                lambda key=key: self.cache.set(f"key:{key}", self.source[key], tags=[f"tag:{key}"]),
                lambda key=key: self.cache.delete(f"key:{key}"),
                lambda key=key: self.cache.invalidate_tags([f"tag:{key}"]),
                lambda key=key: self.cache.invalidate_pattern(f"key:{key}*"),
                self.cache.clear,
            ]
            chance.choice(changes)()
            self.floors[key] = self.source[key]
            self.writes += 1
            time.sleep(0.0005)

    def run(self) -> None:
        works = [lambda: self.read(1), lambda: self.read(2), self.aread_all, self.write]
        with ThreadPoolExecutor(len(works)) as pool:
            for future in [pool.submit(work) for work in works]:
                future.result(60)


@pytest.mark.parametrize("strategy", ["adaptive", "lru"])
def test_threads_and_a_loop_in_haste_never_get_what_was_changed_before(strategy: str) -> None:
    cache = CacheManager(strategy=strategy, max_size=2)
    traffic = Hasty(cache, 1.5)
    with hasty():
        traffic.run()
    assert traffic.troubles == []
    assert traffic.reads > 100
    assert traffic.writes > 20
    assert len(cache._engine.flights) == 0
    cache._tier.sweep()
    assert cache._tier.count == len(cache._space.entries) <= 2
    cache.close()
