"""Hits, stores that evict, read-through and eight threads, beside the caches that people use."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

from benchmarks.cache.peers import PEERS, SIZE, Peer
from benchmarks.harness.results import Budget, Result
from benchmarks.harness.rounds import Contestant, Subject, race

__all__ = ["PARTS", "REFERENCE", "measure", "subject"]

REFERENCE = "cachetools LRU + RLock"
THREADS = 8

PARTS = {
    "get": "a key that is there; ours with time to live, a tag and counts",
    "set": "a new key into a full cache",
    "read": "get, and set what is not there, on heavy-tailed keys",
    "threads": f"{THREADS} threads, 98 % get and 2 % set; wall time is what counts",
}
"""What is done, by the name of the race."""

BUDGETS = {
    "get": Budget(0.35, REFERENCE),
    "set": Budget(0.6, REFERENCE),
    "read": Budget(0.4, REFERENCE),
    "threads": Budget(0.2, REFERENCE, is_wall=True),
}
SLOW = {"theine": 5, "dogpile memory": 3, "Django locmem": 10, "flask-caching simple": 5}
SLOWER = {"flask-caching simple": 200}
"""By how much fewer calls a turn has of what takes long; in the races in which a full cache stores."""

CALLS = {"get": 100_000, "set": 40_000, "read": 60_000, "threads": 400_000}
"""Enough that what other contestants left in the processor's caches is soon replaced, and that threads meet."""


@functools.cache
def _keys(part: str) -> list[str]:
    """Return the keys of a race in the order in which they are used, again and again."""
    chance = random.Random(7)
    if part == "set":
        return [f"key:{number}" for number in range(20 * SIZE)]
    if part == "read":
        return [f"key:{int(chance.paretovariate(0.5)) % (10 * SIZE)}" for _ in range(20 * SIZE)]
    keys = [f"key:{number}" for number in range(SIZE)]
    chance.shuffle(keys)
    return keys


def subject(argument: str) -> Subject:
    """Build the contestant of *argument*, which is ``race:name``."""
    part, _, name = argument.partition(":")
    peer, keys = PEERS[name](), _keys(part)
    (peer.fill or peer.set)(keys[:SIZE])
    # Some peers take milliseconds for each key beyond what they hold, so the cache is filled and no more.
    stream = cycle(keys[SIZE:] + keys[:SIZE])
    if part == "threads":
        return _threads(peer, keys)
    loop = getattr(peer, part)

    def run(count: int) -> None:
        loop(islice(stream, count))

    empty = cycle(keys)

    def twin(count: int) -> None:
        for _key in islice(empty, count):
            pass

    counted = _counter(peer) if part == "get" else lambda: None
    return Subject(run=run, twin=twin, counted=counted, close=peer.close)


def _counter(peer: Peer) -> Callable[[], float | None]:
    return peer.hits


def _threads(peer: Peer, keys: list[str]) -> Subject:
    """Return the race of threads, which are made once; the twin is a yardstick of the machine's speed."""
    pool = ThreadPoolExecutor(THREADS)
    streams = [cycle(keys[start:] + keys[:start]) for start in range(0, len(keys), len(keys) // THREADS)]

    def work(stream: Iterable[str], count: int) -> None:
        peer.mixed(islice(stream, count))

    def run(count: int) -> None:
        for done in [pool.submit(work, stream, count // THREADS) for stream in streams[:THREADS]]:
            done.result()

    def twin(count: int) -> None:
        for _key in islice(cycle(keys), 2 * count):
            pass

    def close() -> None:
        pool.shutdown()
        peer.close()

    return Subject(run=run, twin=twin, is_difference=False, close=close)


def measure(part: str, *, rounds: int, scale: float, on_round: Callable[[int], None]) -> list[Result]:
    """Race all contestants of one *part*."""
    skipped = {"perfkit, lru, ttl and tag"} if part == "get" else set()
    contestants = [
        Contestant(
            name=name,
            factory="benchmarks.cache.operations:subject",
            argument=f"{part}:{name}",
            calls=CALLS[part] // (SLOW if part == "get" else SLOW | SLOWER).get(name, 1),
            pieces=1 if part == "threads" else 4,
            budget=BUDGETS[part] if name.startswith("perfkit") else None,
        )
        for name in PEERS
        if name not in skipped
    ]
    return race(contestants, rounds=rounds, scale=scale, on_round=on_round)
