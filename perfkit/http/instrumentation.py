"""Where adapters report exchanges: `begin` one, `record` it once, `learn` what a key means when it is first seen.

This is the hot path: every request of the user's app pays for it, so it is written for cost. `begin` and `record` are
closures over local names; a known exchange is one dictionary look-up and three in-place additions. Nothing in the
right-hand side of an addition may be a call: between reading a slot and writing it back Python would be free to switch
threads. Measured with CPython 3.11 on Starlette this is about a third of a hand-written prometheus_client middleware.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable
from time import perf_counter
from typing import Protocol, TypeAlias

from perfkit.core.locks import OwnLock
from perfkit.core.names import KNOWN_METHODS, OTHER, OTHER_METHOD, REQUEST_DURATION, WEBSOCKET_DURATION, WEBSOCKETS
from perfkit.core.spans import OPEN, PRODUCERS, Exchange, seal_exchange, set_exchange
from perfkit.http.queueing import QueueTime
from perfkit.store import Row
from perfkit.store.exchanges import BOUNDS, IS_LOCKED, SUM, count_begun, count_ended
from perfkit.store.layout import FINISHED, STARTED
from perfkit.store.series.updates import UPDATE_LOCK
from perfkit.system import PerformanceSystem

__all__ = ["Instrumentation", "Offer", "Record"]

Offer: TypeAlias = Callable[[Row, float], object]
"""Called with the series of an exchange that was recorded, and its seconds."""


class Record(Protocol):
    """Records one exchange; see `Instrumentation.record`."""

    def __call__(self, key: Hashable, start: float, spans: Exchange | None, offer: Offer | None = None, /) -> bool:
        """Record it; return False for a key that was never learned."""
        ...


KNOWN_SCHEMES = ("http", "https")
"""Values of the label `url_scheme`; anything else is `OTHER`."""

MAX_KEYS = 20_000
"""Keys remembered before the older half is forgotten; only an app that makes routes without end gets there."""


class Instrumentation:
    """Records the exchanges of one adapter into a system's store. Thread-safe.

    Attributes:
        system: The system recorded into.
        begin: Call as ``spans = begin()`` when a request starts; None while nobody adds spans.
        record: Call as ``record(key, start, spans, offer)`` when the last body chunk is handed over; `start` is
            `time.perf_counter` seconds taken after `begin`. Returns False for a key that was never learned;
            nothing is recorded then: call `learn`. Where an *offer* is given it is called with the series and the
            seconds: it offers the exchange to be kept.
        rows: The series of each key that was learned, for an adapter whose own hot path has `begin` and `record` stand
            in it in full.
        queue_time: Looks at a request now and then, if the adapter has it look.
        watch: Called with each series that `learn` meets, before anything is recorded in it.
    """

    def __init__(self, system: PerformanceSystem) -> None:
        """Record into *system*, which is started at the first exchange of each process."""
        self.system = system
        self._store = system.store
        self.rows: dict[Hashable, Row] = {}
        self._held: dict[Hashable, tuple[object, ...]] = {}
        self._definition = self._store.define(REQUEST_DURATION)
        self._lock = OwnLock()
        self.begin, self.record = self._hot_path()
        self.queue_time = QueueTime(system)
        self.watch: Callable[[Row], object] = _nobody

    def _hot_path(self) -> tuple[Callable[[], Exchange | None], Record]:
        """Return `begin` and `record`. What they use are local names, as these are the cheapest to reach."""
        store, rows, ensure_started, bounds = self._store, self.rows, self.ensure_started, BOUNDS

        def begin() -> Exchange | None:
            if not store.is_open:
                ensure_started()
            spans: Exchange | None = None
            if PRODUCERS:
                spans = [OPEN]
                set_exchange(spans)
            if IS_LOCKED:
                count_begun(store)
            else:
                store.values[STARTED] += 1.0
            return spans

        def record(key: Hashable, start: float, spans: Exchange | None, offer: Offer | None = None) -> bool:
            seconds = perf_counter() - start
            try:
                row = rows[key]
            except KeyError:
                return False
            if IS_LOCKED:
                count_ended(store, row, seconds)
            else:
                values = store.values
                index = row.index
                values[index + bisect_left(bounds, seconds)] += 1.0
                values[index + SUM] += seconds
                values[FINISHED] += 1.0  # last: what fails before is an exchange that has not ended
            if spans is not None:
                spans[0] = row
            if offer is not None:
                offer(row, seconds)
            return True

        return begin, record

    def ensure_started(self) -> None:
        """Start the system in this process: at its very first exchange, and at the first one after a fork.

        A system that was stopped stays so: what comes in late is counted in memory and gone.
        """
        with self._lock:
            if not (self.system.is_running or self.system.is_stopped):
                self.system.start()
        self.system.loops.enter()

    def learn(
        self,
        key: Hashable,
        *,
        method: str,
        route: str,
        status: int,
        scheme: str,
        error: str = "",
        hold: tuple[object, ...] = (),
        cache: bool = True,
    ) -> Hashable:
        """Say what *key* means, so that `record` knows it; return the key to record with.

        Args:
            key: Whatever tells this kind of exchange from others, cheap to build.
            route: Full template, empty where none matched.
            status: Response status code; 0 where none was sent.
            error: The `error_type`; for 5xx without an exception leave it empty.
            hold: The objects whose ids are part of *key*; held so that no other object gets the same id.
            cache: False where *key* alone does not tell the route; a key that does is returned instead.
        """
        labels = self._labels(method, route, status, scheme, error)
        row = self._store.row(self._definition, labels)
        self.watch(row)
        if not cache or method not in KNOWN_METHODS or scheme not in KNOWN_SCHEMES:
            # What a stranger may make up is no key: it would be learned anew each time and remembered for nothing.
            key, hold = labels, ()
        # One lock for both, or a key might be remembered whose objects are forgotten: others would get their ids.
        with self._lock:
            if len(self.rows) >= MAX_KEYS:
                # Not all, as another thread has learned its key a moment ago and records with it now.
                for old in list(self.rows)[: MAX_KEYS // 2]:
                    del self.rows[old]
                    self._held.pop(old, None)
            if hold:
                self._held[key] = hold
            self.rows[key] = row
        return key

    def abandon(self, spans: Exchange | None) -> None:
        """Count an exchange as finished that could not be recorded otherwise, so that it is not in flight for ever."""
        values = self._store.values
        with UPDATE_LOCK:
            values[FINISHED] += 1.0
        seal_exchange(spans)

    def websocket_opened(self) -> None:
        """Count a WebSocket connection as open."""
        if not self._store.is_open:
            self.ensure_started()
        row = self._store.row(self._store.define(WEBSOCKETS))
        self._store.add(row, 1.0)

    def websocket_closed(self, route: str, seconds: float) -> None:
        """Count a WebSocket connection of *route* as closed after *seconds*."""
        store = self._store
        store.add(store.row(store.define(WEBSOCKETS)), -1.0)
        store.observe(store.row(store.define(WEBSOCKET_DURATION), (route,)), seconds)

    @staticmethod
    def _labels(method: str, route: str, status: int, scheme: str, error: str) -> tuple[str, str, str, str, str]:
        return (
            method if method in KNOWN_METHODS else OTHER_METHOD,
            route,
            str(status) if status else "",
            scheme if scheme in KNOWN_SCHEMES else OTHER,
            error or (str(status) if status >= 500 else ""),
        )


def _nobody(row: Row) -> None:
    """Stand in as long as nobody keeps exchanges."""
