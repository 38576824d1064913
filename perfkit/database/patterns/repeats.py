"""The same question with the same values asked again, though nothing has changed meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import pairwise
from statistics import median

from perfkit.core.findings import Effect, Finding, Priority
from perfkit.database.patterns.found import found
from perfkit.database.patterns.observed import Seen

__all__ = ["found_in"]

PAUSE = 0.01
"""Seconds between two equal questions of one line from which it waits for another answer."""

POLLS = 4
"""Equal questions of one line from which they may be polling; fewer are slow to come on a busy machine, no more."""


def found_in(queries: list[Seen], known: Collection[str] = ()) -> Iterator[Finding]:
    """Yield one finding for each shape that was asked again with equal values, between two writes to its tables.

    Args:
        queries: Those of one request.
        known: Ids of shapes of which something else is told already.
    """
    shapes: dict[str, list[Seen]] = {}
    for repeated in _runs(queries):
        if repeated[0].facts.shape.id in known:
            continue
        # Other rows for the same question, or pauses between: somebody waits for a change.
        if len({query.rows for query in repeated}) == 1 and not _is_polling(repeated):
            shapes.setdefault(repeated[0].facts.shape.id, []).extend(repeated[1:])
    for extra in shapes.values():
        yield _duplicate(extra)


def _runs(queries: list[Seen]) -> Iterator[list[Seen]]:
    open_: dict[tuple[object, ...], list[Seen]] = {}
    environment: object = ""
    done: list[list[Seen]] = []
    for query in queries:
        facts = query.facts
        if facts.is_write or facts.verb in ("COMMIT", "ROLLBACK", "TRUNCATE", "ALTER", "DROP", "CREATE", "CALL"):
            changed = set(facts.shape.tables) if facts.is_write else None
            touched = [key for key, run in open_.items() if _is_touched(run, changed)]
            done.extend(open_.pop(key) for key in touched)
        elif facts.verb in ("SET", "USE"):
            environment = (facts.shape.id, query.values)
        elif facts.verb == "SELECT" and facts.shape.tables and not facts.is_locking and None not in query.values:
            open_.setdefault((environment, facts.shape.id, query.values), []).append(query)
    yield from (run for run in (*done, *open_.values()) if len(run) > 1)


def _is_polling(run: list[Seen]) -> bool:
    """Whether one line asks again and again after a pause."""
    if (
        len(run) < POLLS
        or len({query.site for query in run if query.site}) > 1
        or not all(query.start for query in run)
    ):
        return False
    return median(later.start - before.start - before.seconds for before, later in pairwise(run)) >= PAUSE


def _is_touched(run: list[Seen], changed: set[str] | None) -> bool:
    """Whether the answers may differ from now on; None is everything."""
    return changed is None or not changed.isdisjoint(run[0].facts.shape.tables)


def _duplicate(extra: list[Seen]) -> Finding:
    facts = extra[0].facts
    sites = Counter(query.site for query in extra if query.site)
    seconds = sum(query.seconds for query in extra)
    times = len(extra)
    return found(
        "duplicate_query",
        f"{facts.shape.summary} is asked {times} more {'time' if times == 1 else 'times'} in one request with the "
        "same values; nothing has changed in between.",
        "Ask once and hand the answer on.",
        site=sites.most_common(1)[0][0] if sites else None,
        object=facts.shape.tables[0],
        shape=facts.shape,
        evidence={"repeats": times, "seconds": seconds, "sites": [site for site, _ in sites.most_common(5)]},
        fix={
            "sql": "-- ask once, keep the result for the request",
            "django": "@cached_property, or pass the object instead of its id",
            "sqlalchemy": "session.get(Model, id) finds what the session has loaded; else pass the result on",
        },
        estimate={"queries_saved": float(times), "seconds_saved": seconds},
        priority=Priority.MEDIUM if times > 1 else Priority.LOW,
        effect=Effect(kind="sql", variant=facts.shape.id, stays=1, most=times),
    )
