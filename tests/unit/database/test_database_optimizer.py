"""The optimizer on its own: statements run for the caller, EXPLAIN, retries, watched tasks."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from perfkit.core.context import Context
from perfkit.core.errors import DatabaseError
from perfkit.core.families import Family
from perfkit.database import DatabaseOptimizer, DatabaseSettings
from perfkit.database.capture.failures import reason_of
from perfkit.database.query.explain import refusal_of
from perfkit.database.query.retry import RETRIES
from perfkit.database.shapes.tokens import tokenize
from perfkit.store import Store
from perfkit.testing.clock import FakeClock


@pytest.fixture
def connection() -> Any:
    connection = sqlite3.connect(":memory:")
    connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t (a) VALUES ('x'), ('y');")
    yield connection
    connection.close()


@pytest.fixture
def database(connection: Any) -> DatabaseOptimizer:
    return DatabaseOptimizer(connection)


def test_a_query_is_run_measured_and_looked_at(database: DatabaseOptimizer) -> None:
    result = database.optimize_query("SELECT * FROM t WHERE lower(a) = ?", ("x",))
    assert (result.rows, result.columns, result.row_count, result.attempts) == ([(1, "x")], ("id", "a"), 1, 1)
    assert result.duration > 0.0
    assert [finding.kind for finding in result.suggestions] == ["function_on_column", "select_star"]
    (shape,) = database.get_queries()
    assert (shape.id, shape.calls, shape.rows) == (result.shape, 1, 1.0)


def test_a_write_on_the_callers_connection_stays_in_the_callers_transaction(
    database: DatabaseOptimizer, connection: Any
) -> None:
    assert database.optimize_query("INSERT INTO t (a) VALUES (?)", ("z",)).row_count == 1
    assert connection.in_transaction
    connection.rollback()
    assert database.optimize_query("SELECT count(*) FROM t").rows == [(2,)]


@pytest.mark.parametrize("kind", ["url", "engine", "function"])
def test_a_database_may_be_given_in_many_ways(kind: str, tmp_path: Any) -> None:
    from sqlalchemy import create_engine

    path = tmp_path / "a.db"
    given = {
        "url": f"sqlite:///{path}",
        "engine": create_engine(f"sqlite:///{path}"),
        "function": lambda: sqlite3.connect(path),
    }[kind]
    database = DatabaseOptimizer(given)
    database.optimize_query("CREATE TABLE t (a int)")
    database.optimize_query("INSERT INTO t VALUES (?)", (1,))
    assert database.optimize_query("SELECT a FROM t").rows == [(1,)]


@pytest.mark.anyio
async def test_the_async_twin_waits_in_no_loop(database: DatabaseOptimizer, tmp_path: Any) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    other = DatabaseOptimizer(engine)
    other.start()
    await other.aoptimize_query("CREATE TABLE t (a int)")
    await other.aoptimize_query("INSERT INTO t VALUES (?)", (1,))
    result = await other.aoptimize_query("SELECT a FROM t WHERE a = ?", (1,))
    assert (result.rows, result.columns) == ([(1,)], ("a",))
    plan = await other.aexplain(result.shape)
    assert plan.scans == ("t",)
    with pytest.raises(DatabaseError, match="aoptimize_query"):
        other.optimize_query("SELECT 1")
    other.stop()
    await engine.dispose()


def test_without_a_database_it_says_what_to_do() -> None:
    with pytest.raises(DatabaseError, match="initialize"):
        DatabaseOptimizer().optimize_query("SELECT 1")
    with pytest.raises(DatabaseError, match="It must be"):
        DatabaseOptimizer(3).optimize_query("SELECT 1")
    with pytest.raises(DatabaseError, match="cannot be used"):
        DatabaseOptimizer("nothing://secret@host").optimize_query("SELECT 1")


def test_an_error_of_the_database_is_the_callers(database: DatabaseOptimizer) -> None:
    with pytest.raises(sqlite3.OperationalError):
        database.optimize_query("SELECT nothing FROM nowhere")


def test_a_stored_shape_is_explained_without_being_run(database: DatabaseOptimizer) -> None:
    shape = database.optimize_query("SELECT a FROM t WHERE a = 'secret' LIMIT 5").shape
    plan = database.explain(shape)
    assert (plan.scans, plan.reason) == (("t",), "")
    assert "SCAN t" in plan.text
    by_key = database.explain(database.optimize_query("SELECT a FROM t WHERE id = 1").shape)
    assert (by_key.scans, "SEARCH" in by_key.text) == ((), True)


def test_a_connection_that_captures_may_be_given(connection: Any) -> None:
    database = DatabaseOptimizer(DatabaseOptimizer().wrap(connection))
    shape = database.optimize_query("SELECT a FROM t WHERE a = 'x'").shape
    assert database.explain(shape).scans == ("t",)


def test_only_stored_shapes_are_explained(database: DatabaseOptimizer) -> None:
    assert "no such shape" in database.explain("SELECT 1").reason
    writes = database.optimize_query("INSERT INTO t (a) VALUES ('n')").shape
    assert "no SELECT" in database.explain(writes).reason


def test_explaining_is_budgeted(connection: Any) -> None:
    clock = FakeClock()
    settings = DatabaseSettings(explain_per_minute=2)
    database = DatabaseOptimizer(connection, settings=settings, context=Context(store=Store(clock=clock), clock=clock))
    shape = database.optimize_query("SELECT a FROM t").shape
    assert [database.explain(shape).reason[:16] for _ in range(3)] == ["", "", "there were enoug"]
    clock.advance(61.0)
    assert not database.explain(shape).reason
    off = DatabaseOptimizer(connection, settings=DatabaseSettings(explain=False))
    assert "off" in off.explain(off.optimize_query("SELECT a FROM t").shape).reason


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t",
        "SELECT a FROM t; DELETE FROM t",
        "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
        "SELECT a INTO b FROM t",
        "SELECT a FROM t FOR UPDATE",
        "SELECT pg_sleep(10)",
        "SELECT my_function(a) FROM t",
        "EXPLAIN ANALYZE SELECT 1",
        "VACUUM",
        "SELECT lo_import('/etc/passwd')",
        "SELECT nextval('s')",
        "",
    ],
)
def test_what_might_do_anything_is_never_explained(sql: str) -> None:
    assert refusal_of(tokenize(sql, "postgresql"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a, count(*) FROM t WHERE b = 1 GROUP BY a",
        "WITH x (a) AS (SELECT 1) SELECT lower(a) FROM x",
        "SELECT a FROM t WHERE b IN (1, 2) ORDER BY a LIMIT 3",
    ],
)
def test_what_only_reads_may_be_explained(sql: str) -> None:
    assert refusal_of(tokenize(sql, "postgresql")) == ""


class Deadlock(Exception):
    sqlstate = "40P01"


class UniqueViolation(Exception):
    sqlstate = "23505"


class Lost(Exception):
    sqlstate = "08006"


def retried(database: DatabaseOptimizer) -> dict[tuple[str, ...], float]:
    families: list[Family] = database._store.families((RETRIES.name,))
    return {point.labels: point.value for family in families for point in family.points}  # type: ignore[misc]


def test_a_deadlocked_transaction_runs_again_as_a_whole(database: DatabaseOptimizer) -> None:
    runs: list[int] = []

    def transaction(value: int) -> int:
        runs.append(value)
        if len(runs) < 3:
            raise RuntimeError("the driver's error lies beneath") from Deadlock()
        return value

    assert database.run_transaction(transaction, 7) == 7
    assert runs == [7, 7, 7]
    assert retried(database) == {("deadlock", "retried"): 2.0}


@pytest.mark.parametrize("error", [UniqueViolation(), Lost(), ValueError("no")])
def test_what_is_not_safe_is_not_retried(database: DatabaseOptimizer, error: Exception) -> None:
    runs = []

    def transaction() -> None:
        runs.append(1)
        raise error

    with pytest.raises(type(error)):
        database.run_transaction(transaction)
    assert runs == [1]


def test_attempts_end_with_the_databases_own_error(database: DatabaseOptimizer) -> None:
    runs = []

    def transaction() -> None:
        runs.append(1)
        raise Deadlock

    with pytest.raises(Deadlock):
        database.run_transaction(transaction)
    assert len(runs) == 3


def test_an_inner_transaction_is_not_retried_by_itself(database: DatabaseOptimizer) -> None:
    runs: list[str] = []

    def inner() -> None:
        runs.append("inner")
        raise Deadlock

    def outer() -> None:
        runs.append("outer")
        database.run_transaction(inner)

    with pytest.raises(Deadlock):
        database.run_transaction(outer)
    assert runs == ["outer", "inner"] * 3


def test_a_database_in_trouble_is_not_asked_more_and_more(database: DatabaseOptimizer) -> None:
    runs = []

    def transaction() -> None:
        runs.append(1)
        raise Deadlock

    for _ in range(100):
        with pytest.raises(Deadlock):
            database.run_transaction(transaction)
    assert 110 <= len(runs) <= 121
    assert retried(database)["deadlock", "budget_spent"] > 50


@pytest.mark.anyio
async def test_coroutines_are_retried_too(database: DatabaseOptimizer) -> None:
    runs = []

    async def transaction() -> str:
        runs.append(1)
        if len(runs) == 1:
            raise Deadlock
        return "done"

    assert await database.arun_transaction(transaction) == "done"


def test_a_locked_sqlite_is_safe_to_ask_again(tmp_path: Any) -> None:
    path = tmp_path / "a.db"
    holder, asker = sqlite3.connect(path, timeout=0), sqlite3.connect(path, timeout=0)
    holder.execute("CREATE TABLE t (a int)")
    holder.commit()
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as caught:
        asker.execute("BEGIN IMMEDIATE")
    assert reason_of(caught.value) == "locked"
    holder.close()
    asker.close()


def test_a_wrapped_connection_does_all_that_it_did(database: DatabaseOptimizer, connection: Any) -> None:
    wrapped = database.wrap(connection)
    wrapped.row_factory = sqlite3.Row
    assert wrapped.execute("SELECT a FROM t WHERE id = ?", (1,)).fetchone()["a"] == "x"
    cursor = wrapped.cursor()
    assert cursor.execute("SELECT a FROM t ORDER BY id") is cursor
    assert [row[0] for row in cursor] == ["x", "y"]
    wrapped.executemany("INSERT INTO t (a) VALUES (?)", [("p",), ("q",)])
    with wrapped:
        cursor.execute("INSERT INTO t (a) VALUES ('r')")
    assert cursor.lastrowid == 5
    assert not wrapped.in_transaction
    with pytest.raises(sqlite3.OperationalError):
        cursor.execute("SELECT b FROM t")
    calls = {shape.sql: (shape.calls, shape.errors) for shape in database.get_queries()}
    assert calls["SELECT a FROM t WHERE id = ?"] == (1, 0)
    assert calls["INSERT INTO t(a) VALUES (?)"] == (2, 0)
    assert calls["SELECT b FROM t"] == (1, 1)


def test_a_watched_task_is_looked_at_like_a_request(database: DatabaseOptimizer, connection: Any) -> None:
    wrapped = database.wrap(connection)
    with database.watch("nightly"):
        for number in range(8):
            wrapped.execute("SELECT a FROM t WHERE id = ?", (number,)).fetchall()
    (finding,) = database.get_optimization_suggestions()
    assert (finding.kind, finding.evidence["count"], finding.evidence["requests"]) == ("n_plus_one", 8, 1)
    assert finding.site is not None
    assert finding.site.startswith("tests/unit/database/test_database_optimizer.py:")


def test_wide_rows_are_weighed(database: DatabaseOptimizer, connection: Any) -> None:
    wrapped = database.wrap(connection)
    connection.execute("CREATE TABLE photo (id INTEGER PRIMARY KEY, name TEXT, data BLOB)")
    connection.execute("INSERT INTO photo (name, data) VALUES ('x', zeroblob(50000))")
    wrapped.execute("SELECT id, name, data FROM photo").fetchall()
    wrapped.execute("SELECT data FROM photo").fetchall()
    (finding,) = database.findings()
    assert (finding.kind, finding.object, finding.code) == ("over_fetch", "photo.data", "PK103")
    assert finding.evidence["bytes_per_row"] == pytest.approx(50_009, abs=10)
    assert finding.evidence["columns"]["data"] == 50_000


def test_forty_planted_secrets_are_found_nowhere(connection: Any, caplog: pytest.LogCaptureFixture) -> None:
    import msgspec

    secrets = [f"s3cr3t-{number:02d}-{'x' * 6}" for number in range(40)]
    database = DatabaseOptimizer(connection, settings=DatabaseSettings(slow_query_threshold=1e-9))
    wrapped = database.wrap(connection)
    with database.watch("task"):
        for number, secret in enumerate(secrets):
            form = [
                ("SELECT a FROM t WHERE a = ?", (secret,)),
                (f"SELECT a FROM t WHERE a = '{secret}'", ()),
                (f"SELECT a FROM t WHERE a IN ('{secret}', 'b')", ()),
                (f"SELECT a FROM t -- {secret}", ()),
                (f"SELECT a /* {secret} */ FROM t WHERE a LIKE '%{secret}'", ()),
                ("INSERT INTO t (a) VALUES (:a)", {"a": secret}),
                (f"SELECT nothing FROM t WHERE a = '{secret}'", ()),
            ][number % 7]
            try:
                wrapped.execute(*form)
            except sqlite3.OperationalError:
                continue
    told = [
        msgspec.json.encode(database.get_optimization_suggestions()).decode(),
        msgspec.json.encode(database.get_queries()).decode(),
        msgspec.json.encode(database.snapshot()).decode(),
        str(database._store.families(detailed=True)),
        str(database._store.texts.read(limit=10_000)),
        caplog.text,
    ]
    assert len(told[1]) > 500
    assert "SELECT a FROM t" in caplog.text
    assert not [secret for secret in secrets for text in told if secret in text]


class Telling:
    """A value that says what it is wherever it is asked, by raising it."""

    def __conform__(self, protocol: Any) -> str:
        return "x"

    def __hash__(self) -> int:
        raise ValueError("hunter2")

    def __repr__(self) -> str:
        raise RuntimeError("hunter2")


def test_a_value_whose_hash_raises_is_counted_and_not_told(connection: Any, caplog: pytest.LogCaptureFixture) -> None:
    database = DatabaseOptimizer(connection)
    wrapped = database.wrap(connection)
    with database.watch("task"):
        for _ in range(3):
            wrapped.execute("SELECT a FROM t WHERE a = ?", (Telling(),)).fetchall()
    assert database.get_optimization_suggestions() == [], "no two of them are known to be equal"
    assert next(each.calls for each in database.get_queries()) == 3
    assert "hunter2" not in caplog.text


def languages_of_a_loop(database: DatabaseOptimizer, execute: Any) -> list[str]:
    with database.watch("job"):
        for number in range(10):
            execute("SELECT a FROM t WHERE id = ?", (number,))
    (finding,) = [each for each in database.findings() if each.code == "PK101"]
    return list(finding.fix)


def test_a_fix_is_told_first_in_the_words_of_the_orm_that_is_used(connection: Any, tmp_path: Any) -> None:
    from sqlalchemy import create_engine

    database = DatabaseOptimizer()
    database.start()
    assert languages_of_a_loop(database, database.wrap(connection).execute) == ["sql", "django", "sqlalchemy"]
    database.test_capture("django", connection.execute)
    assert languages_of_a_loop(database, database.wrap(connection).execute) == ["django", "sql", "sqlalchemy"]
    database.stop()

    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    other = DatabaseOptimizer()
    other.start()
    with engine.begin() as opened:
        opened.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
        assert languages_of_a_loop(other, opened.exec_driver_sql) == ["sqlalchemy", "sql", "django"]
    other.stop()
    engine.dispose()
