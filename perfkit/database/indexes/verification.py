"""`verify_applied`: what became of an advice, so that it ends as "fixed, 2166 → 8"."""

from __future__ import annotations

from typing import Any

from perfkit.database.indexes.advice import IndexAdvice, Verification
from perfkit.database.indexes.recommend import measured
from perfkit.database.indexes.session import Session, opened
from perfkit.database.schema.catalog import Catalog, Index, Table
from perfkit.database.schema.reading import read_catalog

__all__ = ["verified", "verify_applied"]

STILL_CLAIMED = 0.7
"""Part of the promised saving from which the advice has kept its word."""


def verify_applied(connection: Any, advice: IndexAdvice, *, schema: str | None = None) -> Verification:
    """Return whether *advice* was followed, and what its statements cost now. Nothing is changed.

    Args:
        connection: As for `recommend_indexes`.
        advice: As it was given then.
        schema: Where its table is; the search path by default.

    Raises:
        DatabaseError: The database is nothing that can be asked.
    """
    pairs = [(sql, 1.0) for sql in advice.statements]
    with opened(connection, schema) as session:
        return verified(session, read_catalog(session, schema, pairs), advice)


def verified(session: Session, catalog: Catalog, advice: IndexAdvice) -> Verification:
    """Do the work of `verify_applied` on an open session whose catalog is read."""
    costs = measured(session, catalog, [(sql, 1.0) for sql in advice.statements])
    table = catalog.table(advice.table)
    index = next((each for each in table.indexes if _is_it(each, advice)), None) if table is not None else None
    now = sum(cost for cost, _ in costs) / len(costs) if costs else None
    is_used = index is not None and any(index.name in names for _, names in costs)
    return Verification(
        is_applied=index is not None,
        is_used=is_used,
        cost_before=advice.cost_before,
        cost_now=now,
        message=_message(advice, index, table, now, is_used=is_used),
    )


def _is_it(index: Index, advice: IndexAdvice) -> bool:
    if index.name == advice.name:
        return index.is_valid
    keys = tuple(key.lower() for key in index.keys[: len(advice.columns)])
    return index.is_valid and not advice.where and not index.where and keys == tuple(c.lower() for c in advice.columns)


def _message(advice: IndexAdvice, index: Index | None, table: Table | None, now: float | None, *, is_used: bool) -> str:
    if table is None:
        return f"The table {advice.table} is not there any more."
    if index is None:
        return f"Not made yet: {advice.ddl}"
    figures = f"{advice.cost_before:.4g} → {now:.4g}" if now is not None else "its statements cannot be planned"
    if not is_used:
        return f"{index.name} is there, but no plan uses it: {figures}."
    promised = advice.cost_before - advice.cost_after
    if now is not None and advice.cost_before - now < STILL_CLAIMED * promised:
        return f"{index.name} is used, and saves less than was said: {figures} in place of {advice.cost_after:.4g}."
    return f"Fixed, {figures}."
