"""What is wrong with the queries of one request, taken together.

The unit is the (shape, call site): the same statement sent again and again from one line of the user's code. How the
values change tells a loop that could be one query from paging, batching and polling, which are meant. No query needs
to come right before another, so loops within loops, interleaved queries and empty results make no difference.
"""

from __future__ import annotations

import linecache
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from perfkit.core.findings import Finding
from perfkit.database.patterns import counting, loops, repeats
from perfkit.database.patterns.facts import Facts, facts_of, values_of
from perfkit.database.patterns.found import found
from perfkit.database.patterns.observed import ObservedQuery, Seen
from perfkit.database.shapes.shape import MAX_KNOWN_TEXT

__all__ = ["LARGE_LIST", "find_request_patterns", "patterns_of"]

LARGE_LIST = 500
"""Values after IN above which a list is told: SQLAlchemy and Django themselves load in chunks of up to 500."""

CHATTY = 5
"""Commits of one request from which it is told."""

_ENVIRONMENT = ("SET", "USE")

_remembered = lru_cache(2_000)(facts_of)


def _facts(sql: str) -> Facts:
    return _remembered(sql) if len(sql) <= MAX_KNOWN_TEXT else facts_of(sql)


def find_request_patterns(queries: Iterable[ObservedQuery]) -> list[Finding]:
    """Return what is wrong with *queries*, those of one request in the order in which they were sent.

    Pure but for reading the source line at the call site of a count.
    """
    seen = []
    for query in queries:
        facts = _facts(query.sql)
        rows = -1 if query.rows is None else query.rows
        seen.append(Seen(facts, values_of(facts, query.params), rows, query.duration, query.site or ""))
    return list(patterns_of(seen))


def patterns_of(queries: list[Seen], source: Callable[[str], str] | None = None) -> Iterator[Finding]:
    """Yield what is wrong with the *queries* of one request; *source* returns the source line at a site."""
    groups, commits = _groups(queries)
    looped = list(loops.found_in(groups, queries))
    yield from looped
    # A loop that meets a thing twice asks twice: one problem, told once.
    yield from repeats.found_in(queries, {finding.evidence["shape"] for finding in looped})
    yield from counting.found_in(queries, source or _source_line)
    yield from _large_lists(queries)
    writes = [query for query in queries if query.facts.is_write]
    # A loop of writes that each commit is told as the loop: one statement for all rows cures both.
    told = {finding.evidence["shape"] for finding in looped if finding.kind == "write_in_loop"}
    if commits >= CHATTY and any(query.facts.shape.id not in told for query in writes):
        site = Counter(query.site for query in writes).most_common(1)[0][0]
        yield found(
            "chatty_commits",
            f"One request commits {commits} times for {len(writes)} writes: the database waits for its disk each time.",
            "Put the writes of one request into one transaction.",
            site=site,
            object=next((table for query in writes for table in query.facts.shape.tables), None),
            shape=writes[0].facts.shape,
            evidence={"commits": commits, "writes": len(writes)},
            fix={
                "sql": "BEGIN; -- all writes\nCOMMIT;",
                "django": "with transaction.atomic():\n    ...",
                "sqlalchemy": "with session.begin():\n    ...",
            },
            confidence="likely",
        )


def _groups(queries: list[Seen]) -> tuple[dict[tuple[str, str, str], list[Seen]], int]:
    """Return the queries by environment, shape and site, and the number of commits.

    A query of unknown site joins the queries of its shape: call sites are looked for from the second one on.
    """
    environment, commits = "", 0
    by_shape: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for query in queries:
        verb = query.facts.verb
        if verb == "COMMIT":
            commits += 1
        elif verb in _ENVIRONMENT:
            # Another search path or database: what follows asks other tables by the same names.
            environment = f"{query.facts.shape.id}{query.values}"
        else:
            by_shape[environment, query.facts.shape.id].append(query)
    groups: dict[tuple[str, str, str], list[Seen]] = {}
    for (where, shape), members in by_shape.items():
        sites = Counter(query.site for query in members if query.site)
        likeliest = sites.most_common(1)[0][0] if sites else ""
        for query in members:
            groups.setdefault((where, shape, query.site or likeliest), []).append(query)
    return groups, commits


def _large_lists(queries: list[Seen]) -> Iterator[Finding]:
    told: set[str] = set()
    for query in queries:
        facts: Facts = query.facts
        if facts.in_size <= LARGE_LIST or facts.shape.id in told:
            continue
        told.add(facts.shape.id)
        table = next(iter(facts.shape.tables), None)
        yield found(
            "large_in_list",
            f"A list after IN has {facts.in_size} values.",
            "Join with the query or the table that the values come from, or send them in chunks.",
            site=query.site,
            object=table,
            shape=facts.shape,
            evidence={"values": facts.in_size, "rows": query.rows},
            fix={
                "sql": f"SELECT … FROM {table} JOIN (VALUES (…), (…)) AS wanted (id) ON wanted.id = {table}.id"
                "  -- PostgreSQL: WHERE id = ANY($1)",
                "django": f"filter(id__in=Other.objects.filter(…).values('{table}_id'))  # a subquery, not a list",
                "sqlalchemy": "select(Model).where(Model.id.in_(select(Other.model_id).where(…)))",
            },
        )


def _source_line(site: str) -> str:
    path, _, line = site.rpartition(":")
    return linecache.getline(path, int(line)).strip() if path and line.isdecimal() else ""
