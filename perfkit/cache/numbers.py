"""What the cache counts, in the store and so for all workers."""

from __future__ import annotations

import threading

from perfkit.cache.memory.space import EVICTED, HITS, MISSES, REMOTE, SAVED, STALE, Space
from perfkit.core.families import Definition, MetricType
from perfkit.store import Store

__all__ = ["BYTES", "ENTRIES", "EVICTIONS", "LOADS", "LOAD_SECONDS", "LOOKUPS", "SAVED_SECONDS", "Numbers"]

LOOKUPS = Definition(
    name="perfkit_cache_lookups_total",
    type=MetricType.COUNTER,
    description="Values asked of the cache: a hit, a hit of the second tier, a miss, or a stale value that served.",
    labels=("namespace", "result"),
)
LOADS = Definition(
    name="perfkit_cache_loads_total",
    type=MetricType.COUNTER,
    description="Values loaded because the cache did not have them fresh, by how that ended.",
    labels=("namespace", "outcome"),
)
LOAD_SECONDS = Definition(
    name="perfkit_cache_load_seconds_total",
    type=MetricType.COUNTER,
    description="Time spent on loading values, in seconds.",
    labels=("namespace",),
    unit="seconds",
)
SAVED_SECONDS = Definition(
    name="perfkit_cache_saved_seconds_total",
    type=MetricType.COUNTER,
    description="Time that loading would have taken where a memoized value served, in seconds.",
    labels=("namespace",),
    unit="seconds",
)
EVICTIONS = Definition(
    name="perfkit_cache_evictions_total",
    type=MetricType.COUNTER,
    description="Values that left the cache unasked, by cause.",
    labels=("namespace", "cause"),
)
ENTRIES = Definition(
    name="perfkit_cache_entries",
    type=MetricType.GAUGE,
    description="Values held by the caches of all live workers.",
)
BYTES = Definition(
    name="perfkit_cache_bytes",
    type=MetricType.GAUGE,
    description="Size of the values held by the caches of all live workers, in bytes, where sizes are looked at.",
    unit="bytes",
)
REMOTE_CALLS = Definition(
    name="perfkit_cache_remote_calls_total",
    type=MetricType.COUNTER,
    description="Questions to the cache server, by outcome; skipped: not asked, as it did not answer before.",
    labels=("outcome",),
)
REMOTE_SECONDS = Definition(
    name="perfkit_cache_remote_seconds",
    type=MetricType.HISTOGRAM,
    description="Time until the cache server answered.",
    unit="seconds",
    boundaries=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
REMOTE_UP = Definition(
    name="perfkit_cache_remote_workers",
    type=MetricType.GAUGE,
    description="Live workers by whether they are in touch with the cache server.",
    labels=("state",),
)

RESULTS = ((HITS, "hit"), (MISSES, "miss"), (STALE, "stale"), (REMOTE, "remote_hit"))


class Numbers:
    """Moves what was counted into the store. Thread-safe.

    A look-up counts in a plain list of its namespace, which costs a third of counting in the store; once a second, and
    whenever somebody asks, the growth is moved.
    """

    def __init__(self, store: Store) -> None:
        """Count into *store*."""
        self._store = store
        self._lock = threading.Lock()
        self._moved: dict[Space, list[float]] = {}
        self._moved_lost: dict[Space, dict[str, float]] = {}

    def move(self, spaces: list[Space]) -> None:
        """Move what *spaces* counted since the last time."""
        store = self._store
        with self._lock:
            for space in spaces:
                counts = list(space.counts)
                # A miss that the second tier makes good is counted as both; where it is just between the two, the
                # difference falls for a moment, and nothing is moved until it has risen again.
                counts[MISSES] -= counts[REMOTE]
                moved = self._moved.setdefault(space, [0.0] * len(counts))
                for place, result in RESULTS:
                    if counts[place] > moved[place]:
                        store.add(store.row(LOOKUPS, (space.name, result)), counts[place] - moved[place])
                self._move_lost(space)
                if counts[SAVED] > moved[SAVED]:
                    store.add(store.row(SAVED_SECONDS, (space.name,)), counts[SAVED] - moved[SAVED])
                self._moved[space] = list(map(max, counts, moved))

    def _move_lost(self, space: Space) -> None:
        lost, moved = _lost(space), self._moved_lost.get(space, {})
        for cause, count in lost.items():
            if count > moved.get(cause, 0.0):
                self._store.add(self._store.row(EVICTIONS, (space.name, cause)), count - moved.get(cause, 0.0))
        self._moved_lost[space] = lost

    def hold(self, entries: int, size: int | None) -> None:
        """Set how much this worker holds."""
        self._store.set(self._store.row(ENTRIES), float(entries))
        if size is not None:
            self._store.set(self._store.row(BYTES), float(size))

    def connected(self, is_connected: bool) -> None:
        """Set whether this worker is in touch with the cache server."""
        for state, holds in (("connected", is_connected), ("apart", not is_connected)):
            self._store.set(self._store.row(REMOTE_UP, (state,)), float(holds))

    def loaded(self, namespace: str, outcome: str, seconds: float) -> None:
        """Count a load and its time."""
        store = self._store
        store.add(store.row(LOADS, (namespace, outcome)), 1.0)
        store.add(store.row(LOAD_SECONDS, (namespace,)), max(0.0, seconds))

    def after_fork(self, spaces: list[Space]) -> None:
        """In a forked child: what the parent counted is the parent's."""
        self._lock = threading.Lock()
        self._moved = {space: list(space.counts) for space in spaces}
        for moved in self._moved.values():
            moved[MISSES] -= moved[REMOTE]
        self._moved_lost = {space: _lost(space) for space in spaces}


def _lost(space: Space) -> dict[str, float]:
    lost = dict(space.lost)
    lost["size"] += space.counts[EVICTED]
    return lost
