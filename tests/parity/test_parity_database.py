"""The seed document's database examples, translated, on real objects."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from perfkit import PerformanceSystem
from perfkit.core.errors import DatabaseError
from perfkit.database import (
    DatabaseOptimizer,
    ObservedQuery,
    find_request_patterns,
    fingerprint,
)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.executescript("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, active INTEGER)")
    connection.executemany("INSERT INTO users (name, active) VALUES (?, ?)", [(f"u{n}", n % 2) for n in range(100)])
    connection.commit()
    yield connection
    connection.close()


def test_optimize_query_runs_the_query_on_the_initialized_database(connection: sqlite3.Connection) -> None:
    system = PerformanceSystem(environment="testing").initialize(connection)
    database = system.get_component("database")
    assert database is system.database
    result = system.database.optimize_query("SELECT * FROM users WHERE active = ?", [1])
    assert len(result.rows) == 50
    assert result.duration > 0.0
    assert [finding.kind for finding in result.suggestions] == ["select_star"]


@pytest.mark.anyio
async def test_aoptimize_query_is_its_async_twin(connection: sqlite3.Connection, tmp_path: object) -> None:
    path = f"{tmp_path}/users.db"
    with sqlite3.connect(path) as file:
        connection.backup(file)
    file.close()
    system = PerformanceSystem(environment="testing").initialize(f"sqlite:///{path}")
    result = await system.database.aoptimize_query("SELECT name FROM users WHERE id = ?", (3,))
    assert result.rows == [("u2",)]


def test_suggestions_and_slow_queries_come_from_live_traffic(connection: sqlite3.Connection) -> None:
    system = PerformanceSystem({"database": {"slow_query_threshold": 1e-9}}, environment="testing")
    with system:
        wrapped = system.database.wrap(connection)
        with system.database.watch("job"):
            for number in range(10):
                wrapped.execute("SELECT name FROM users WHERE id = ?", (number,)).fetchone()
        suggestions = system.database.get_optimization_suggestions()
        slow = system.database.get_slow_queries()
    assert [(each.kind, each.code, each.component) for each in suggestions] == [("n_plus_one", "PK101", "database")]
    assert suggestions[0].evidence
    assert suggestions[0].fix
    assert suggestions[0].action
    assert [(each.sql, each.calls, each.slow) for each in slow] == [("SELECT name FROM users WHERE id = ?", 10, 10)]


def test_without_a_database_it_says_so() -> None:
    with pytest.raises(DatabaseError):
        PerformanceSystem(environment="testing").database.optimize_query("SELECT 1")


def test_the_optimizer_stands_alone(connection: sqlite3.Connection) -> None:
    assert DatabaseOptimizer(connection).optimize_query("SELECT count(*) FROM users").rows == [(100,)]


def test_a_shape_has_text_id_summary_and_tables() -> None:
    shape = fingerprint("SELECT * FROM users WHERE id IN (1, 2, 3)", dialect="postgresql")
    assert shape.text == "SELECT * FROM users WHERE id IN (?)"
    assert (shape.summary, shape.tables) == ("SELECT users", ("users",))
    assert shape == fingerprint("select * from users where id in (4)")
    assert len(shape.id) == 16


def test_patterns_of_one_request() -> None:
    queries = [ObservedQuery("SELECT a FROM t WHERE id = ?", (n,), 1, "shop.py:3", duration=0.001) for n in range(9)]
    (finding,) = find_request_patterns(queries)
    assert (finding.kind, finding.site, finding.object, finding.confidence) == ("n_plus_one", "shop.py:3", "t", "sure")
    assert finding.estimate["queries_saved"] == 8
