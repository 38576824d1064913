"""What is wrong, with its evidence: the one struct that all components report and all readers show."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec

__all__ = ["Effect", "Finding", "Priority", "State"]


_OURS = re.compile(r"PK\d{3}")


class Priority(StrEnum):
    """How much a finding matters."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for what matters most: to sort by."""
        return _RANKS[self]


_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


class State(StrEnum):
    """Where a finding stands in its life."""

    OPEN = "open"
    SNOOZED = "snoozed"
    FIXED = "fixed"
    GONE = "gone"
    RETURNED = "returned"

    @property
    def is_over(self) -> bool:
        """Whether it is not there any more, so that there is nothing to do about it."""
        return self in (State.FIXED, State.GONE)


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a fix does to the spans of a request, or to all of it: so the requests that were kept tell what it saves.

    Attributes:
        kind, name, variant, site: Which spans; what is empty is not looked at.
        stays: So many of them stay in each request, the first ones: 1 where one query takes the place of many.
        most: At most so many of a request are touched, the last ones; None for all.
        left: Part of their time that is left, 0-1: what an index leaves of a query; 0 where they are gone.
        hit_ratio: Part of the requests that a cache would answer, 0-1; above 0 the rest is not looked at.
    """

    kind: str = ""
    name: str = ""
    variant: str = ""
    site: str = ""
    stays: int = 0
    most: int | None = None
    left: float = 0.0
    hit_ratio: float = 0.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong, why we think so and what to do.

    Attributes:
        code: Stable code such as PK101.
        kind: Machine word such as ``n_plus_one``.
        component: Name of the component that found it.
        message: One sentence with the numbers.
        action: One sentence that says what to do.
        site: ``path:line`` of the user's own code, or None.
        route: Method and template of the route on which it was met most (``GET /products``); None where none is known.
        object: The route, table, column or index it is about, or None.
        evidence: Named figures (seconds, bytes, counts).
        fix: Text to copy, by language (``sql``, ``django``, ``sqlalchemy``…).
        confidence: ``sure``, ``likely`` or ``guess``.
        estimate: Named expected gains (seconds saved per request and the like).
        effect: What its fix does to requests; None where nobody can say.
        basis: What the estimate of time is made from, for people; filled in by `perfkit.advice`.
        fingerprint: Same for the same problem over releases: no line number is in it.
        seen: How often it was met since the start, all workers together; a number that only rises. None for a state
            (an index is missing, a pool is too small), which is told only while it lasts.
        state: Filled in by `perfkit.advice`, as are `first_seen` and `last_seen` (Unix seconds).
        help: The page that explains the code, in the documentation: ``docs/reference/findings/PK101.md``. Filled in by
            itself; empty for a code that is none of perfkit's.
    """

    code: str
    kind: str
    component: str
    priority: Priority
    message: str
    action: str
    site: str | None = None
    route: str | None = None
    object: str | None = None
    evidence: dict[str, Any] = msgspec.field(default_factory=dict)
    fix: dict[str, str] = msgspec.field(default_factory=dict)
    confidence: str = "sure"
    estimate: dict[str, float] = msgspec.field(default_factory=dict)
    effect: Effect | None = None
    basis: str = ""
    fingerprint: str = ""
    seen: int | None = None
    state: State = State.OPEN
    first_seen: float | None = None
    last_seen: float | None = None
    help: str = ""

    def __post_init__(self) -> None:
        """Name the page of the code."""
        if not self.help and _OURS.fullmatch(self.code):
            msgspec.structs.force_setattr(self, "help", f"docs/reference/findings/{self.code}.md")
