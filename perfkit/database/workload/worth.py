"""Which advice on indexes is worth telling to whoever runs the app, and the finding that it becomes. Pure.

The planner's costs say by how much a plan gets better; the durations measured in the app say whether anybody would
notice. Where a large plan becomes a small one the costs are enough: that grows with the table, and of SQLite only the
way to the first row is measured. Elsewhere both are wanted: 30 microseconds that could be 10 are nobody's problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from perfkit.core.findings import Effect, Finding
from perfkit.database.indexes.advice import IndexAdvice
from perfkit.database.report.statistics import SlowQuery
from perfkit.database.workload.followed import Figures, told_milliseconds

if TYPE_CHECKING:
    from perfkit.database.schema.catalog import Table

__all__ = ["is_worth_telling", "of_model", "served_by", "with_figures"]

SAVED_PER_CALL = 0.0001
"""Seconds a call that an index must save at least."""

SAVED_SHARE = 0.01
"""Part of the time of all statements that it must save at least, where the plan gets only somewhat cheaper."""

LARGE_PLAN, MUCH_CHEAPER = 500.0, 10.0
"""Units of a plan that is large, and times cheaper from which it becomes a small one."""


def served_by(advice: IndexAdvice, queries: Mapping[str, SlowQuery]) -> list[SlowQuery]:
    """Return those of *queries*, by text, that *advice* serves, the costliest first."""
    served = [queries[text] for text in dict.fromkeys(advice.statements) if text in queries]
    return sorted(served, key=lambda query: -query.total)


def is_worth_telling(advice: IndexAdvice, served: Sequence[SlowQuery], seconds: float, table: Table | None) -> bool:
    """Return whether somebody would notice the index.

    Args:
        advice: The index.
        served: The statements that it serves.
        seconds: What all statements of the app took.
        table: The table as it is.
    """
    if not served or not advice.cost_before > 0.0 or not seconds > 0.0:
        return False
    if advice.cost_before >= max(LARGE_PLAN, MUCH_CHEAPER * advice.cost_after):
        return True
    figures, ratio = Figures.of(served), 1.0 - advice.cost_after / advice.cost_before
    return (
        not _is_widening(advice, table)
        and figures.mean * ratio >= SAVED_PER_CALL
        and figures.seconds * ratio >= SAVED_SHARE * seconds
    )


def _is_widening(advice: IndexAdvice, table: Table | None) -> bool:
    """Whether an index of today begins as *advice* does."""
    first = advice.columns[0].lower()
    return table is not None and any(
        index.keys and index.keys[0].lower() == first and not index.where for index in table.indexes
    )


def with_figures(finding: Finding, advice: IndexAdvice, served: Sequence[SlowQuery], seconds: float) -> Finding:
    """Return the *finding* of *advice* with what the app measured: its line, calls, times and what would be saved."""
    worst, figures = served[0], Figures.of(served)
    ratio = 1.0 - advice.cost_after / advice.cost_before
    site = worst.callers[0].site if worst.callers else None
    took = f"{told_milliseconds(figures.mean)} ms"
    calls = f"1 call of {worst.summary} took {took}"
    if figures.calls > 1:
        calls = f"{figures.calls:,} calls of {worst.summary} took {took} each"
    return msgspec.structs.replace(
        finding,
        site=site,
        message=(
            f"{advice.table} has no index that serves {advice.table}({', '.join(advice.columns)})"
            f"{' WHERE ' + advice.where if advice.where else ''}: {calls}, "
            f"{100.0 * figures.seconds / seconds:.0f} % of the database's time; the planner's cost would fall from "
            f"{_cost(advice.cost_before)} to {_cost(advice.cost_after)}."
        ),
        action="Make the index; what its statements take is compared before and after.",
        evidence={
            **finding.evidence,
            "query": worst.sql[:500],
            "shape": worst.id,
            "calls": figures.calls,
            "seconds": figures.seconds,
            "seconds_per_call": figures.mean,
        },
        estimate={**finding.estimate, "load_seconds_saved": figures.seconds * ratio},
        effect=Effect(kind="sql", variant=worst.id, left=1.0 - ratio),
    )


def of_model(finding: Finding, table: str, model: str) -> Finding:
    """Return *finding* whose operation for a migration of Django names *model*, ``app.Model``, in place of *table*."""
    app, _, name = model.rpartition(".")
    operation = finding.fix.get("django", "")
    if not app or repr(table) not in operation:
        return finding
    named = f"{operation.replace(repr(table), repr(name.lower()), 1)}  # in a migration of {app}"
    return msgspec.structs.replace(finding, fix={**finding.fix, "django": named})


def _cost(units: float) -> str:
    return f"{units:,.0f}" if units >= 100.0 else f"{units:.3g}"
