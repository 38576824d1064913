"""Numbers of each shape over all workers, with text and call sites: what takes the database's time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any

import msgspec

from perfkit.core.context import Context
from perfkit.core.families import Histogram
from perfkit.core.names import OTHER, REQUEST_DURATION
from perfkit.database.capture.metrics import ERRORS, ROWS, SLOW, STATEMENTS
from perfkit.database.capture.recorder import Recorder, SlowStatement
from perfkit.database.capture.work import ShapeRecord
from perfkit.store.quantiles import quantile

__all__ = ["Caller", "ShapeText", "SlowQuery", "Statistics"]

logger = logging.getLogger("perfkit.database")

SHAPES = "database.shape"
LOG_INTERVAL = 60.0
"""Seconds between two log lines of one shape."""

TELL_INTERVAL = 60.0
"""Seconds between two looks whether the texts of this worker are still in the ring."""

HELD = 2.0
"""Seconds for which what was read of the others is good: a read is some ms a worker, and pages ask each second."""

MOST_TOLD = 200
MOST_CALLERS = 5
MOST_TEXT = 1_000


class Caller(msgspec.Struct, frozen=True):
    """A line that sends a statement: ``path:line``, the function, how often it was seen there."""

    site: str
    function: str
    count: int


class ShapeText(msgspec.Struct, frozen=True):
    """What the workers tell of a shape: no number that the store has."""

    worker: str
    system: str
    id: str
    text: str
    summary: str
    callers: tuple[Caller, ...] = ()
    rows: float = -1.0
    longest: float = 0.0


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
        new = [record for record in list(records) if not record.is_told and record.facts.shape.id != OTHER]
        if now - self._told_at >= TELL_INTERVAL:
            self._told_at = now
            kept = {
                text["id"] for text in self._store.texts.read(SHAPES, limit=5_000) if text["worker"] == self._worker
            }
            missing = [record for record in list(records) if record.is_told and record.facts.shape.id not in kept]
            new.extend(sorted(missing, key=lambda record: -record.count)[:50])
        for record in new[:MOST_TOLD]:
            record.is_told = True
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
        )

    def texts(self) -> dict[str, ShapeText]:
        """Return what is known of each shape, by its id, from all workers."""
        known: dict[str, ShapeText] = {}
        others = (_converted(each) for each in self._of_others())
        own = [self._text_of(record) for record in list(self._recorder.records.values())]
        taken: set[tuple[str, str]] = set()
        for text in (*own, *(each for each in others if each is not None)):
            if (text.worker, text.id) not in taken:
                taken.add((text.worker, text.id))
                known[text.id] = _joined(known[text.id], text) if text.id in known else text
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
        requests = families.get(REQUEST_DURATION.name)
        spent = (
            sum(point.value.sum for point in requests.points if isinstance(point.value, Histogram)) if requests else 0.0
        )
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
                )
            )
        return sorted(found, key=lambda each: -each.total)

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


def _converted(record: dict[str, Any]) -> ShapeText | None:
    try:
        return msgspec.convert(record, ShapeText)
    except msgspec.ValidationError:  # of another version of perfkit
        return None


def _joined(one: ShapeText, other: ShapeText) -> ShapeText:
    counts: dict[tuple[str, str], int] = {}
    callers: Iterable[Caller] = (*one.callers, *other.callers)
    for caller in callers:
        key = (caller.site, caller.function)
        counts[key] = counts.get(key, 0) + caller.count
    ordered = sorted(counts.items(), key=lambda item: -item[1])[:MOST_CALLERS]
    return msgspec.structs.replace(
        one,
        callers=tuple(Caller(site, function, count) for (site, function), count in ordered),
        rows=max(one.rows, other.rows),
        longest=max(one.longest, other.longest),
    )
