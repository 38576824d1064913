"""Puts a table at the head of a statement, because HypoPG's partial and expression indexes are looked at there alone.

HypoPG 1.3.1 leaves the conditions and expressions of its indexes as they are of a query's first table; for any other
the planner finds that they do not fit the statement. Inner joins may stand in any order, so the same question can be
asked with the wanted table first.
"""

from __future__ import annotations

from typing import Any

from perfkit.database.indexes.statements.reading import sqlglot_modules

__all__ = ["with_table_first"]

MOST_JOINED = 8
"""Tables up to which PostgreSQL weighs every order itself, however they are written (from_collapse_limit)."""


def with_table_first(sql: str, table: str) -> str | None:
    """Return *sql*, a query of PostgreSQL, with *table* first; None where it is so already, or cannot be."""
    sqlglot, _ = sqlglot_modules()
    exp = sqlglot.exp
    tree = sqlglot.parse_one(sql, read="postgres")
    if not isinstance(tree, exp.Select) or tree.args.get("from_") is None:
        return None
    joins = list(tree.args.get("joins") or ())
    inner = _leading_inner(exp, joins)
    wanted = next((join for join in inner if _is_table(exp, join.this, table)), None)
    head = tree.args["from_"].this
    if wanted is None or _is_table(exp, head, table) or len(inner) >= MOST_JOINED:
        return None
    sources = [head, *(join.this for join in inner if join is not wanted)]
    conditions = [join.args["on"] for join in inner if join.args.get("on") is not None]
    tree.set("from_", exp.From(this=wanted.this))
    tree.set("joins", [*(exp.Join(this=each, kind="CROSS") for each in sources), *joins[len(inner) :]])
    return str(tree.where(*conditions, copy=False).sql(dialect="postgres"))


def _leading_inner(exp: Any, joins: list[Any]) -> list[Any]:
    """Return those of *joins* before the first that may not change its place."""
    for at, join in enumerate(joins):
        is_plain = join.kind in ("", "INNER", "CROSS") and not join.side and not join.method
        if not is_plain or join.args.get("using") or isinstance(join.this, exp.Lateral | exp.Unnest):
            return joins[:at]
    return joins


def _is_table(exp: Any, node: Any, name: str) -> bool:
    return isinstance(node, exp.Table) and bool(node.name.lower() == name.lower())
