"""What is found in one statement, and what is not."""

from __future__ import annotations

from time import thread_time
from typing import Any

import pytest

from perfkit.database.patterns.statements import find_statement_patterns


def kinds(sql: str, params: Any = None, **more: Any) -> list[tuple[str, str | None]]:
    return [(finding.kind, finding.object) for finding in find_statement_patterns(sql, params, **more)]


@pytest.mark.parametrize(
    ("sql", "params", "kind", "about"),
    [
        ("SELECT a FROM t WHERE lower(name) = ?", ("x",), "function_on_column", "name"),
        ("SELECT a FROM t WHERE UPPER(t.name) LIKE 'X%'", None, "function_on_column", "t.name"),
        ("SELECT a FROM t WHERE date(created) = '2024-01-01'", None, "function_on_column", "created"),
        ("SELECT a FROM t WHERE EXTRACT(year FROM created) = 2024", None, "function_on_column", "created"),
        ("SELECT a FROM t WHERE created::date = $1", None, "function_on_column", "created"),
        ("SELECT a FROM t WHERE CAST(a AS text) = 'x'", None, "function_on_column", "a"),
        ("SELECT a FROM t WHERE name LIKE '%x'", None, "leading_wildcard_like", "name"),
        ("SELECT a FROM t WHERE name ILIKE %s", ("%x",), "leading_wildcard_like", "name"),
        ("SELECT a FROM t WHERE name LIKE :n", {"n": "%x%"}, "leading_wildcard_like", "name"),
        ("SELECT a FROM t WHERE b NOT IN (SELECT c FROM u)", None, "not_in_subquery", "t"),
        ("SELECT a FROM t ORDER BY random() LIMIT 3", None, "order_by_random", "t"),
        ("SELECT a FROM t ORDER BY RAND() LIMIT 3", None, "order_by_random", "t"),
        ("SELECT t.a FROM t, u WHERE t.b = 3", None, "cartesian_join", "u"),
        ("SELECT t.a FROM t JOIN u ON t.id = 3 JOIN v ON v.t = t.id WHERE t.b = 3", None, "cartesian_join", "u"),
        ("SELECT a FROM t WHERE email = ? OR phone = ?", ("a", "b"), "or_over_columns", "email"),
        ("SELECT * FROM t WHERE a = 1", None, "select_star", "t"),
        ("SELECT t.*, u.a FROM t JOIN u ON u.t = t.id", None, "select_star", "t"),
        ("SELECT a FROM t ORDER BY a LIMIT 20 OFFSET 100000", None, "offset_pagination", "t"),
        ("SELECT a FROM t LIMIT 5000, 20", None, "offset_pagination", "t"),
        ("SELECT a FROM t LIMIT ? OFFSET ?", (20, 5000), "offset_pagination", "t"),
    ],
)
def test_a_condition_that_no_index_serves_is_found(sql: str, params: Any, kind: str, about: str) -> None:
    assert kinds(sql, params) == [(kind, about)]


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT a FROM t WHERE name = lower(?)", ("X",)),
        ("SELECT lower(name) FROM t WHERE a = 1", None),
        ("SELECT a FROM t GROUP BY a HAVING count(b) > 3", None),
        ("SELECT a FROM t WHERE name LIKE 'x%'", None),
        ("SELECT a FROM t WHERE name LIKE ?", ("x%",)),
        ("SELECT a FROM t WHERE name LIKE ?", None),
        ("SELECT a FROM t WHERE b NOT IN (1, 2)", None),
        ("SELECT a FROM t WHERE b IN (SELECT c FROM u)", None),
        ("SELECT a FROM t ORDER BY a LIMIT 3", None),
        ("SELECT random() FROM t", None),
        ("SELECT t.a FROM t, u WHERE t.id = u.t_id", None),
        ("SELECT t.a FROM t JOIN u ON u.t_id = t.id JOIN v ON v.u_id = u.id", None),
        ("SELECT a FROM t, u WHERE b = c", None),
        ("SELECT a FROM t CROSS JOIN u", None),
        ("SELECT a FROM t JOIN u USING (id)", None),
        ("SELECT a FROM t WHERE a = 1 OR a = 2", None),
        ("SELECT a FROM t WHERE a = 1 AND (b IS NULL OR b = 2)", None),
        ("SELECT count(*) FROM t", None),
        ("SELECT a * 2 FROM t", None),
        ("SELECT 1 FROM t WHERE EXISTS (SELECT * FROM u WHERE u.t = t.id)", None),
        ("SELECT a FROM t LIMIT 20 OFFSET 40", None),
        ("SELECT a FROM t LIMIT ? OFFSET ?", None),
        ("INSERT INTO t SELECT * FROM u", None),
        ("SELECT a FROM t WHERE coalesce(a, 0) = b", None),
        ("", None),
        ("SELECT a FROM t WHERE (((", None),
    ],
)
def test_what_an_index_can_serve_is_no_finding(sql: str, params: Any) -> None:
    assert kinds(sql, params) == []


def test_hundreds_of_alternatives_are_looked_at_in_linear_time() -> None:
    sql = "SELECT a FROM t WHERE " + " OR ".join(f"a = {number}" for number in range(900))
    began = thread_time()
    assert kinds(sql) == []
    assert thread_time() - began < 1.0, "each OR was compared with every condition: 10 s"


def test_rows_without_bound_need_to_be_seen() -> None:
    sql = "SELECT a FROM t WHERE b = 1"
    assert kinds(sql, rows=5_000) == [("unbounded_result", "t")]
    assert kinds(sql, rows=50) == []
    assert kinds(f"{sql} LIMIT 10000", rows=5_000) == []


def test_a_cast_needs_to_know_the_type() -> None:
    sql, columns = "SELECT a FROM t WHERE phone = ?", {"t": {"phone": "varchar(20)", "age": "integer"}}
    assert kinds(sql, (49,), columns=columns) == [("implicit_cast", "phone")]
    assert kinds("SELECT a FROM t WHERE phone = 49", columns=columns) == [("implicit_cast", "phone")]
    assert kinds(sql, ("49",), columns=columns) == []
    assert kinds(sql, (49,)) == []
    assert kinds("SELECT a FROM t WHERE age = '49'", columns=columns, dialect="mysql") == [("implicit_cast", "age")]


@pytest.mark.parametrize(
    ("condition", "dialect", "fix"),
    [
        ("lower(a) = 'x'", "sqlite", "CREATE INDEX ix_t_a_expr ON t (lower(a));"),
        ("lower(a) = 'x'", "postgresql", "CREATE INDEX ON t (lower(a));"),
        ("extract(year FROM a) = 2024", "postgresql", "… WHERE a >= ? AND a < ?  -- and an index on a"),
        ("CAST(a AS text) = 'x'", "postgresql", "… WHERE a = ?  -- a value of the column's own type"),
    ],
)
def test_the_fix_of_a_function_is_sql_of_the_dialect(condition: str, dialect: str, fix: str) -> None:
    (finding,) = find_statement_patterns(f"SELECT b FROM t WHERE {condition}", dialect=dialect)
    assert finding.fix["sql"] == fix
