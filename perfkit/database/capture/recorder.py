"""What every hook reports to: one statement costs one look-up of its text, a few additions and a span.

This is the hot path: every statement of the user's app pays for it. `finish` is a closure over local names; a statement
outside of an exchange ends after the counts. The call site is looked for only from the second statement of a shape in
an exchange on, for the first one of a shape ever, and for slow ones. Parameters stay no longer than it takes to hash
them. What is made of all this (patterns, findings, log lines) is made elsewhere, later, by another thread.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from perfkit.core.code.sites import Site, Spot, found_from, site_of
from perfkit.core.locks import OwnLock
from perfkit.core.names import OTHER
from perfkit.core.spans import MAX_SPANS, Exchange, get_exchange, record_span
from perfkit.database.callsites import relation_of
from perfkit.database.capture.failures import LOCKS, reason_of
from perfkit.database.capture.metrics import ERRORS, ROWS, SLOW, UNWATCHED, statements
from perfkit.database.capture.scale import Scale
from perfkit.database.capture.work import Entry, ShapeRecord, Work
from perfkit.database.patterns.facts import Facts, Role, facts_of, param_of
from perfkit.database.settings import DatabaseSettings
from perfkit.database.shapes.remembered import Remembered
from perfkit.database.shapes.shape import MAX_KNOWN_TEXT
from perfkit.store import Row
from perfkit.store.layout import SINK
from perfkit.store.series.rows import bounds_of
from perfkit.store.series.updates import UPDATE_LOCK, is_free_threaded

if TYPE_CHECKING:
    from perfkit.core.context import Context

__all__ = ["TEST", "Finish", "Recorder", "SlowStatement", "hashes_of"]

TEST = "SELECT 1 -- perfkit self-test"
"""The statement of self-tests."""

MOST_TEXTS = 5_000
"""Texts known of one database system; then all are forgotten and learned anew."""

MOST_WORKS = 512
"""Exchanges whose statements wait to be looked at together."""

MOST_SLOW = 500
MOST_QUERIES = MAX_SPANS
EAGER = 8
"""Repeats in an exchange whose call site is looked for one by one; then every sixteenth."""

MOST_LIKES = 50
"""Statements of a shape whose parameters are looked at for wildcards."""

HOOK_DEPTH = 3
"""Frames between `_note` and the caller of the hook: `finish` and the hook itself lie between."""

MOST_PARAMETERS = 64
"""Parameters hashed one by one; more are hashed together."""

Finish: TypeAlias = Callable[[Entry, float, Any, int], bool]


class SlowStatement(NamedTuple):
    """One statement that took too long.

    Attributes:
        at: Unix seconds of its end.
        error: Name of the error it ended with, or empty.
    """

    record: ShapeRecord
    at: float
    seconds: float
    rows: int
    site: str
    function: str
    error: str = ""


class Recorder:
    """Counts and keeps the statements of one system in this process. Thread-safe; its calls from hooks never raise.

    Attributes:
        finish: Call as ``finish(entry, start, parameters, rows)`` after a statement that began at `start`
            (`time.perf_counter`); rows are -1 where unknown. Returns True if the rows of this one are to be weighed.
        pending: Exchanges with statements that were not looked at yet, by identity of their lists.
        slow: Slow statements that were not told yet.
        records: System and shape → record.
        errors: Where internal errors end.
    """

    finish: Finish

    def __init__(self, context: Context, settings: DatabaseSettings) -> None:
        """Count in the store of *context*."""
        self._context, self._settings = context, settings
        self.errors = context.errors
        self._store = context.store
        self._statements = statements(settings.max_shapes)
        self._known: dict[str, Remembered[Entry]] = {}
        self._lock = OwnLock()
        self.records: dict[tuple[str, str], ShapeRecord] = {}
        self.pending: dict[int, Work] = {}
        self.slow: deque[SlowStatement] = deque(maxlen=MOST_SLOW)
        self._tested = 0
        self._commit: Entry | None = None
        self.finish = self._hot_path()

    def known(self, system: str) -> Remembered[Entry]:
        """Return the texts known of *system*; ask it with ``get`` for each statement, and `learn` what it lacks."""
        return self._known.setdefault(system, Remembered(MOST_TEXTS))

    def find(self, text: Any, system: str) -> Entry | None:
        """Return the entry of *text*, known or not, text or what a driver takes in place of one."""
        return (self.known(system).get(text) if isinstance(text, str) else None) or self.learn(text, system)

    def learn(self, text: Any, system: str) -> Entry | None:
        """Return the entry of a *text* that is not known; None if that fails, which is counted."""
        try:
            if not isinstance(text, str):
                text = _text_of(text)
            if text == TEST:
                return self._test_entry(text)
            known = self.known(system)
            entry = known.get(text)
            if entry is None:
                facts = facts_of(text, system)
                entry = Entry(facts, self._record(facts, system, text))
                if len(text) <= MAX_KNOWN_TEXT:
                    known.remember(text, entry)
            return entry
        except Exception as error:  # noqa: BLE001 - the statement must be sent whatever happens to us
            self._context.errors.report("database", error, doing="a statement could not be looked at")
            return None

    def weigh(self, entry: Entry, holder: Any) -> None:
        """Have the rows of one statement weighed as they are fetched from ``holder.cursor``."""
        if entry.facts.verb == "SELECT" and holder is not None and not isinstance(holder.cursor, Scale):
            holder.cursor = Scale(holder.cursor, entry.record)

    def test(self, send: Callable[[str], object]) -> str:
        """Return why a statement that *send* sends is not captured; empty if it is. It counts nowhere."""
        seen = self._tested
        try:
            send(TEST)
        except Exception as error:  # noqa: BLE001 - why it failed is the answer
            return f"the self-test failed: {type(error).__name__}: {error}"[:300]
        return "" if self._tested > seen else "a statement of the self-test was not captured"

    def _test_entry(self, text: str) -> Entry:
        """Return the entry of a self-test, whose numbers go where nobody reads."""
        self._tested += 1
        return self._uncounted(text)

    def _uncounted(self, text: str) -> Entry:
        facts = facts_of(text)
        sink = [Row(each, ("",) * len(each.labels), SINK) for each in (self._statements, ROWS, SLOW)]
        return Entry(facts, ShapeRecord(facts, "", sink[0], sink[1], sink[2], text))

    def _record(self, facts: Facts, system: str, text: str) -> ShapeRecord:
        key = (system, facts.shape.id)
        record = self.records.get(key)
        if record is None:
            with self._lock:
                record = self.records.get(key) or self._make_record(key, facts, text)
        return record

    def _make_record(self, key: tuple[str, str], facts: Facts, text: str) -> ShapeRecord:
        system, shape = key
        summary = facts.shape.summary
        if len(self.records) >= self._settings.max_shapes:
            other = self.records.get((system, OTHER))
            if other is not None:
                return other
            key, shape, summary = (system, OTHER), OTHER, OTHER
            facts = Facts(facts.shape._replace(text=OTHER, id=OTHER, summary=OTHER, tables=()), OTHER)
        store = self._store
        record = self.records[key] = ShapeRecord(
            facts,
            system,
            store.row(self._statements, (system, summary, shape)),
            store.row(ROWS, (system, shape)),
            store.row(SLOW, (system, shape)),
            text if len(text) <= MAX_KNOWN_TEXT else facts.shape.text,
        )
        return record

    def fail(self, entry: Entry | None, start: float, parameters: Any, error: BaseException) -> None:
        """Count a statement that ended with *error*."""
        try:
            if entry is None:
                return
            record, store = entry.record, self._store
            name = type(error).__name__
            store.add(store.row(ERRORS, (record.system, record.facts.shape.id, name)), 1.0)
            seconds = perf_counter() - start
            store.observe(record.row, seconds)
            reason = reason_of(error)
            if reason in LOCKS:
                self._note_locked(record, reason, site_of(sys._getframe(2)))
            if get_exchange() is not None:
                record_span("sql", record.facts.shape.summary, start, seconds, "", name, record.attributes)
            if seconds >= self._settings.slow_query_threshold:
                self._keep_slow(record, seconds, -1, site_of(sys._getframe(2)), name)
        except Exception as failure:  # noqa: BLE001 - the app's own error must come through
            self._context.errors.report("database", failure, doing="a failed statement could not be counted")

    @staticmethod
    def _note_locked(record: ShapeRecord, reason: str, site: Site | None) -> None:
        known = record.locked.setdefault(reason, [0, ""])
        known[0] += 1
        if site is not None:
            known[1] = site.text

    def note_commit(self) -> None:
        """Note that a transaction of the current exchange was committed, by no statement that could be seen.

        It is looked at with the exchange's statements and counted nowhere: most databases get no statement for it.
        """
        try:
            spans = get_exchange()
            work = None if spans is None or spans[0] else self.pending.get(id(spans))
            if work is not None and len(work.queries) < 2 * MAX_SPANS:
                commit = self._commit
                if commit is None:
                    commit = self._commit = self._uncounted("COMMIT")
                work.queries.append((commit, (), -1, perf_counter(), 0.0, ""))
        except Exception as error:  # noqa: BLE001 - the app's transaction is done whatever happens to us
            self._context.errors.report("database", error, doing="a commit could not be noted")

    def _hot_path(self) -> Finish:
        """Return `finish`. What it uses are local names, as these are the cheapest to reach."""
        store, errors, pending = self._store, self._context.errors, self.pending
        bounds = bounds_of(self._statements)
        last = len(bounds) + 1
        lock = UPDATE_LOCK if is_free_threaded() else None
        threshold, looks = self._settings.slow_query_threshold, self._settings.call_sites
        current, frame_of = get_exchange, sys._getframe
        begin, note, keep_slow = self._begin, self._note, self._keep_slow
        look_for_wildcards = _look_for_wildcards

        def finish(entry: Entry, start: float, parameters: Any, rows: int) -> bool:
            seconds = perf_counter() - start
            try:
                record = entry.record
                if lock is not None:
                    lock.acquire()
                try:
                    values = store.values
                    index = record.row.index
                    values[index + bisect_left(bounds, seconds)] += 1.0
                    values[index + last] += seconds
                    if rows > 0:
                        counted = float(rows)
                        values[record.rows.index] += counted
                finally:
                    if lock is not None:
                        lock.release()
                record.count = count = record.count + 1
                if record.likes and count < MOST_LIKES:
                    look_for_wildcards(record, parameters)
                spans = current()
                site = None
                if spans is None or spans[0]:
                    if looks and (seconds >= threshold or not record.sites):
                        site = note(record, frame_of(2))
                else:
                    work = pending.get(id(spans)) or begin(spans)
                    if work is not None and len(spans) <= MAX_SPANS:
                        counts = work.counts
                        counts[record] = number = counts.get(record, 0) + 1
                        if looks and (
                            (number > 1 and (number <= EAGER or not number & 15))
                            or seconds >= threshold
                            or not record.sites
                        ):
                            site = note(record, frame_of(2))
                        where = "" if site is None else site.text
                        spans.append(("sql", record.summary, start, seconds, where, "", record.attributes))
                        work.queries.append((entry, hashes_of(parameters), rows, start, seconds, where))
                        if seconds >= threshold:
                            keep_slow(record, seconds, rows, site)
                        return count < 4 or not count & 63
                if seconds >= threshold:
                    keep_slow(record, seconds, rows, site)
                return count < 4 or not count & 63
            except Exception as error:  # noqa: BLE001 - the app's statement has done its work whatever happens to us
                errors.report("database", error, doing="a statement could not be counted")
                return False

        return finish

    def _begin(self, spans: Exchange) -> Work | None:
        if len(self.pending) >= MOST_WORKS:
            self._store.add(self._store.row(UNWATCHED), 1.0)
            return None
        work = self.pending[id(spans)] = Work(spans, self._context.clock.monotonic())
        return work

    def _note(self, record: ShapeRecord, frame: Any) -> Site | None:
        """Note where *record* was sent from; *frame* is that of the caller of the hook that called `finish`."""
        for spot in record.spots:
            if spot.is_here():
                record.sites[spot.site.text][0] += 1
                return spot.site
        found = found_from(frame)
        if found is None:
            return None
        site, users, steps = found
        if site.text not in record.relations and len(record.relations) < 50:
            record.relations[site.text] = None
            if record.facts.verb == "SELECT":
                record.relations[site.text] = relation_of(frame)
        if record.note(site.text, site.function) and steps >= 0:
            record.remember(Spot(site, users, HOOK_DEPTH + steps))
        return site

    def _keep_slow(self, record: ShapeRecord, seconds: float, rows: int, site: Site | None, error: str = "") -> None:
        self._store.add(record.slow, 1.0)
        record.longest = max(record.longest, seconds)
        text, function = ("", "") if site is None else (site.text, site.function)
        self.slow.append(SlowStatement(record, self._context.clock.time(), seconds, rows, text, function, error))

    def after_fork(self) -> None:
        """In a forked child: what waits is the parent's."""
        self.pending.clear()
        self.slow.clear()


def _look_for_wildcards(record: ShapeRecord, parameters: Any) -> None:
    """Note whether LIKE is given something that begins with a wildcard: that, and nothing else of it."""
    for slot in record.facts.slots:
        if slot.role is Role.LIKE:
            value = param_of(slot.sources[0], parameters)
            if isinstance(value, str) and value[:1] in ("%", "_"):
                record.has_wildcard = True


def hashes_of(parameters: Any) -> Any:
    """Return *parameters* as hashes, in their place: equal for equal values, good for nothing else."""
    if not parameters:
        return ()
    try:
        if len(parameters) > MOST_PARAMETERS:
            whole = parameters.values() if isinstance(parameters, Mapping) else parameters
            return hash(tuple(whole))
        if parameters.__class__ is dict:
            return dict(zip(parameters, map(hash, parameters.values()), strict=True))
        if isinstance(parameters, Mapping):
            return {name: hash(value) for name, value in parameters.items()}
        return tuple(map(hash, parameters))
    except Exception:  # noqa: BLE001 - a value's own hash may raise anything, and say what it is: it is not told
        return _hashes_of_other(parameters)


def _hashes_of_other(parameters: Any) -> Any:
    """Return the hashes of parameters some of which have none: lists, dictionaries."""
    try:
        if isinstance(parameters, Mapping):
            return {name: _hash(value) for name, value in list(parameters.items())[:MOST_PARAMETERS]}
        return tuple(_hash(value) for value in list(parameters)[:MOST_PARAMETERS])
    except TypeError:
        return None


_strangers = count(1 << 64)
"""Stand for values of which nothing can be known: equal to no other."""


def _hash(value: Any) -> int:
    for form_of in (_itself, repr):
        try:
            return hash(form_of(value))
        except Exception:  # noqa: BLE001 - the next way is tried, and the last needs nothing of the value
            continue
    return next(_strangers)


def _itself(value: Any) -> Any:
    return value


def _text_of(statement: Any) -> str:
    """Return the text of what a driver takes in place of one."""
    if isinstance(statement, bytes | bytearray):
        return statement.decode("utf-8", "replace")
    as_string = getattr(statement, "as_string", None)
    return str(as_string(None)) if callable(as_string) else str(statement)
