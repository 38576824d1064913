"""Rows counted, all of them, by somebody who only wants to know whether there is one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from perfkit.core.findings import Finding
from perfkit.database.patterns.facts import Role
from perfkit.database.patterns.found import found
from perfkit.database.patterns.observed import Seen

__all__ = ["found_in"]

_ASKS_EXISTENCE = re.compile(
    r"(?:\.count\(\)|\.scalar(?:_one)?\([^)]*\)|\blen\(.*\))\s*(?:>\s*0|>=\s*1|!=\s*0|==\s*0|<\s*1)(?![\d.])"
    r"|\b(?:if|not|while|and|or|bool\()\s*[^=<>]*\.count\(\)\s*(?::|\)|and\b|or\b|$)"
)
"""A line that compares a count with nothing."""


def found_in(queries: list[Seen], source: Callable[[str], str]) -> Iterator[Finding]:
    """Yield the counts whose line says so, or which are followed by the same rows being loaded whole."""
    told: set[tuple[str, str]] = set()
    for at, query in enumerate(queries):
        facts = query.facts
        key = (facts.shape.id, query.site)
        if not facts.is_count or key in told:
            continue
        line = source(query.site) if query.site else ""
        is_said = bool(line) and _ASKS_EXISTENCE.search(line) is not None
        if not is_said and not _is_followed_by_rows(queries, at):
            continue
        told.add(key)
        yield found(
            "count_for_exists",
            f"{facts.shape.summary} counts all rows, but "
            + ("only whether there is one is asked." if is_said else "the same rows are loaded right after."),
            "Ask whether there is a row, or load the rows and look at them.",
            site=query.site,
            object=next(iter(facts.shape.tables), None),
            shape=facts.shape,
            evidence={"seconds": query.seconds, "line": line},
            fix={
                "sql": f"SELECT EXISTS (SELECT 1{facts.source})",
                "django": ".exists() instead of .count()",
                "sqlalchemy": "session.scalar(select(exists().where(…)))",
            },
            confidence="sure" if is_said else "likely",
        )


def _is_followed_by_rows(queries: list[Seen], at: int) -> bool:
    """Whether the rows that were counted are then loaded, all of them or only the first: no page of them."""
    counted = queries[at]
    wanted = tuple(
        value for slot, value in zip(counted.facts.slots, counted.values, strict=False) if slot.role is not Role.OTHER
    )
    for query in queries[at + 1 : at + 4]:
        facts = query.facts
        if facts.verb != "SELECT" or facts.is_count or not facts.source or facts.source != counted.facts.source:
            continue
        pairs = list(zip(facts.slots, query.values, strict=False))
        values = tuple(value for slot, value in pairs if slot.role not in (Role.LIMIT, Role.OFFSET, Role.OTHER))
        is_page = facts.is_limited and not _is_one_row(query)
        if values == wanted and not is_page:
            return True
    return False


def _is_one_row(query: Seen) -> bool:
    limits = [value for slot, value in zip(query.facts.slots, query.values, strict=False) if slot.role is Role.LIMIT]
    return limits in ([("int", 1)], [("str", hash("1"))]) and not any(s.role is Role.OFFSET for s in query.facts.slots)
