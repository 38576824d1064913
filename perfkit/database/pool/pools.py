"""Connections and the pools they come from: how many are out, for how long, who waits, and what was not given back."""

from __future__ import annotations

import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import perf_counter
from typing import Any

from perfkit.core.code.sites import site_of
from perfkit.core.context import Context
from perfkit.core.findings import Finding
from perfkit.core.spans import get_exchange, spans_of
from perfkit.database.patterns.found import found
from perfkit.database.pool.metrics import CONNECTIONS, HELD, PENDING, WAITED
from perfkit.database.pool.queueing import demand_of, replayed_waits, sufficient_size

__all__ = ["Pools"]

TARGET = 0.01
"""Seconds that 99 of 100 callers should wait for a connection at most."""

ENOUGH = 200
"""Connections taken before a size is recommended."""

MOST_TRACE = 5_000
MOST_POOLS = 30
GRACE = 5.0
"""Seconds after the end of its request that a connection may stay out: tear-down comes after the answer."""

LONG = 30.0
"""Seconds from which one held connection is told."""

IDLE = 1.0
IDLE_SHARE = 0.1
"""Seconds from which a held connection should have done something, and the part of them that is something."""

MOST_IDLE = 100


class _Pool:
    """One pool."""

    def __init__(self, pool: Any, name: str, system: str) -> None:
        self.pool, self.name, self.system = weakref.ref(pool), name, system
        self.keeps_none = type(pool).__name__ == "NullPool"
        self.pending = 0
        self.is_timed = False
        self.trace: deque[tuple[float, float]] = deque(maxlen=MOST_TRACE)


class _Held:
    """A connection that is out."""

    __slots__ = ("ended_at", "pool", "since", "site", "spans")

    def __init__(self, pool: _Pool, since: float, site: str, spans: Any) -> None:
        self.pool, self.since, self.site, self.spans = pool, since, site, spans
        self.ended_at = 0.0


class Pools:
    """The pools of this process. Its calls from hooks are cheap and never wait."""

    def __init__(self, context: Context, on_opened: Callable[[str, str], object] = lambda *_: None) -> None:
        """Count in the store of *context*; tell *on_opened* name and system of a pool that keeps no connection."""
        self._context, self._store, self._on_opened = context, context.store, on_opened
        self.forget()

    def forget(self) -> None:
        """Know nothing: at the start, and in a forked child."""
        self._lock = threading.Lock()
        self._pools: dict[int, _Pool] = {}
        self._held: dict[int, _Held] = {}
        self._others: list[tuple[str, Any]] = []
        self._idle: deque[tuple[_Held, float, float]] = deque(maxlen=MOST_IDLE)

    @property
    def are_used(self) -> bool:
        """Whether the app has a pool of SQLAlchemy's: to have it imported is not to use it."""
        return bool(self._pools)

    def watch(self, pool: Any) -> _Pool | None:
        """Measure how long callers wait for a connection of *pool*, one of SQLAlchemy's; return what is kept of it."""
        known = self._pools.get(id(pool))
        if known is not None and known.pool() is pool:
            return known
        with self._lock:
            return self._watch(pool)

    def _watch(self, pool: Any) -> _Pool | None:
        known = self._pools.get(id(pool))
        if known is not None and known.pool() is pool:
            return known
        if len(self._pools) >= MOST_POOLS:
            self._pools = {key: each for key, each in self._pools.items() if each.pool() is not None}
            if len(self._pools) >= MOST_POOLS:
                return None
        dialect = str(getattr(getattr(pool, "_dialect", None), "name", "sql"))
        same = sum(1 for each in self._pools.values() if each.name.partition("-")[0] == dialect)
        known = self._pools[id(pool)] = _Pool(pool, f"{dialect}-{same + 1}", dialect)
        self._time(pool, known)
        return known

    def watch_other(self, pool: Any, name: str) -> None:
        """Show what *pool* tells of itself by `get_stats`, as psycopg_pool's do, under *name*."""
        self._others.append((name, weakref.ref(pool)))

    def taken(self, pool: Any, record: Any) -> None:
        """Note that the connection of *record* was taken out of *pool*."""
        known = self.watch(pool)
        if known is not None and known.keeps_none:
            self._on_opened(known.name, known.system)
        if known is not None and len(self._held) < 10_000:
            site = site_of(sys._getframe(2))
            self._held[id(record)] = _Held(known, perf_counter(), "" if site is None else site.text, get_exchange())

    def given_back(self, record: Any) -> None:
        """Note that the connection of *record* is back."""
        held = self._held.pop(id(record), None)
        if held is not None:
            seconds = perf_counter() - held.since
            if seconds >= IDLE and held.spans is not None:
                self._look_idle(held, seconds)
            self._store.observe(self._store.row(HELD, (held.pool.name,)), seconds)
            held.pool.trace.append((held.since, seconds))

    def _look_idle(self, held: _Held, seconds: float) -> None:
        busy = sum(
            span.seconds for span in spans_of(held.spans or []) if span.kind == "sql" and span.start >= held.since
        )
        if busy < IDLE_SHARE * seconds:
            self._idle.append((held, seconds, busy))

    def _time(self, pool: Any, known: _Pool) -> None:
        """Wrap the one method that waits, on this one object."""
        connect = getattr(pool, "connect", None)
        if connect is None or known.is_timed:
            return
        known.is_timed = True
        store, row = self._store, self._store.row(WAITED, (known.name,))
        inner = type(pool).connect

        def timed() -> Any:
            owner = known.pool()
            known.pending += 1
            start = perf_counter()
            try:
                return inner(owner)
            finally:
                known.pending -= 1
                store.observe(row, perf_counter() - start)

        pool.connect = timed

    def tick(self) -> None:
        """Set the gauges."""
        store = self._store
        for known in list(self._pools.values()):
            pool = known.pool()
            if pool is None or not hasattr(pool, "checkedout"):
                continue
            used = float(pool.checkedout())
            store.set(store.row(CONNECTIONS, (known.name, "used")), used)
            store.set(store.row(CONNECTIONS, (known.name, "idle")), float(pool.checkedin()))
            store.set(store.row(PENDING, (known.name,)), float(known.pending))
        for name, reference in self._others:
            pool = reference()
            if pool is not None:
                self._show(name, pool.get_stats())

    def _show(self, name: str, told: dict[str, int]) -> None:
        store = self._store
        idle = float(told.get("pool_available", 0))
        store.set(store.row(CONNECTIONS, (name, "idle")), idle)
        store.set(store.row(CONNECTIONS, (name, "used")), max(0.0, float(told.get("pool_size", 0)) - idle))
        store.set(store.row(PENDING, (name,)), float(told.get("requests_waiting", 0)))

    def findings(self, now: float) -> Iterator[Finding]:
        """Yield connections that are or were held too long, at *now* (monotonic seconds)."""
        yield from self._leaks(now)
        for _ in range(len(self._idle)):
            with suppress(IndexError):  # another reader may be ahead of us
                yield _idle_finding(*self._idle.popleft())

    def sizes(self) -> Iterator[Finding]:
        """Yield the pools that have a wrong size now."""
        for known in list(self._pools.values()):
            pool = known.pool()
            if pool is not None and hasattr(pool, "size") and len(known.trace) >= ENOUGH:
                yield from self._size(known, pool)

    def _leaks(self, now: float) -> Iterator[Finding]:
        for held in list(self._held.values()):
            spans = held.spans
            if spans and spans[0] and not held.ended_at:
                held.ended_at = now
            seconds = perf_counter() - held.since
            if seconds >= LONG and not held.ended_at:
                yield found(
                    "long_transaction",
                    f"A connection of the pool {held.pool.name} has been out for {seconds:.0f} s.",
                    "Commit in between, or read in chunks: a long transaction holds locks and old rows.",
                    site=held.site,
                    object=held.pool.name,
                    evidence={"seconds": round(seconds)},
                    confidence="likely",
                )
            if held.ended_at and now - held.ended_at >= GRACE:
                yield found(
                    "connection_leak",
                    f"A connection of the pool {held.pool.name} is still out after {seconds:.0f} s, though its "
                    "request has ended.",
                    "Give it back: close the session or connection at the end of the request, also on errors.",
                    site=held.site,
                    object=held.pool.name,
                    evidence={"seconds": round(seconds, 1)},
                    fix={"sqlalchemy": "with Session(engine) as session:\n    ..."},
                )

    def _size(self, known: _Pool, pool: Any) -> Iterator[Finding]:
        trace = sorted(known.trace)
        most = int(pool.size()) + max(0, int(getattr(pool, "_max_overflow", 0)))
        demand = demand_of([arrival for arrival, _ in trace], [hold for _, hold in trace])
        wanted = sufficient_size(demand, target=TARGET, trace=trace)
        waits = sorted(replayed_waits(trace, max(1, most)))
        waited = waits[int(0.99 * (len(waits) - 1))]
        evidence = {
            "size": most,
            "recommended": wanted,
            "rate": demand.rate,
            "hold": demand.hold,
            "in_use": demand.load,
            "wait_p99": waited,
        }
        fix = {"sqlalchemy": f"create_engine(url, pool_size={wanted}, max_overflow={max(2, wanted // 4)})"}
        if wanted > most > 0 and waited > TARGET:
            yield found(
                "pool_too_small",
                f"The pool {known.name} has {most} connections: 1 of 100 callers waits {waited:.3f} s or longer.",
                f"Give it {wanted}, or hold connections for a shorter time.",
                object=known.name,
                evidence=evidence,
                fix=fix,
                confidence="likely",
            )
        elif int(pool.size()) >= 10 and int(pool.size()) > 4 * wanted:
            yield found(
                "pool_too_large",
                f"The pool {known.name} keeps {int(pool.size())} connections, where {wanted} would do.",
                "Make it smaller, so that more workers share the database's connections.",
                object=known.name,
                evidence=evidence,
                fix=fix,
                confidence="guess",
            )


def _idle_finding(held: _Held, seconds: float, busy: float) -> Finding:
    return found(
        "idle_in_transaction",
        f"A connection of the pool {held.pool.name} was held for {seconds:.1f} s, {busy * 1000:.0f} ms of that in use.",
        "Do what takes long (calls of other services, rendering) before the transaction or after it.",
        site=held.site,
        object=held.pool.name,
        evidence={"seconds": round(seconds, 2), "busy": round(busy, 3)},
        fix={"sqlalchemy": "session.commit()  # before the slow call", "django": "end transaction.atomic() before it"},
        confidence="likely",
    )
