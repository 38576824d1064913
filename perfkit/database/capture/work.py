"""What is known of one statement text, of one shape, and of the statements of one exchange."""

from __future__ import annotations

from typing import Any

from perfkit.core.code.sites import Spot
from perfkit.core.names import OTHER
from perfkit.core.spans import VARIANT, Attributes, Exchange
from perfkit.database.patterns.facts import Facts, Role
from perfkit.database.patterns.observed import Relation
from perfkit.store import Row

__all__ = ["Entry", "ShapeRecord", "Work"]

MOST_SITES = 20
"""Call sites remembered of one shape."""

MOST_SPOTS = 3
"""Spots looked at before the stack is walked: each takes a tenth of a walk."""

MOST_ROUTES = 20
"""Routes remembered of one shape; more count as `OTHER`."""


class ShapeRecord:
    """One shape in this worker.

    Attributes:
        facts: Of the first statement of this shape.
        system: ``postgresql``, ``sqlite``…
        row, rows, slow: Its series in the store: durations, rows, slow ones.
        count: Statements since the start, for choosing which ones are weighed.
        sites: Call site → (times seen, function).
        spots: Where its call sites were met last on the stack, the latest first.
        summary, attributes: What its spans say of its shape.
        relations: Call site → what an ORM was loading there.
        routes: Route → [requests, statements, seconds], of the exchanges that were looked at.
        samples, fetched: Statements whose rows were counted as they were fetched, and these rows.
        weighed, bytes: Rows that were weighed, and their bytes in all.
        columns: Column → bytes of the rows that were weighed.
        longest: The longest time, seconds.
        locked: Reason → [times, call site], of failures because another transaction was in the way.
        likes: Whether it has a LIKE with a parameter or a value.
        has_wildcard: Whether such a parameter was seen to begin with a wildcard.
        told: Statements when the other workers were last told of it; 0 where they do not know it.
        sample: A text of this shape, for EXPLAIN and for looking at the statement; it may hold values: never shown.
    """

    __slots__ = (
        "attributes",
        "bytes",
        "columns",
        "count",
        "facts",
        "fetched",
        "has_wildcard",
        "likes",
        "locked",
        "longest",
        "relations",
        "routes",
        "row",
        "rows",
        "sample",
        "samples",
        "sites",
        "slow",
        "spots",
        "summary",
        "system",
        "told",
        "weighed",
    )

    def __init__(self, facts: Facts, system: str, row: Row, rows: Row, slow: Row, sample: str) -> None:
        """Begin with nothing counted."""
        self.facts, self.system, self.sample = facts, system, sample
        self.summary = facts.shape.summary
        self.attributes: Attributes = ((VARIANT, facts.shape.id),)
        self.spots: tuple[Spot, ...] = ()
        self.row, self.rows, self.slow = row, rows, slow
        self.count = self.samples = self.fetched = self.weighed = self.bytes = self.told = 0
        self.columns: dict[str, int] = {}
        self.sites: dict[str, list[Any]] = {}
        self.relations: dict[str, Relation | None] = {}
        self.routes: dict[str, list[float]] = {}
        self.locked: dict[str, list[Any]] = {}
        self.longest = 0.0
        self.likes = any(slot.role is Role.LIKE for slot in facts.slots)
        self.has_wildcard = False

    def remember(self, spot: Spot) -> None:
        """Look for a call site at *spot*, too: the latest few are kept, so that lines by turns cost no walk each."""
        self.spots = (spot, *self.spots)[:MOST_SPOTS]

    def note(self, site: str, function: str) -> bool:
        """Count a call site; return whether it is remembered."""
        known = self.sites.get(site)
        if known is not None:
            known[0] += 1
        elif len(self.sites) < MOST_SITES:
            self.sites[site] = [1, function]
        return known is not None or site in self.sites

    def add_route(self, route: str, statements: int, seconds: float) -> None:
        """Count a request of *route* that sent it; by whoever looks at exchanges, never by a request."""
        known = self.routes.get(route)
        if known is None:
            if len(self.routes) >= MOST_ROUTES:
                route = OTHER
            known = self.routes.setdefault(route, [0.0, 0.0, 0.0])
            self.told = 0
        known[0] += 1.0
        known[1] += statements
        known[2] += seconds


class Entry:
    """One text: its shape and what is its own."""

    __slots__ = ("facts", "is_write", "record")

    def __init__(self, facts: Facts, record: ShapeRecord) -> None:
        """Say what the text is."""
        self.facts, self.record, self.is_write = facts, record, facts.is_write


class Work:
    """The statements of one exchange.

    Attributes:
        spans: The exchange's list, by which it is known.
        began: Monotonic seconds of the first statement.
        counts: Shape → statements so far.
        queries: (entry, parameters, rows, start, seconds, site): parameters as hashes.
    """

    __slots__ = ("began", "counts", "queries", "spans")

    def __init__(self, spans: Exchange, began: float) -> None:
        """Begin with none."""
        self.spans, self.began = spans, began
        self.counts: dict[ShapeRecord, int] = {}
        self.queries: list[tuple[Entry, Any, int, float, float, str]] = []
