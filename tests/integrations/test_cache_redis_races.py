"""What a cache read on the server while its own process changed it there is not kept over the change."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cache_traffic import Traffic
from haste import hasty
from patience import until
from redis_server import REDIS_SERVER, RedisServer, redis_server
from shared_caches import caches_on

from perfkit.cache import CacheManager
from perfkit.cache.remote.transport.link import UnreachableError

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(REDIS_SERVER is None, reason="needs redis-server: apt-get install redis-server"),
]

WAIT = 20.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


class Between:
    """Has another thread look at the server right before the change is made there, and go on only after its end."""

    def __init__(self, cache: CacheManager, read: Callable[[CacheManager], Any], *, looks: int = 1) -> None:
        self.seen: Any = None
        self._looks = looks
        self._link = cache._server.tier.link  # type: ignore[union-attr]
        self._ask = self._link._ask
        self._cache, self._read = cache, read
        self._has_looked, self._is_changed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._link._ask = self._between

    def _between(self, batch: Any, deadline: float) -> Any:
        if threading.current_thread() is self._thread:
            replies = self._ask(batch, deadline)
            self._looks -= 1
            if not self._looks:
                self._has_looked.set()
                assert self._is_changed.wait(WAIT)
            return replies
        if self._thread.ident is None and batch[-1][0] == "PUBLISH":
            self._thread.start()
            assert self._has_looked.wait(WAIT)
        return self._ask(batch, deadline)

    def _look(self) -> None:
        self.seen = self._read(self._cache)

    def end(self) -> None:
        """Let the reader go on, now that the change has returned."""
        self._is_changed.set()
        self._thread.join(WAIT)
        assert not self._thread.is_alive()


READS: dict[str, Callable[[CacheManager], Any]] = {
    "get": lambda cache: cache.get("key"),
    "get_many": lambda cache: cache.get_many(["key"]).get("key"),
    "memoize": lambda cache: cache.memoize("key", lambda: "loaded"),
}
CHANGES: dict[str, tuple[Any, Callable[[CacheManager], Any], Any]] = {
    "set": ("old", lambda cache: cache.set("key", "new"), "new"),
    "set for no time": ("old", lambda cache: cache.set("key", "new", ttl=0), None),
    "set_many": ("old", lambda cache: cache.set_many({"key": "new"}), "new"),
    "unshared": ("old", lambda cache: cache.set("key", pytest), pytest),
    "increment": (1, lambda cache: cache.increment("key"), 2),
    "touch": ("old", lambda cache: cache.touch("key", 0), None),
    "delete": ("old", lambda cache: cache.delete("key"), None),
    "pattern": ("old", lambda cache: cache.invalidate_pattern("k*"), None),
    "tag": ("old", lambda cache: cache.invalidate_tags(["t"]), None),
    "clear": ("old", lambda cache: cache.clear(), None),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize(("old", "change", "new"), CHANGES.values(), ids=CHANGES)
def test_what_was_read_before_a_change_is_not_kept_after_it(
    server: RedisServer,
    read: Callable[[CacheManager], Any],
    old: Any,
    change: Callable[[CacheManager], Any],
    new: Any,
) -> None:
    with caches_on(server) as (first, second):
        second.set("key", old, tags=["t"] if change is CHANGES["tag"][1] else [])
        between = Between(first, read)
        change(first)
        between.end()
        # The versions of tags are looked at after the value; there a reader sees that it is old.
        assert between.seen == old or change is CHANGES["tag"][1]
        assert first.get("key") == ("loaded" if between.seen == "loaded" else new)


@pytest.mark.parametrize("change", [each for _, each, _ in CHANGES.values()], ids=CHANGES)
def test_who_comes_after_a_change_does_not_join_a_load_that_began_before(
    server: RedisServer, change: Callable[[CacheManager], Any]
) -> None:
    with caches_on(server) as (first, second):
        second.set("key", 1, tags=["t"])
        # All it asks is answered before the change; only its end comes after.
        between = Between(first, READS["memoize"], looks=2)
        change(first)
        now = first.memoize("key", lambda: "loaded")
        between.end()
        assert between.seen == 1
        assert now != 1
        assert first.memoize("key", lambda: "loaded") == now


@pytest.fixture
def in_haste() -> Iterator[None]:
    with hasty():
        yield


@pytest.mark.usefixtures("in_haste")
def test_readers_never_get_what_their_own_process_changed_before(server: RedisServer) -> None:
    with caches_on(server) as caches:
        traffic = Traffic(caches, keys=3, pace=0.1)
        with traffic.flowing():
            time.sleep(3.0)
        assert traffic.errors == []
        assert traffic.stale == []
        assert traffic.writes > 100


def link_of(cache: CacheManager) -> Any:
    assert cache._server is not None
    return cache._server.tier.link


def name_on(cache: CacheManager) -> bytes:
    assert cache._server is not None
    name = cache._server.tier.names.value("default", "key")
    assert name is not None
    return name


class Before:
    """Has something done right before a call asks the server for a change of what it has looked at, once."""

    def __init__(self, cache: CacheManager, do: Callable[[], object]) -> None:
        self._link = link_of(cache)
        self._ask, self._do = self._link._ask, do
        self._link._ask = self._before

    def _before(self, batch: Any, deadline: float) -> Any:
        if batch[0][0] in ("EVAL", "PEXPIRE"):
            self._link._ask = self._ask
            self._do()
        return self._ask(batch, deadline)


@pytest.mark.parametrize(
    "store",
    [
        lambda cache: cache.set("key", "new"),
        lambda cache: cache.set_many({"key": "new", "more": 1}) == 2,
        lambda cache: cache.add("key", "new"),
        lambda cache: cache.increment("key") == 1,
    ],
    ids=["set", "set_many", "add", "increment"],
)
def test_a_change_of_other_keys_does_not_make_a_set_come_to_nothing(
    server: RedisServer, store: Callable[[CacheManager], bool]
) -> None:
    with caches_on(server) as (first, second):
        Before(first, lambda: second.invalidate_pattern("another*"))
        assert store(first)
        assert second.get("key") in ("new", 1)


def test_a_set_that_was_cancelled_does_not_arrive_after_a_later_delete(server: RedisServer) -> None:
    with caches_on(server) as (first, second):
        link = link_of(first)
        aask = link._aask
        sent: list[Any] = []

        async def stuck_on_its_way(batch: Any, deadline: float) -> Any:
            if not any(command[0] == "EVAL" for command in batch):
                return await aask(batch, deadline)
            sent.append(batch)
            return await asyncio.Event().wait()

        async def give_up_and_delete() -> None:
            link._aask = stuck_on_its_way
            setting = asyncio.create_task(first.aset("key", "cancelled"))
            while not sent:  # noqa: ASYNC110 - there is nothing else to wait for
                await asyncio.sleep(0.001)
            setting.cancel()
            await asyncio.wait({setting})
            link._aask = aask
            await first.adelete("key")
            link._pool().close()

        asyncio.run(give_up_and_delete())
        link._ask(sent[0], time.monotonic() + WAIT)
        assert first.get("key") is second.get("key") is None


def test_a_sliding_life_is_not_given_to_what_came_in_its_place(server: RedisServer) -> None:
    with caches_on(server) as (first, second):
        name = name_on(first)
        second.set("key", "old", ttl=100, sliding=True)
        server.ask("PEXPIRE", name, 1000)
        Before(first, lambda: second.set("key", "new", ttl=10))
        assert first.get("key") == "old"
        assert 0 < server.ask("PTTL", name) <= 10_000


def test_touch_does_not_take_away_what_keeps_a_load_off_that_began_before_a_delete(server: RedisServer) -> None:
    with caches_on(server) as (first, second):
        second.set("key", "old")
        name = name_on(first)
        Before(first, lambda: second.delete("key"))
        assert not first.touch("key", 1)
        assert server.ask("PTTL", name) > 100_000


def test_touch_touches_what_is_there(server: RedisServer) -> None:
    with caches_on(server) as (first, second):
        second.set("key", "old", ttl=10)
        name = name_on(first)
        Before(first, lambda: second.set("key", "new", ttl=20))
        assert first.touch("key", 200)
        assert 100_000 < server.ask("PTTL", name) <= 200_000


@pytest.mark.parametrize("is_owed", [False, True], ids=["call", "made up for"])
def test_a_call_that_is_under_way_when_the_cache_is_stopped_ends_well(server: RedisServer, is_owed: bool) -> None:
    with caches_on(server) as (first, second):
        second.set("key", "value")
        link, found = link_of(first), []
        pool = link._threads
        ask, is_asked, may_end = link.connections.check, threading.Event(), threading.Event()

        def check(replies: Any) -> None:
            is_asked.set()
            assert may_end.wait(WAIT)
            ask(replies)

        def get() -> None:
            try:
                found.append(first.get("key"))
            except BaseException as error:
                found.append(error)

        if is_owed:
            link.journal.add({"space": "default", "keys": ["another"]})
        link.connections.check = check
        thread = threading.Thread(target=get)
        thread.start()
        assert is_asked.wait(WAIT)
        first.stop()
        may_end.set()
        thread.join(WAIT)
        assert found == ["value"]
        assert pool._free == []


@pytest.mark.usefixtures("in_haste")
def test_many_threads_with_ever_new_loops_share_a_cache(server: RedisServer) -> None:
    with caches_on(server, 1) as (cache,):
        errors: list[BaseException] = []
        end = time.monotonic() + 2.0

        def work() -> None:
            while time.monotonic() < end:
                try:
                    asyncio.run(cache.aget("key"))
                except BaseException as error:
                    errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
        assert errors == []


def test_what_the_server_has_is_not_believed_over_a_change_that_did_not_reach_it(server: RedisServer) -> None:
    with caches_on(server) as (first, second):
        second.set("key", "old")
        link = link_of(first)
        drive, is_held, may_begin = link._drive, threading.Event(), threading.Event()
        reader = threading.Thread(target=first.get, args=("key",))

        def held(operation: Any, **options: Any) -> Any:
            if threading.current_thread() is reader and not is_held.is_set():
                is_held.set()
                assert may_begin.wait(WAIT)
            return drive(operation, **options)

        link._drive = held
        reader.start()
        assert is_held.wait(WAIT)
        Before(first, lambda: _raise(UnreachableError()))
        first.set("key", "new")
        may_begin.set()
        reader.join(WAIT)
        assert first.get("key") == "new"


def _raise(error: Exception) -> None:
    raise error


def test_who_is_cancelled_before_a_lock_is_let_go_does_not_leave_it_there(server: RedisServer) -> None:
    with caches_on(server) as (first, _):
        link, lock = link_of(first), first._server.tier.names.lock(name_on(first))  # type: ignore[union-attr]

        async def give_up() -> None:
            aask, is_loading, may_end, is_owed = link._aask, *(asyncio.Event() for _ in range(3))

            async def load() -> str:
                is_loading.set()
                await may_end.wait()
                return "loaded"

            async def stuck(batch: Any, deadline: float) -> Any:
                is_owed.set()
                return await asyncio.Event().wait()

            loading = asyncio.create_task(first.amemoize("key", load))
            await is_loading.wait()
            assert server.ask("EXISTS", lock) == 1
            link.journal.add({"space": "default", "keys": ["another"]})
            link._aask = stuck
            may_end.set()
            await is_owed.wait()
            loading.cancel()
            await asyncio.wait({loading})
            link._aask = aask
            link._pool().close()

        asyncio.run(give_up())
        first.get("another")
        assert server.ask("EXISTS", lock) == 0


INVALIDATIONS: dict[str, Callable[[CacheManager], Any]] = {
    "delete": lambda cache: cache.adelete("key"),
    "tag": lambda cache: cache.ainvalidate_tags(["t"]),
    "pattern": lambda cache: cache.ainvalidate_pattern("k*"),
    "clear": lambda cache: cache.aclear(),
}


@pytest.mark.parametrize("invalidate", INVALIDATIONS.values(), ids=INVALIDATIONS)
def test_an_invalidation_that_was_cancelled_is_made_up_for(
    server: RedisServer, invalidate: Callable[[CacheManager], Any]
) -> None:
    with caches_on(server) as (first, second):
        second.set("key", "old", tags=["t"])
        link = link_of(first)

        async def give_up() -> None:
            aask, is_asked = link._aask, asyncio.Event()

            async def stuck(batch: Any, deadline: float) -> Any:
                is_asked.set()
                return await asyncio.Event().wait()

            link._aask = stuck
            task = asyncio.ensure_future(invalidate(first))
            await is_asked.wait()
            task.cancel()
            await asyncio.wait({task})
            link._aask = aask

        asyncio.run(give_up())
        assert first.get("key") is None
        until(lambda: second.get("key"), lambda found: found is None)


@pytest.mark.parametrize("is_lock", [True, False], ids=["a lock", "an invalidation"])
def test_a_lock_that_is_let_go_late_keeps_nobody_from_the_server(server: RedisServer, is_lock: bool) -> None:
    with caches_on(server) as (first, second):
        second.set("key", "value")
        link = link_of(first)
        ask, is_asked, may_end = link._ask, threading.Event(), threading.Event()
        owing = threading.Thread(target=first.get, args=("another",))

        def slow(batch: Any, deadline: float) -> Any:
            if threading.current_thread() is owing and not is_asked.is_set():
                is_asked.set()
                assert may_end.wait(WAIT)
            return ask(batch, deadline)

        link._ask = slow
        link.journal.add({"locks": [(b"lock", b"token")]} if is_lock else {"space": "default", "keys": ["other"]})
        owing.start()
        assert is_asked.wait(WAIT)
        assert first.get("key") == ("value" if is_lock else None)
        may_end.set()
        owing.join(WAIT)
        assert first.get("key") == "value"
        assert link.journal.is_empty
