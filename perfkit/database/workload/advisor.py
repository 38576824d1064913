"""Advice on indexes while the app runs: the leader asks the database now and then, all workers tell what came of it.

It runs in the worker for slow work, over a connection of its own that only reads and is closed again, on shapes: what
visitors typed is in none of them. The statements that take most time are looked at, so many and no more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from perfkit.core.context import Context
from perfkit.core.errors import MissingDependencyError
from perfkit.core.findings import Finding
from perfkit.database.indexes.advice import IndexAdvice, Verification
from perfkit.database.query.target import Target
from perfkit.database.report.notes import Notes
from perfkit.database.report.statistics import SlowQuery
from perfkit.database.settings import DatabaseSettings
from perfkit.database.shapes.tokens import CUT
from perfkit.database.workload.followed import Figures, Followed
from perfkit.database.workload.sources import Source, Sources, told
from perfkit.database.workload.state import IndexState
from perfkit.database.workload.worth import is_worth_telling, of_model, served_by, with_figures

if TYPE_CHECKING:
    from perfkit.database.schema.catalog import Table

__all__ = ["IndexAdvisor"]

FIRST_LOOK = 5.0
"""Seconds from the first statement to the first look."""

AFTER_NEWS, WHILE_OPEN = 15.0, 30.0
"""Seconds to the next look where there are new statements, and where somebody may be following an advice."""

MOST_READS, MOST_WRITES = 40, 20
"""Shapes that are looked at, those first that take most time."""

PAUSE = 100.0
"""Times the processor time of a look until the next one at least: looks take a hundredth of a core, at most."""

MOST_FOLLOWED = 20

_READS, _WRITES = ("SELECT", "WITH"), ("INSERT", "UPDATE", "DELETE", "REPLACE")
_TOLD = frozenset({"duplicate_index", "redundant_index", "unused_index", "stale_statistics", "implicit_cast"})
"""Kinds of upkeep that are told; a foreign key without an index is one only where the workload would use it."""


class _Answer(NamedTuple):
    """What one database was found to want."""

    indexes: list[tuple[IndexAdvice, Finding]]
    tables: Mapping[str, Table]
    upkeep: list[Finding]
    verifications: dict[str, Verification]
    verified_by: str


class IndexAdvisor:
    """Looks at the indexes that the app's statements want. One thread at a time."""

    def __init__(self, context: Context, settings: DatabaseSettings, sources: Sources, notes: Notes) -> None:
        """Ask *sources*, tell *notes*."""
        self._context, self._settings, self._sources, self._notes = context, settings, sources, notes
        self.forget()

    def forget(self) -> None:
        """Know nothing: at the start, and in a forked child."""
        self.state = IndexState()
        self._due = self._looked_at = float("inf")
        self._not_before = float("-inf")
        self._shapes = 0
        self._followed: dict[str, Followed] = {}
        self._upkeep: set[str] = set()

    def is_due(self, now: float, shapes: int) -> bool:
        """Return whether it is time for a look at *now* (monotonic seconds), when so many *shapes* are known. Quick."""
        if not self._settings.index_advice or not shapes or not self._context.store.is_leader:
            return False
        if self._looked_at == float("inf"):
            self._due = min(self._due, now + FIRST_LOOK)
        elif shapes > self._shapes:
            self._due = min(self._due, max(self._looked_at + AFTER_NEWS, self._not_before))
        return now >= self._due

    def look(self, now: float, queries: Iterable[SlowQuery], texts: Mapping[str, str], shapes: int) -> None:
        """Ask the databases about *queries*, those of all workers, at *now* monotonic seconds; blocks.

        Args:
            now: Monotonic seconds.
            queries: The numbers of all shapes.
            texts: Whole text by id, where it is known.
            shapes: How many are known, as `is_due` will be told.
        """
        began = time.thread_time()
        known = [_whole(query, texts) for query in queries]
        self._looked_at, self._shapes = now, shapes
        reasons: list[str] = []
        advised: set[str] = set()
        upkeep: set[str] = set()
        looked, verified_by = 0, ""
        for source in self._sources.of(self._context.database):
            workload = _workload([query for query in known if _same(query.system, source.system)])
            if not workload:
                continue
            try:
                answer = source.ask(partial(self._answer, workload))
            except MissingDependencyError as error:
                reasons.append(str(error))
                break
            except Exception as error:  # noqa: BLE001 - drivers have no error in common; the reason is told
                reasons.append(f"{source.name}: {told(error)}")
                advised |= self._followed.keys()
                upkeep |= self._upkeep
                continue
            looked, verified_by = looked + len(workload), answer.verified_by
            advised |= self._take(answer, source, workload, now)
            upkeep |= {finding.fingerprint for finding in answer.upkeep}
            self._notes.put(answer.upkeep, now)
        for fingerprint in self._followed.keys() - advised:
            del self._followed[fingerprint]
            self._notes.drop(fingerprint, now)
        for fingerprint in self._upkeep - upkeep:
            self._notes.drop(fingerprint, now)
        self._upkeep = upkeep
        opened = sum(1 for each in self._followed.values() if not each.is_fixed)
        spent = time.thread_time() - began
        gap = min(WHILE_OPEN, self._interval) if self._followed else self._interval
        self._not_before = now + PAUSE * spent
        self._due = max(now + gap, self._not_before)
        self.state = IndexState(
            at=self._context.clock.time(),
            seconds=spent,
            statements=looked,
            open=opened,
            verified_by=verified_by,
            reason="; ".join(reasons) or ("" if looked else "no database is known that the statements went to"),
        )

    @property
    def _interval(self) -> float:
        return self._settings.index_advice_interval

    def _answer(self, workload: Sequence[SlowQuery], target: Target) -> _Answer:
        # Imported by the thread for slow work of the worker that leads, as nobody else needs them.
        from perfkit.database.indexes.analysis import casts, missing_index
        from perfkit.database.indexes.recommend import search
        from perfkit.database.indexes.session import opened
        from perfkit.database.indexes.upkeep import find_upkeep
        from perfkit.database.indexes.verification import verified
        from perfkit.database.schema.reading import read_catalog

        pairs = [(query.sql, float(query.calls)) for query in workload]
        with opened(target) as session:
            catalog = read_catalog(session, None, pairs)
            found = search(session, catalog, pairs)
            upkeep = [*find_upkeep(catalog, planned=found.existing_used)]
            for demand in found.demands:
                upkeep.extend(casts(demand, catalog))
            indexes = [(advice, missing_index(advice, catalog)) for advice in found.indexes]
            still_missing = {finding.fingerprint for _, finding in indexes}
            verifications = {
                fingerprint: verified(session, catalog, each.advice)
                for fingerprint, each in list(self._followed.items())
                if fingerprint not in still_missing and catalog.table(each.advice.table) is not None
            }
        return _Answer(
            indexes=indexes,
            tables=catalog.tables,
            upkeep=[finding for finding in upkeep if finding.kind in _TOLD],
            verifications=verifications,
            verified_by=found.verified_by,
        )

    def _take(self, answer: _Answer, source: Source, workload: Sequence[SlowQuery], now: float) -> set[str]:
        """Note what *answer*, of *source*, says; return the fingerprints that stand."""
        by_text, by_id = {query.sql: query for query in workload}, {query.id: query for query in workload}
        seconds = sum(query.total for query in workload)
        standing: set[str] = set()
        for advice, finding in answer.indexes:
            served = served_by(advice, by_text)
            fingerprint = finding.fingerprint
            if not is_worth_telling(advice, served, seconds, answer.tables.get(advice.table.lower())):
                continue
            each = self._followed.get(fingerprint)
            if each is None:
                if len(self._followed) >= MOST_FOLLOWED:
                    continue
                each = self._followed[fingerprint] = Followed(advice, (), finding)
            shapes = tuple(query.id for query in served)
            shown = with_figures(finding, advice, served, seconds)
            shown = of_model(shown, advice.table, source.model_of(advice.table))
            each.advised(advice, shapes, shown, Figures.of(served))
            standing.add(fingerprint)
        for fingerprint, verification in answer.verifications.items():
            each = self._followed[fingerprint]
            if fingerprint not in standing and each.seen(verification, _figures(each, by_id)):
                standing.add(fingerprint)
        self._notes.put([self._followed[fingerprint].finding for fingerprint in standing], now)
        return standing


def _figures(followed: Followed, by_id: Mapping[str, SlowQuery]) -> Figures:
    return Figures.of(by_id[shape] for shape in followed.shapes if shape in by_id)


def _whole(query: SlowQuery, texts: Mapping[str, str]) -> SlowQuery:
    text = texts.get(query.id)
    return msgspec.structs.replace(query, sql=text) if text else query


def _same(system: str, other: str) -> bool:
    """Whether statements of *system* go to databases of *other*: drivers of MySQL do not tell MariaDB from it."""
    family = ("mysql", "mariadb")
    return system == other or (system in family and other in family)


def _workload(queries: Iterable[SlowQuery]) -> list[SlowQuery]:
    """Return those of *queries* that read or write rows and are known whole, those that take most time first."""
    whole = [query for query in queries if not query.sql.endswith(CUT)]
    ordered = sorted(whole, key=lambda query: -query.total)
    reads = [query for query in ordered if query.sql.startswith(_READS)]
    writes = [query for query in ordered if query.sql.startswith(_WRITES)]
    return reads[:MOST_READS] + writes[:MOST_WRITES]
