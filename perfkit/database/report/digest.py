"""Looks at the exchanges that have ended and at the shapes that are new. Runs off the request, under one lock."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from perfkit.core.findings import Finding
from perfkit.core.names import OTHER, ROUTE_STATEMENTS
from perfkit.core.spans import route_of
from perfkit.database.capture.recorder import Recorder
from perfkit.database.capture.work import Entry, ShapeRecord, Work
from perfkit.database.patterns.facts import values_of
from perfkit.database.patterns.found import found
from perfkit.database.patterns.observed import Seen
from perfkit.database.patterns.request import patterns_of
from perfkit.database.patterns.statements import find_statement_patterns
from perfkit.database.settings import DatabaseSettings

if TYPE_CHECKING:
    from perfkit.core.context import Context

__all__ = ["Digest", "seen_of"]

PATIENCE = 300.0
"""Seconds after which an exchange that has not ended is looked at as it is."""

ENOUGH_ROWS = 20
"""Rows that must have been weighed before a row is called wide."""

ENOUGH_FAILURES = 3
"""Failures of one shape for a lock's sake from which it is told; one alone may be what NOWAIT is for."""

MOST_COLUMNS = 2
"""A statement of so few columns was meant to read what it reads."""


class Digest:
    """Turns what a recorder keeps into findings."""

    def __init__(self, recorder: Recorder, context: Context, settings: DatabaseSettings) -> None:
        """Read from *recorder*."""
        self._recorder, self._context, self._settings = recorder, context, settings
        self._looked: set[tuple[str, str]] = set()

    def ended(self, now: float) -> Iterator[Finding]:
        """Yield what is wrong with the exchanges that have ended by *now* (monotonic seconds), and forget them."""
        pending = self._recorder.pending
        for key, work in list(pending.items()):
            spans = work.spans
            if spans[0] or now - work.began > PATIENCE:
                pending.pop(key, None)
                with self._context.errors.guarded("database", "the statements of a request could not be looked at"):
                    yield from self.of_work(work)

    def of_work(self, work: Work) -> Iterator[Finding]:
        """Yield what is wrong with the statements of *work*, each with its route; count the route at their shapes."""
        route = route_of(work.spans)
        if route:
            sums: dict[ShapeRecord, list[float]] = {}
            for entry, _, _, _, seconds, _ in work.queries:
                each = sums.setdefault(entry.record, [0.0, 0.0])
                each[0] += 1.0
                each[1] += seconds
            for record, (statements, spent) in sums.items():
                record.add_route(route, int(statements), spent)
            store = self._context.store
            store.add(store.row(ROUTE_STATEMENTS, (route,)), float(len(work.queries)))
        if len(work.queries) > 1:
            for finding in patterns_of([seen_of(*query) for query in work.queries]):
                if route:
                    finding.evidence["route"] = route
                yield finding

    def new_shapes(self) -> Iterator[Finding]:
        """Yield what is wrong with the statements of shapes that were not looked at yet."""
        for key, record in list(self._recorder.records.items()):
            if key in self._looked or key[1] == OTHER:
                continue
            self._looked.add(key)
            with self._context.errors.guarded("database", "a statement could not be looked at"):
                yield from find_statement_patterns(
                    record.sample,
                    dialect=record.system,
                    site=top_site(record),
                    has_wildcard=record.has_wildcard,
                )

    def wide_rows(self) -> Iterator[Finding]:
        """Yield the shapes whose rows are wide for few columns' sake, and those that return rows without bound."""
        for record in list(self._recorder.records.values()):
            if record.weighed and record.bytes / record.weighed >= self._settings.wide_row:
                yield from _over_fetch(record)
            if record.samples:
                rows = record.fetched // record.samples
                yield from (
                    finding
                    for finding in find_statement_patterns(
                        record.sample, dialect=record.system, rows=rows, site=top_site(record)
                    )
                    if finding.kind == "unbounded_result"
                )

    def lock_failures(self) -> Iterator[Finding]:
        """Yield the shapes that failed again and again because another transaction was in the way."""
        for record in list(self._recorder.records.values()):
            for reason, (count, site) in list(record.locked.items()):
                if count >= ENOUGH_FAILURES:
                    yield _lock_wait(record, reason, count, site)

    def forget(self) -> None:
        """In a forked child: know nothing."""
        self._looked.clear()


def top_site(record: ShapeRecord) -> str | None:
    """Return the call site that *record* was seen at most."""
    return max(record.sites, key=lambda site: record.sites[site][0], default=None)


def seen_of(entry: Entry, hashes: Any, rows: int, start: float, seconds: float, site: str) -> Seen:
    """Return a statement as the patterns see it; *hashes* are those of its parameters."""
    record, facts = entry.record, entry.facts
    values: tuple[Hashable, ...]
    if hashes is None or isinstance(hashes, int):
        values = (hashes,) * max(1, len(facts.slots))
    else:
        values = values_of(facts, hashes)
    if rows < 0 and record.samples and facts.verb == "SELECT":
        rows = round(record.fetched / record.samples)
    return Seen(facts, values, rows, seconds, site, record.relations.get(site), start)


def _lock_wait(record: ShapeRecord, reason: str, count: int, site: str) -> Finding:
    facts = record.facts
    finding = found(
        "lock_wait",
        f"{facts.shape.summary} failed {count} times because another transaction was in the way "
        f"({reason.replace('_', ' ')}).",
        "Keep transactions short, touch rows in one order, and run what failed again as a whole.",
        site=site or top_site(record),
        object=next(iter(facts.shape.tables), None),
        shape=facts.shape,
        evidence={"failures": count, "reason": reason},
        fix={
            "sql": "SELECT … FOR UPDATE SKIP LOCKED  -- where any free row will do",
            "django": "select_for_update(skip_locked=True), and system.database.run_transaction(function)",
            "sqlalchemy": ".with_for_update(skip_locked=True), and system.database.run_transaction(function)",
        },
    )
    # Another one than that of a statement that was seen to wait.
    return msgspec.structs.replace(finding, fingerprint=f"{finding.fingerprint}:{reason}")


def _over_fetch(record: ShapeRecord) -> Iterator[Finding]:
    total = sum(record.columns.values())
    if len(record.columns) <= MOST_COLUMNS or not total:
        return
    column, weight = max(record.columns.items(), key=lambda item: item[1])
    share = weight / total
    if share < 0.5:
        return
    per_row = record.bytes / record.weighed
    table = next(iter(record.facts.shape.tables), None)
    name = column.rpartition("_")[2] if table and column.startswith(f"{table}_") else column
    yield found(
        "over_fetch",
        f"{record.facts.shape.summary} reads {per_row / 1024:.1f} KiB a row, {100.0 * share:.0f} % of it for {column}; "
        "whether that is used is not known.",
        f"If {name} is not needed here, leave it out of the query.",
        site=top_site(record),
        object=f"{table}.{name}" if table else name,
        shape=record.facts.shape,
        evidence={
            "bytes_per_row": round(per_row),
            "rows_weighed": record.weighed,
            "columns": {key: round(size / record.weighed) for key, size in record.columns.items()},
        },
        fix={
            "sql": f"SELECT … FROM {table}  -- without {name}",
            "django": f'.defer("{name}")',
            "sqlalchemy": f".options(defer(Model.{name}))",
        },
        confidence="likely",
        estimate={"bytes_saved_per_row": round(weight / record.weighed)},
    )
