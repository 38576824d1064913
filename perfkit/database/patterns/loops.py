"""Loops that send a query or a write for each of many things, though one would do.

The sign is: one statement, one line of code, many different values where the statement says ``column = ?``. Values that
only move a range, an offset or a long list are pages and batches. Source of the method: what earlier detectors miss or
cry wolf about (their issue trackers): interleaved loops, empty results, per-tenant loops, retries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import fmean

from perfkit.core.findings import Effect, Finding, Priority
from perfkit.database.patterns import fixes
from perfkit.database.patterns.facts import Role
from perfkit.database.patterns.found import found
from perfkit.database.patterns.observed import Seen

__all__ = ["ENOUGH", "found_in"]

ENOUGH = 5
"""Different values at one site from which it is a loop."""

BATCH = 5
"""Values in a list after IN, in the mean, from which a loop works in batches."""

MANY_ROWS = 200
"""Rows a call, in the mean, from which it is no look-up."""

_MOVING = {Role.RANGE, Role.LIMIT, Role.OFFSET}

Groups = dict[tuple[str, str, str], list[Seen]]


def found_in(groups: Groups, queries: list[Seen]) -> Iterator[Finding]:
    """Yield the loops among *groups* of the *queries* of a request."""
    total = sum(query.seconds for query in queries)
    written = {(site, table) for _, site, members in _writes(groups) for table in members[0].facts.shape.tables}
    for _, site, members in _writes(groups):
        yield _write_in_loop(site, members)
    for (_, _, site), members in groups.items():
        facts = members[0].facts
        if facts.verb != "SELECT" or not facts.shape.tables or facts.is_locking or not _is_loop(members):
            continue
        # Look, then write, from one line: get_or_create and checks of uniqueness. The writes tell it.
        if site and any((site, table) in written for table in facts.shape.tables):
            continue
        yield _n_plus_one(site, members, total)


def _writes(groups: Groups) -> list[tuple[str, str, list[Seen]]]:
    return [
        (shape, site, members)
        for (_, shape, site), members in groups.items()
        if members[0].facts.is_write and _is_loop(members) and fmean(query.facts.rows for query in members) < 2
    ]


def _is_loop(members: list[Seen]) -> bool:
    """Whether the values that change are those that are looked for one by one."""
    if len(members) < ENOUGH or len({query.values for query in members}) < ENOUGH:
        return False
    slots = members[0].facts.slots
    widths = [len(query.values) for query in members]
    changing = {
        slots[at].role for at in range(min(len(slots), *widths)) if len({query.values[at] for query in members}) > 1
    }
    if not changing - _MOVING:
        return False
    listed = [query.facts.in_size for query in members if query.facts.in_size]
    if listed and Role.IN in changing and Role.EQUAL not in changing and fmean(listed) >= BATCH:
        return False
    known = [query.rows for query in members if query.rows >= 0]
    return not known or fmean(known) <= MANY_ROWS


def _n_plus_one(site: str, members: list[Seen], total: float) -> Finding:
    count = len(members)
    facts = members[0].facts
    seconds = sum(query.seconds for query in members)
    relations = Counter(query.relation for query in members if query.relation is not None)
    relation = relations.most_common(1)[0][0] if relations else None
    what = f"{relation.model}.{relation.name}" if relation is not None else facts.shape.summary
    column = next((slot.column for slot in facts.slots if slot.role is Role.EQUAL and slot.column), "")
    return found(
        "n_plus_one",
        f"{count} queries in one request load {what} one by one{_spent(seconds, total)}.",
        fixes.advice(relation, facts, column),
        site=site,
        object=facts.shape.tables[0],
        shape=facts.shape,
        evidence={
            "count": count,
            "distinct": len({query.values for query in members}),
            "seconds": seconds,
            "rows": sum(query.rows for query in members if query.rows > 0),
            **({"relation": f"{relation.model}.{relation.name}"} if relation is not None else {}),
        },
        fix=fixes.of_n_plus_one(relation, facts, column),
        estimate={"queries_saved": float(count - 1), "seconds_saved": seconds * (count - 1) / count},
        priority=Priority.HIGH if count >= 10 else Priority.MEDIUM,
        effect=Effect(kind="sql", variant=facts.shape.id, site=site, stays=1),
    )


def _write_in_loop(site: str, members: list[Seen]) -> Finding:
    count = len(members)
    facts = members[0].facts
    seconds = sum(query.seconds for query in members)
    table = next(iter(facts.shape.tables), None)
    return found(
        "write_in_loop",
        f"{count} times in one request {facts.shape.summary} is sent for one row.",
        "Send all rows with one statement.",
        site=site,
        object=table,
        shape=facts.shape,
        evidence={"count": count, "seconds": seconds},
        fix=fixes.of_write_in_loop(facts.verb, table or "table"),
        estimate={"queries_saved": float(count - 1), "seconds_saved": seconds * (count - 1) / count},
        effect=Effect(kind="sql", variant=facts.shape.id, site=site, stays=1),
    )


def _spent(seconds: float, total: float) -> str:
    if seconds <= 0.0 or total <= 0.0:
        return ""
    took = f"{seconds:.2f} s" if seconds >= 1.0 else f"{seconds * 1000:.1f} ms"
    return f" ({took}, {100.0 * seconds / total:.0f} % of its database time)"
