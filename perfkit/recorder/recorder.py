"""The flight recorder: which exchanges are kept, where they lie, and who reads them."""

from __future__ import annotations

import math
import os
import secrets
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import msgspec

from perfkit.core.clock import Clock, SystemClock
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.families import Definition, Histogram, MetricType
from perfkit.core.findings import Effect
from perfkit.core.locks import OwnLock
from perfkit.core.names import CLIENT_DISCONNECTED, REQUEST_DURATION, route_name
from perfkit.recorder.capture import Taken, exchange_of, failure_of
from perfkit.recorder.choice import Budget, Choice
from perfkit.recorder.settings import RecorderSettings
from perfkit.recorder.snapshot import RecorderSnapshot
from perfkit.store.layout import FINISHED
from perfkit.store.series.rows import bounds_of
from perfkit.store.texts import KEPT_BYTES

if TYPE_CHECKING:
    from perfkit.recorder.estimate import Estimate
    from perfkit.recorder.kept import KeptExchange
    from perfkit.recorder.prospects import Prospects
    from perfkit.store import Row

__all__ = ["DROPPED", "KEPT", "KIND", "MOST_LISTED", "FlightRecorder"]

KIND = "exchange"
"""The kind of the records in the ring."""

KEPT = Definition(
    name="perfkit_kept_exchanges_total",
    type=MetricType.COUNTER,
    description="Exchanges kept whole by the flight recorder, by reason.",
    labels=("reason",),
)

DROPPED = Definition(
    name="perfkit_unkept_exchanges_total",
    type=MetricType.COUNTER,
    description="Exchanges that were worth keeping and were not, by what was full.",
    labels=("full",),
)

MOST_TAKEN = 64
"""Exchanges that wait for the next tick."""

MOST_SPANS = 20_000
"""Spans of those that wait."""

MOST_SERIES = 2_500
"""Series watched; the store has fewer, unless it was told to have more."""

RENEWED = 64
"""Series looked at in one tick."""

LEAST_MINUTES = 10.0
"""Minutes for which the ring holds what is kept, however much that is."""

FRESH = 1.0
"""Seconds for which what was read is good."""

MOST_LISTED = 500
"""Exchanges listed at most."""

WINDOW = 900.0
"""Seconds of requests that an estimate looks back on."""

REQUEST_BOUNDS = bounds_of(REQUEST_DURATION)


class FlightRecorder(Component):
    """Keeps whole exchanges and lists those of all workers. Thread-safe.

    An adapter has each series of requests watched (`watch`), and offers (`keep`) the exchanges that took as long as
    `Row.keep_from` says, those that failed and those that somebody asked for.
    """

    name = "recorder"
    settings_type = RecorderSettings

    def __init__(
        self,
        *,
        settings: RecorderSettings | None = None,
        context: Context | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Keep in the store of *context*; alone, in a memory store of its own.

        Args:
            settings: Which exchanges are kept.
            context: The system around it.
            clock: Time, for tests.
        """
        if context is None:
            from perfkit.store import Store

            context = Context(store=Store(clock=clock), clock=clock or SystemClock())
        self.settings = settings or RecorderSettings()
        self._context, self._store, self._clock = context, context.store, context.clock
        self._choices: dict[tuple[str, ...], Choice] = {}
        self._is_running = False
        self._lock = OwnLock()
        self._begin()

    def _begin(self) -> None:
        """Have nothing that waits: at the start, and in a forked child, whose parent keeps its own."""
        self._pid = os.getpid()
        self._taken: deque[Taken] = deque()
        self._spans = 0
        self._next, self._finished, self._written = 0, -1.0, 0
        self._read: tuple[float, tuple[KeptExchange, ...]] | None = None
        self._budget = Budget(
            rate=KEPT_BYTES / (LEAST_MINUTES * 60.0), burst=KEPT_BYTES / 4, now=self._clock.monotonic()
        )

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the recorder of a system."""
        return cls(settings=settings, context=context)

    def start(self) -> None:
        """Want exchanges from now on; called again it does nothing."""
        self._notice_fork()
        if not self._is_running:
            self._is_running = True
            for choice in list(self._choices.values()):
                choice.resume()

    def stop(self) -> None:
        """Want none any more, and write what was taken; called again it does nothing."""
        self._is_running = False
        for choice in list(self._choices.values()):
            choice.rest()
        self._flush()

    def watch(self, row: Row) -> None:
        """Choose among the exchanges of the series *row* from now on; called again it does nothing."""
        known = self._choices.get(row.labels)
        if (known is not None and known.row is row) or len(self._choices) >= MOST_SERIES:
            return
        method, route, status, _, error = row.labels
        context = self._context
        target = context.targets.get(f"{method} {route}", context.thresholds.get("response_time", 1.0))
        is_error = bool(error and error != CLIENT_DISCONNECTED) or status >= "500"
        choice = Choice(row, self.settings, is_error=is_error, target=target, now=self._clock.monotonic())
        if not self._is_running:
            choice.rest()
        self._choices[row.labels] = choice

    def keep(
        self,
        row: Row,
        seconds: float,
        spans: list[Any] | None,
        *,
        began: float,
        first: float | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        error: BaseException | None = None,
        asked: str = "",
    ) -> None:
        """Take an exchange, if its series still wants it or somebody asked for it.

        Called where a visitor waits: it takes references, and a tick makes the record.

        Args:
            row: Its series, in which it is counted already.
            spans: Its exchange, sealed.
            began: `time.perf_counter` of its begin.
            first: Seconds until the first chunk of a stream.
            query: Raw; only its keys will be kept.
            headers: Those of the request that may be kept.
            error: What the app raised.
            asked: The id under which it was asked for.
        """
        if not self._is_running:
            return
        count = 0 if spans is None else len(spans)
        if len(self._taken) >= MOST_TAKEN or self._spans + count > MOST_SPANS:
            # Before the choice, which would else have one less to give.
            self._drop("queue")
            return
        choice = self._choices.get(row.labels)
        reason = choice.take(seconds) if choice is not None and seconds >= row.keep_from else ""
        if asked and reason != "error":
            reason = "asked"
        if not reason:
            return
        self._spans += count
        name = asked or secrets.token_hex(8)
        failure = failure_of(error)
        at = self._clock.time()
        self._taken.append(
            Taken(name, reason, row.labels, at, seconds, began, first, spans, query, headers or {}, failure)
        )

    def tick(self, now: float) -> None:
        """Write what was taken, and look at some series: what is slow for them by now?"""
        self._notice_fork()
        self._flush()
        values = self._store.values
        finished = values[FINISHED]
        if finished == self._finished or not self._is_running:
            return
        self._finished = finished
        choices = list(self._choices.values())
        for _ in range(min(RENEWED, len(choices))):
            self._next = (self._next + 1) % len(choices)
            choice = choices[self._next]
            row, bounds = choice.row, choice.row.bounds
            counts = values[row.index : row.index + len(bounds) + 1]
            choice.renew(bounds, list(counts), now)

    def list(
        self,
        *,
        route: str | None = None,
        status: int | str | None = None,
        reason: str | None = None,
        min_seconds: float = 0.0,
        max_seconds: float = math.inf,
        since: float = 0.0,
        until: float = math.inf,
        limit: int = 100,
    ) -> tuple[KeptExchange, ...]:
        """Return kept exchanges of all workers, newest first.

        Args:
            route: Only those of this template, or of method and template (``GET /orders``).
            status: Only those of this status, or of a class of them (``5xx``).
            reason: Only those kept as ``error``, ``slow``, ``sample`` or ``asked``.
            min_seconds, max_seconds: Only those that took so long, and not longer.
            since, until: Only those that ended after the first and not after the second (Unix seconds).
            limit: So many at most, and not more than 500.
        """
        wanted = None if status is None else str(status).lower()
        found = [
            each
            for each in self._exchanges()
            if (route is None or route in (each.route, each.name))
            and (wanted is None or wanted in (str(each.status), f"{each.status // 100}xx"))
            and reason in (None, each.reason)
            and min_seconds <= each.seconds <= max_seconds
            and since < each.at + each.seconds <= until
        ]
        return tuple(found[: max(0, min(limit, MOST_LISTED))])

    def get(self, id: str) -> KeptExchange | None:
        """Return the kept exchange *id*, whichever worker kept it; None if there is none (any more)."""
        return next((each for each in self._exchanges() if each.id == id), None)

    def what_if(self, route: str, subject: str, *, calls: int = 0) -> Estimate | None:
        """Return what *route* would gain if *subject* took no time; None where nothing kept tells.

        Args:
            route: Method and template, such as ``GET /orders``.
            subject: A call site (``shop/views.py:48``), or the name of spans: a query's summary, a host, a namespace.
            calls: So many of them stay in each request: 1 where one query takes the place of many.
        """
        prospects = self.prospects(route)[route]
        effects = (Effect(site=subject, stays=calls), Effect(name=subject, stays=calls))
        return next((each for each in map(prospects.with_effect, effects) if each is not None), None)

    def what_if_cached(
        self, route: str, ttl: float, *, urls: int = 1, repeat_ratio: float = 1.0, hit_seconds: float | None = None
    ) -> Estimate | None:
        """Return what *route* would gain if its responses were kept for *ttl* seconds; None with too few requests.

        Args:
            route: Method and template, such as ``GET /orders``.
            urls: Different URLs that share its requests.
            repeat_ratio: Part of the requests whose answer may be given again, 0-1, as the cache's sample says
                (`cache.http.sample`).
            hit_seconds: What a response out of the cache takes; None for half a millisecond.
        """
        from perfkit.recorder.prospects import HIT_SECONDS

        prospects = self.prospects(route)[route]
        ratio = prospects.hit_ratio(ttl, urls=urls, repeat_ratio=repeat_ratio)
        return prospects.cached(ratio, hit_seconds=HIT_SECONDS if hit_seconds is None else hit_seconds)

    def prospects(self, *routes: str) -> dict[str, Prospects]:
        """Return what tells the gains of changes, by route, from one reading of what is kept and counted.

        Args:
            routes: Methods and templates, such as ``GET /orders``; none for all of which an exchange is kept.
        """
        from perfkit.recorder.prospects import Counted, Prospects

        kept: dict[str, list[KeptExchange]] = {route: [] for route in routes}
        for each in self._exchanges():
            if not routes or each.name in kept:
                kept.setdefault(each.name, []).append(each)
        window = self._store.window(WINDOW)
        whole = 0.0
        counts = {name: [0.0] * (len(REQUEST_BOUNDS) + 1) for name in kept}
        totals = dict.fromkeys(kept, 0.0)
        for point in window.points:
            name = route_name(*point.labels[:2])
            if not isinstance(point.value, Histogram):
                continue
            whole += point.value.sum
            if name in kept:
                counts[name] = [a + b for a, b in zip(counts[name], point.value.counts, strict=True)]
                totals[name] += point.value.sum
        since = self._clock.time() - WINDOW
        return {
            name: Prospects(
                name,
                [each for each in exchanges[:MOST_LISTED] if each.at >= since] or exchanges[:MOST_LISTED],
                Counted(boundaries=REQUEST_BOUNDS, counts=counts[name], total=totals[name], duration=window.duration),
                part=totals[name] / whole if whole > 0.0 else 0.0,
            )
            for name, exchanges in kept.items()
        }

    def snapshot(self) -> RecorderSnapshot:
        """Return how many were kept and how many were not. Never waits, never raises."""
        return RecorderSnapshot(kept=self._counted(KEPT), dropped=self._counted(DROPPED), series=len(self._choices))

    def _counted(self, definition: Definition) -> dict[str, int]:
        return {
            point.labels[0]: int(point.value)
            for family in self._store.families({definition.name})
            for point in family.points
            if not isinstance(point.value, Histogram) and isinstance(point.value, float | int)
        }

    def _exchanges(self) -> tuple[KeptExchange, ...]:
        """Return all that is kept, read at most once a second; what this worker has just taken is in it."""
        from perfkit.recorder.kept import KeptExchange

        self._notice_fork()
        self._flush()
        now, read = self._clock.monotonic(), self._read
        if read is not None and 0.0 <= now - read[0] < FRESH:
            return read[1]
        found, written = [], self._written
        for record in self._store.kept.read(KIND, limit=10_000):
            try:
                found.append(msgspec.convert(record, KeptExchange, strict=False))
            except msgspec.ValidationError:  # of another release of perfkit
                continue
        found.sort(key=lambda each: each.at + each.seconds, reverse=True)
        exchanges = tuple(found)
        if self._written == written:
            # Else another thread has written one that this reading may have missed.
            self._read = now, exchanges
        return exchanges  # not out of `_read`, which another thread may have emptied by now

    def _flush(self) -> None:
        """Make records of what was taken and write them."""
        if not self._taken:
            return
        with self._lock:
            for _ in range(len(self._taken)):
                try:
                    taken = self._taken.popleft()
                except IndexError:
                    break
                self._spans = max(0, self._spans - (0 if taken.spans is None else len(taken.spans)))
                with self._context.errors.guarded(self.name, "an exchange could not be kept"):
                    self._write(taken)
            if not self._taken:
                self._spans = 0

    def _write(self, taken: Taken) -> None:
        store, context = self._store, self._context
        kept = exchange_of(taken, worker=store.number, pid=self._pid, release=context.release or "")
        record = msgspec.to_builtins(kept)
        size = len(msgspec.msgpack.encode(record))
        if not self._budget.spend(size, self._clock.monotonic()) and taken.reason != "asked":
            self._drop("bytes")
        elif not store.kept.append(KIND, record, at=taken.at):
            self._drop("size")
        else:
            store.add(store.row(KEPT, (taken.reason,)), 1.0)
            self._written += 1
            self._read = None

    def _drop(self, full: str) -> None:
        self._store.add(self._store.row(DROPPED, (full,)), 1.0)

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            self._begin()
