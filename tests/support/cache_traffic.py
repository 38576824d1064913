"""Traffic on caches whose source is known: readers that check what they get, a writer that changes the source."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from patience import until

from perfkit.cache import CacheManager

__all__ = ["Traffic"]

KEYS = 40


class Traffic:
    """Readers of several caches, half of them in threads and half in one event loop, and a writer on the first cache.

    The value of a key is the number of its changes. Who asks the first cache after an invalidation there has returned
    must not get an older one; the other caches hear of it a moment later, so they are compared when all is quiet.

    Attributes:
        errors: What reached a request; must stay empty.
        stale: Reads of the first cache that got what had been made invalid before they began; must stay empty.
        durations: Seconds of each request, the source's own time not counted.
        loads: Times that the source was asked.
    """

    def __init__(self, caches: list[CacheManager], *, seed: int = 7, keys: int = KEYS, pace: float = 1.0) -> None:
        """Use *caches*; *keys* is how many there are, and *pace* how long all rest between two calls."""
        self.caches = caches
        self._keys, self._pace = keys, pace
        self.errors: list[BaseException] = []
        self.stale: list[tuple[str, int, int]] = []
        self.durations: list[float] = []
        self.loads = self.reads = self.writes = 0
        self._source = dict.fromkeys(range(keys), 0)
        self._floors = dict.fromkeys(range(keys), 0)
        self._stop = threading.Event()
        self._seed = seed

    def _load(self, key: int) -> int:
        self.loads += 1
        return self._source[key]

    def _note(self, place: int, key: int, floor: int, value: int, began: float) -> None:
        self.reads += 1
        self.durations.append(time.monotonic() - began)
        if place == 0 and value < floor:
            self.stale.append((str(key), floor, value))

    def _read(self, number: int) -> None:
        rng = random.Random(self._seed + number)
        place = number % len(self.caches)
        cache = self.caches[place]
        while not self._stop.is_set():
            key = rng.randrange(self._keys)
            floor, began = self._floors[key], time.monotonic()
            try:
                value = cache.memoize(f"key:{key}", lambda key=key: self._load(key), ttl=300, tags=[f"tag:{key % 5}"])
                self._note(place, key, floor, value, began)
            except BaseException as error:
                self.errors.append(error)
            time.sleep(0.002 * self._pace)

    async def _aread(self, number: int) -> None:
        rng = random.Random(self._seed + 100 + number)
        place = number % len(self.caches)
        cache = self.caches[place]
        while not self._stop.is_set():
            key = rng.randrange(self._keys)
            floor, began = self._floors[key], time.monotonic()
            try:
                value = await cache.amemoize(
                    f"key:{key}", lambda key=key: self._load(key), ttl=300, tags=[f"tag:{key % 5}"]
                )
                self._note(place, key, floor, value, began)
            except BaseException as error:
                self.errors.append(error)
            await asyncio.sleep(0.002 * self._pace)

    def _aread_all(self) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*(self._aread(number) for number in range(4)))
            for cache in self.caches:
                assert cache._server is not None
                cache._server.tier.link._pool().close()

        asyncio.run(all_of_them())

    def _write(self) -> None:
        rng = random.Random(self._seed)
        while not self._stop.is_set():
            key = rng.randrange(self._keys)
            self._source[key] += 1
            value = self._source[key]
            try:
                self._invalidate(key, rng)
                self._floors[key] = value
                self.writes += 1
            except BaseException as error:
                self.errors.append(error)
            time.sleep(0.01 * self._pace)

    def _invalidate(self, key: int, rng: random.Random) -> None:
        cache = self.caches[0]
        kinds: list[Callable[[], object]] = [
            lambda: cache.delete(f"key:{key}"),
            lambda: cache.invalidate_tags([f"tag:{key % 5}"]),
            lambda: cache.invalidate_pattern(f"key:{key}"),
            lambda: cache.set(f"key:{key}", self._source[key], ttl=300, tags=[f"tag:{key % 5}"]),
            cache.clear,
        ]
        rng.choices(kinds, (8, 4, 2, 4, 0.5))[0]()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Let it flow while the block runs."""
        threads = [threading.Thread(target=self._read, args=(number,)) for number in range(4)]
        threads += [threading.Thread(target=self._aread_all), threading.Thread(target=self._write)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(60)
            assert not any(thread.is_alive() for thread in threads), "a request never ended"

    def wait_for_reads(self, count: int = 300) -> None:
        """Wait until that many more have been read."""
        wanted = self.reads + count
        until(lambda: self.reads >= wanted)

    def check(self, *, bound: float) -> None:
        """Look that no request met an error or got what was invalid, and that they hardly waited.

        Args:
            bound: Seconds that 99 of 100 may take at most; and the slowest eight times that, as machines are busy.
        """
        assert self.errors == []
        assert self.stale == []
        late = sorted(self.durations)[int(len(self.durations) * 0.99)]
        assert late <= bound, f"p99 of {len(self.durations)} requests is {late:.3f} s"
        slowest = max(self.durations)
        assert slowest <= 8 * bound, f"the slowest of {len(self.durations)} requests took {slowest:.3f} s"

    def all_agree(self) -> bool:
        """Return whether each cache gives what the source has now."""
        return all(
            cache.memoize(f"key:{key}", lambda key=key: self._source[key], ttl=300) == self._source[key]
            for cache in self.caches
            for key in range(self._keys)
        )
