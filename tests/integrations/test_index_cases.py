"""Advice on indexes against real databases: the list of cases, and whether each advice holds once it is followed."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from index_cases import CASES, Case, build
from index_field_cases import FIELD_CASES
from mariadb_server import MariaDBServer
from postgres_server import PostgresServer

from perfkit.database import Analysis, IndexAdvice, analyze

FEW = {
    "equality by parameter",
    "newest of one branch",
    "by the primary key",
    "written far more than read",
    "twice the same",
}
"""Cases that run each time; the others in the full proof."""

EVERY_CASE = [*CASES, *FIELD_CASES]


@dataclass
class Database:
    """A database that a case was built in."""

    dialect: str
    connection: Any
    execute: Callable[[str], list[Any]]

    def plan(self, sql: str) -> tuple[str, float | None]:
        """Return the plan of *sql* as text, and its cost where the database tells it."""
        if self.dialect == "postgresql":
            self.execute("SET plan_cache_mode = force_generic_plan")
            count = sql.count("?")
            numbers = iter(range(1, count + 1))
            text = re.sub(r"\?", lambda _: f"${next(numbers)}", sql)
            self.execute(f"PREPARE asked AS {text}")
            nulls = f"({', '.join(['NULL'] * count)})" if count else ""
            plan = self.execute(f"EXPLAIN (FORMAT JSON) EXECUTE asked {nulls}")[0][0]
            self.execute("DEALLOCATE asked")
            return json.dumps(plan), plan[0]["Plan"]["Total Cost"]
        text = sql.replace("?", "1")
        if self.dialect == "sqlite":
            return "\n".join(str(row[3]) for row in self.execute(f"EXPLAIN QUERY PLAN {text}")), None
        return str(self.execute(f"EXPLAIN FORMAT=JSON {text}")[0][0]), None


def cases(dialect: str) -> list[Any]:
    return [
        pytest.param(case, id=case.name, marks=() if case.name in FEW else pytest.mark.acceptance)
        for case in EVERY_CASE
        if dialect in case.dialects
    ]


def test_there_are_enough_cases_and_a_third_of_them_ask_for_nothing() -> None:
    runs = [(case, dialect) for case in EVERY_CASE for dialect in case.dialects]
    silent = [case for case in EVERY_CASE if not case.advised and not case.kinds]
    assert len(EVERY_CASE) >= 90
    assert len(runs) >= 180
    assert len(silent) >= len(EVERY_CASE) / 3


@pytest.mark.server
@pytest.mark.parametrize("case", cases("postgresql"))
@pytest.mark.parametrize("has_hypopg", [True, False], ids=["hypopg", "rules"])
def test_on_postgresql(case: Case, has_hypopg: bool, postgres: PostgresServer) -> None:
    with postgres.database() as name, postgres.connect(name) as connection:
        if has_hypopg:
            connection.execute("CREATE EXTENSION hypopg")

        def execute(statement: str) -> list[Any]:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

        def fill(table: str, rows: list[Any]) -> None:
            with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

        build(case, "postgresql", execute, fill)
        judge(case, Database("postgresql", connection, execute), "hypopg" if has_hypopg else "rules")


@pytest.mark.parametrize("case", cases("sqlite"))
def test_on_sqlite(case: Case) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:

        def fill(table: str, rows: list[Any]) -> None:
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

        build(case, "sqlite", lambda sql: connection.execute(sql).fetchall(), fill)
        judge(case, Database("sqlite", connection, lambda sql: connection.execute(sql).fetchall()), "planner")


@pytest.mark.server
@pytest.mark.parametrize("case", cases("mariadb"))
def test_on_mariadb(case: Case, mariadb: MariaDBServer) -> None:
    with mariadb.database() as name, closing(mariadb.connect(name)) as connection:

        def execute(statement: str) -> list[Any]:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())

        def fill(table: str, rows: list[Any]) -> None:
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(rows[0]))})", rows)

        build(case, "mariadb", execute, fill)
        judge(case, Database("mariadb", connection, execute), "rules")


def judge(case: Case, database: Database, verified_by: str) -> None:
    """Look for what is expected and for nothing else; then follow the advice and see what it brings."""
    before = {index for (index,) in database_indexes(database)}
    result = analyze(
        database.connection,
        case.workload,
        writes=case.writes,
        index_scans=case.scans,
        statistics_age_days=case.age,
    )
    assert {index for (index,) in database_indexes(database)} == before
    told = [f"{each.table}({', '.join(each.columns)})" for each in result.indexes]
    if "missing_index" not in case.allowed:
        assert_advised(case, told)
    found = {finding.kind for finding in result.findings} - case.allowed
    assert found - {"missing_index"} == case.kinds - case.allowed, [finding.message for finding in result.findings]
    assert ("missing_index" in {finding.kind for finding in result.findings}) == bool(result.indexes)
    assert all(each.verified_by == verified_by for each in result.indexes)
    follow(case, result, database)


def assert_advised(case: Case, told: list[str]) -> None:
    left = list(told)
    for wanted in case.advised:
        match = next((each for each in left if each.startswith(tuple(wanted))), None)
        assert match is not None, f"{set(wanted)} is not among {told}"
        left.remove(match)
    assert not left, f"{left} was advised too"


def follow(case: Case, result: Analysis, database: Database) -> None:
    """Make what was advised: each plan must use it, and cost what was claimed within 30 %."""
    plans = {sql: database.plan(sql) for advice in result.indexes for sql in advice.statements if is_query(sql)}
    for advice in result.indexes:
        database.execute(advice.ddl)
    for advice in result.indexes:
        for sql in filter(is_query, advice.statements):
            plan, _ = database.plan(sql)
            # MariaDB looks up an extreme value in the index while it plans.
            assert advice.name in plan or "optimized away" in plan, f"{advice.ddl} is not used:\n{plan}"
            assert plan != plans[sql][0]
    for advice in result.indexes:
        if advice.verified_by == "hypopg" and all(map(is_query, advice.statements)):
            saved, claimed = really_saved(case, advice, database), advice.cost_before - advice.cost_after
            assert saved == pytest.approx(claimed, rel=0.3), advice.ddl
    for advice in result.indexes:
        assert_size(advice, database)


def really_saved(case: Case, advice: IndexAdvice, database: Database) -> float:
    """Return what a call of the statements of *advice* costs less with its index than without it beside the others."""
    calls = {sql: number for sql, number in case.workload if sql in advice.statements}

    def mean() -> float:
        return sum(number * (database.plan(sql)[1] or 0.0) for sql, number in calls.items()) / sum(calls.values())

    after = mean()
    database.execute("BEGIN")
    database.execute(f"DROP INDEX {advice.name}")
    before = mean()
    database.execute("ROLLBACK")
    return before - after


def is_query(sql: str) -> bool:
    return sql.startswith("SELECT")


def assert_size(advice: IndexAdvice, database: Database) -> None:
    if database.dialect == "postgresql":
        real = database.execute(f"SELECT pg_relation_size('{advice.name}')")[0][0]
        # A page more or less is no error of a model.
        assert real / 1.25 - 16_384 <= advice.size_bytes <= real * 1.25 + 16_384, (advice.ddl, real)


def database_indexes(database: Database) -> Iterator[tuple[str]]:
    query = {
        "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'",
        "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'index'",
        "mariadb": "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = DATABASE()",
    }[database.dialect]
    yield from database.execute(query)
