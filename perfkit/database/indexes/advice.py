"""What is told about an index to be made, and about a database as a whole."""

from __future__ import annotations

import msgspec

from perfkit.core.findings import Finding

__all__ = ["Analysis", "IndexAdvice", "LeftOut", "Verification"]


class IndexAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """An index that is worth making.

    Attributes:
        ddl: The statement that makes it, to be copied; perfkit never runs it.
        columns: Columns and expressions, in order.
        cost_before: Mean cost a call of the statements that it serves, without it but with the others of the advice.
        cost_after: The same with it. Units of the planner, which are no times.
        size_bytes: Its size once built, as estimated.
        verified_by: ``hypopg`` (the planner was asked with it), ``planner`` (SQLite's planner takes it on a copy of
            the schema) or ``rules`` (our own model over the server's statistics).
        reason: One sentence with the numbers.
        django: The operation of a Django migration that makes it.
        alembic: The operation of an Alembic migration that makes it.
        statements: Those that it serves, as they were given; at most ten.
        write_cost: Units that the writes of the period pay for it.
        saving: Units that it saves in the period, writes not yet taken off.
    """

    ddl: str
    table: str
    columns: tuple[str, ...]
    cost_before: float
    cost_after: float
    size_bytes: int
    verified_by: str
    reason: str
    name: str = ""
    where: str = ""
    include: tuple[str, ...] = ()
    django: str = ""
    alembic: str = ""
    statements: tuple[str, ...] = ()
    write_cost: float = 0.0
    saving: float = 0.0


class LeftOut(msgspec.Struct, frozen=True):
    """A statement that nothing is said about, and why."""

    statement: str
    reason: str


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a database and its workload.

    Attributes:
        indexes: Those worth making.
        findings: What is wrong, the most urgent first.
        left_out: Statements that could not be read or planned.
        verified_by: How the advice was checked; empty where nothing could be asked.
        what_if_calls: How often the planner was asked.
    """

    indexes: tuple[IndexAdvice, ...] = ()
    findings: tuple[Finding, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    verified_by: str = ""
    what_if_calls: int = 0


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an advice.

    Attributes:
        is_applied: Whether such an index exists now.
        is_used: Whether a plan uses it.
        cost_before: As the advice said.
        cost_now: Mean cost a call of the same statements planned now; None where there is no planner's cost.
        message: One sentence: "fixed, 2166 → 8".
    """

    is_applied: bool
    is_used: bool
    cost_before: float
    cost_now: float | None
    message: str
