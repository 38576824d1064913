"""What a statement that was sent on the caller's behalf came to."""

from __future__ import annotations

from typing import Any

import msgspec

from perfkit.core.findings import Finding

__all__ = ["Plan", "QueryResult"]


class QueryResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `optimize_query`.

    Attributes:
        rows: All rows, as tuples; empty for a statement that returns none.
        columns: Their names.
        row_count: Rows returned or changed; -1 where the driver does not tell.
        duration: Seconds of the last attempt, the fetching included.
        attempts: 1, or more where it was retried.
        shape: Id of its shape.
        suggestions: What is wrong with the statement.
    """

    rows: list[tuple[Any, ...]]
    columns: tuple[str, ...]
    row_count: int
    duration: float
    attempts: int
    shape: str
    suggestions: tuple[Finding, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How the database would run a shape.

    Attributes:
        shape: Id of the shape.
        text: The plan as the database shows it; empty where there is none.
        format: ``json`` or ``text``.
        reason: Why there is none, or empty.
        scans: Tables that are read from end to end.
    """

    shape: str
    text: str = ""
    format: str = "text"
    reason: str = ""
    scans: tuple[str, ...] = ()
