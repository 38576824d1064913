"""Numbers of each shape over all workers, with text and call sites: what takes the database's time."""

from __future__ import annotations

import logging
import os
from typing import Any

import msgspec

from perfkit.core.context import Context
from perfkit.core.families import Histogram
from perfkit.core.names import OTHER, REQUEST_DURATION
from perfkit.database.capture.metrics import ERRORS, ROWS, SLOW, STATEMENTS
from perfkit.database.capture.recorder import Recorder, SlowStatement
from perfkit.database.capture.work import ShapeRecord
from perfkit.database.report.routes import seconds_by_route
from perfkit.database.report.texts import MOST_CALLERS, Caller, RouteUse, ShapeText, converted, dearest, joined
from perfkit.store.quantiles import quantile

__all__ = ["Caller", "SlowQuery", "Statistics"]

logger = logging.getLogger("perfkit.database")

SHAPES = "database.shape"
LOG_INTERVAL = 60.0
"""Seconds between two log lines of one shape."""

TELL_INTERVAL = 60.0
"""Seconds between two looks whether the texts of this worker are still in the ring."""

MUCH_MORE = 2.0
"""Times as many statements as when it was told last from which a shape is told again: its callers may be others."""

HELD = 2.0
"""Seconds for which what was read of the others is good: a read is some ms a worker, and pages ask each second."""

MOST_TOLD = 200
MOST_TEXT = 1_000


class SlowQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One shape and its numbers, of all workers since they started.

    Attributes:
        sql: The shape: no values in it.
        id: Its id.
        system: ``postgresql``, ``sqlite``…
        calls: How often it was sent.
        slow: How often it took `database.slow_query_threshold` or longer.
        total, mean, p95, max: Seconds; `max` of the slow ones only, 0 where none was.
        rows: Rows a call, in the mean; None where nobody knows.
        errors: How often it failed.
        share: Its part of the time of all requests, 0 to 1; None without requests.
        callers: The lines that send it, the most frequent first.
        routes: Where it is sent from, the one that spends most on it first.
    """

    sql: str
    id: str
    system: str
    summary: str
    calls: int
    slow: int
    total: float
    mean: float
    p95: float
    max: float = 0.0
    rows: float | None = None
    errors: int = 0
    share: float | None = None
    callers: tuple[Caller, ...] = ()
    routes: tuple[RouteUse, ...] = ()


class Statistics:
    """Tells and reads the statistics of shapes. One thread at a time."""

    def __init__(self, recorder: Recorder, context: Context, threshold: float) -> None:
        """Read from *recorder* and the store of *context*."""
        self._recorder, self._context, self._store = recorder, context, context.store
        self._threshold = threshold
        self.forget()

    def forget(self) -> None:
        """Know nothing: at the start, and in a forked child."""
        self._worker = f"{os.getpid()}-{self._store.clock.time():.3f}"
        self._logged: dict[str, tuple[float, int]] = {}
        self._told_at = float("-inf")
        self._read: tuple[float, list[dict[str, Any]]] = (float("-inf"), [])

    def tick(self, now: float) -> None:
        """Log slow statements and tell the texts that are new, at *now* monotonic seconds."""
        slow = self._recorder.slow
        while slow:
            self._log(slow.popleft(), now)
        self._tell(now)

    def _log(self, one: SlowStatement, now: float) -> None:
        shape = one.record.facts.shape
        at, held_back = self._logged.get(shape.id, (float("-inf"), 0))
        if now - at < LOG_INTERVAL:
            self._logged[shape.id] = (at, held_back + 1)
            return
        if len(self._logged) >= 2_000:
            self._logged.clear()
        self._logged[shape.id] = (now, 0)
        more = f" ({held_back} more since the last line)" if held_back else ""
        where = f" at {one.site} in {one.function}" if one.site else ""
        ended = f", ended by {one.error}" if one.error else ""
        logger.warning("perfkit.database: %.3f s%s%s: %s [%s]%s", one.seconds, where, ended, shape.text, shape.id, more)

    def _tell(self, now: float) -> None:
        if not self._store.is_shared:
            return
        records = self._recorder.records.values()
        new = [record for record in list(records) if not record.told and record.facts.shape.id != OTHER]
        if now - self._told_at >= TELL_INTERVAL:
            self._told_at = now
            kept = {
                text["id"] for text in self._store.texts.read(SHAPES, limit=5_000) if text["worker"] == self._worker
            }
            missing = [
                record
                for record in list(records)
                if record.told and (record.facts.shape.id not in kept or record.count >= MUCH_MORE * record.told)
            ]
            new.extend(sorted(missing, key=lambda record: -record.count)[:50])
        for record in new[:MOST_TOLD]:
            record.told = record.count
            self._store.texts.append(SHAPES, msgspec.to_builtins(self._text_of(record)))

    def _text_of(self, record: ShapeRecord) -> ShapeText:
        shape = record.facts.shape
        sites = sorted(record.sites.items(), key=lambda item: -item[1][0])[:MOST_CALLERS]
        return ShapeText(
            self._worker,
            record.system,
            shape.id,
            shape.text[:MOST_TEXT],
            shape.summary,
            tuple(Caller(site, function, count) for site, (count, function) in sites),
            record.fetched / record.samples if record.samples else -1.0,
            record.longest,
            tuple(
                RouteUse(route, int(requests), int(statements), seconds)
                for route, (requests, statements, seconds) in dearest(record.routes)
            ),
        )

    def texts(self) -> dict[str, ShapeText]:
        """Return what is known of each shape, by its id, from all workers."""
        known: dict[str, ShapeText] = {}
        others = (converted(each) for each in self._of_others())
        own = [self._text_of(record) for record in list(self._recorder.records.values())]
        taken: set[tuple[str, str]] = set()
        for text in (*own, *(each for each in others if each is not None)):
            if (text.worker, text.id) not in taken:
                taken.add((text.worker, text.id))
                known[text.id] = joined(known[text.id], text) if text.id in known else text
        return known

    def _of_others(self) -> list[dict[str, Any]]:
        now = self._store.clock.monotonic()
        if not self._store.is_shared:
            return []
        if not 0.0 <= now - self._read[0] < HELD:
            self._read = now, self._store.texts.read(SHAPES, limit=5_000)
        return self._read[1]

    def shapes(self) -> list[SlowQuery]:
        """Return all shapes, those that took most time first."""
        families = {family.definition.name: family for family in self._store.families(_NAMES, detailed=True)}
        texts = self.texts()
        errors = _by_shape(families.get(ERRORS.name))
        rows, slow = _by_shape(families.get(ROWS.name)), _by_shape(families.get(SLOW.name))
        by_route = seconds_by_route(families.get(REQUEST_DURATION.name))
        spent = sum(by_route.values())
        found = []
        for point in families[STATEMENTS.name].points if STATEMENTS.name in families else ():
            histogram = point.value
            if not isinstance(histogram, Histogram) or not histogram.count:
                continue
            system, summary, shape = point.labels
            text = texts.get(shape)
            calls = histogram.count
            mean_rows = (
                rows[system, shape] / calls if rows.get((system, shape)) else text.rows if text is not None else -1.0
            )
            found.append(
                SlowQuery(
                    sql=text.text if text is not None else summary,
                    id=shape,
                    system=system,
                    summary=summary,
                    calls=int(calls),
                    slow=int(slow.get((system, shape), 0.0)),
                    total=histogram.sum,
                    mean=histogram.sum / calls,
                    p95=quantile(histogram.boundaries, histogram.counts, 0.95),
                    max=text.longest if text is not None else 0.0,
                    rows=mean_rows if mean_rows >= 0.0 else None,
                    errors=int(errors.get((system, shape), 0.0)),
                    share=min(1.0, histogram.sum / spent) if spent else None,
                    callers=text.callers if text is not None else (),
                    routes=_with_shares(text.routes, histogram.sum, by_route) if text is not None else (),
                )
            )
        return sorted(found, key=lambda each: -each.total)

    def seconds_by_route(self) -> dict[str, float]:
        """Return the seconds of all requests of all workers by route."""
        families = {family.definition.name: family for family in self._store.families({REQUEST_DURATION.name})}
        return seconds_by_route(families.get(REQUEST_DURATION.name))

    def slow(self) -> list[SlowQuery]:
        """Return the shapes that were slow at least once, or are so in the mean; those that took most time first."""
        return [each for each in self.shapes() if each.slow or each.mean >= self._threshold]


_NAMES = (STATEMENTS.name, ERRORS.name, ROWS.name, SLOW.name, REQUEST_DURATION.name)


def _by_shape(family: Any) -> dict[tuple[str, str], float]:
    """Return the sums of *family* by system and shape."""
    sums: dict[tuple[str, str], float] = {}
    for point in family.points if family is not None else ():
        key = (point.labels[0], point.labels[1])
        sums[key] = sums.get(key, 0.0) + point.value
    return sums


def _with_shares(routes: tuple[RouteUse, ...], total: float, by_route: dict[str, float]) -> tuple[RouteUse, ...]:
    """Return *routes* with their part of each route's time: of the *total* seconds of a shape by what was seen."""
    seen = sum(use.seconds for use in routes)
    return tuple(
        msgspec.structs.replace(use, share=min(1.0, total * use.seconds / seen / by_route[use.route]))
        if seen and by_route.get(use.route)
        else use
        for use in routes
    )
