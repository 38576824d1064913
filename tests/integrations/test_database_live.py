"""The database optimizer against real servers: what is captured, explained and retried, and what a dead one does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pymysql
import pytest
from mariadb_server import MariaDBServer
from postgres_server import PostgresServer
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from perfkit.core.spans import begin_exchange, current_spans, seal_exchange
from perfkit.database import DatabaseOptimizer, DatabaseSettings
from perfkit.database.capture.failures import reason_of

pytestmark = pytest.mark.server

TABLE = "CREATE TABLE account (id int PRIMARY KEY, owner varchar(50), balance int)"
ROWS = "INSERT INTO account VALUES (1, 'ada', 100), (2, 'bob', 100), (3, 'cy', 100)"


@pytest.fixture
def pg(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as name:
        with postgres.connect(name) as connection:
            connection.execute(TABLE)
            connection.execute(ROWS)
        yield name


@pytest.fixture
def maria(mariadb: MariaDBServer) -> Iterator[str]:
    with mariadb.database() as name:
        with closing(mariadb.connect(name)) as connection, connection.cursor() as cursor:
            cursor.execute(TABLE)
            cursor.execute(ROWS)
        yield name


def shapes(database: DatabaseOptimizer) -> dict[str, Any]:
    return {shape.sql: shape for shape in database.get_queries()}


@pytest.mark.parametrize("server", ["postgresql", "mysql"])
def test_sqlalchemy_is_captured_with_rows_and_errors(server: str, request: pytest.FixtureRequest) -> None:
    if server == "postgresql":
        url = request.getfixturevalue("postgres").url(request.getfixturevalue("pg"))
    else:
        url = request.getfixturevalue("mariadb").url(request.getfixturevalue("maria"))
    database = DatabaseOptimizer()
    database.start()
    engine = create_engine(url)
    spans = begin_exchange()
    with engine.connect() as connection:
        assert len(connection.execute(text("SELECT owner FROM account WHERE balance = :b"), {"b": 100}).all()) == 3
        with pytest.raises(Exception, match="nowhere"):
            connection.execute(text("SELECT a FROM nowhere"))
    names = [span.name for span in current_spans() or () if span.name.startswith("SELECT")]
    seal_exchange(spans)
    engine.dispose()
    database.stop()
    found = shapes(database)["SELECT owner FROM account WHERE balance = ?"]
    assert (found.calls, found.rows, found.system) == (1, 3.0, server)
    assert shapes(database)["SELECT a FROM nowhere"].errors == 1
    assert names[-2:] == ["SELECT account", "SELECT nowhere"]


def test_wrapped_connections_of_psycopg_and_pymysql(
    postgres: PostgresServer, pg: str, mariadb: MariaDBServer, maria: str
) -> None:
    database = DatabaseOptimizer()
    with database.wrap(postgres.connect(pg)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT owner FROM account WHERE id = %s", (1,))
            assert cursor.fetchone() == ("ada",)
        assert connection.execute("SELECT balance FROM account WHERE id = %(id)s", {"id": 2}).fetchall() == [(100,)]
        composed = psycopg.sql.SQL("SELECT id FROM {} WHERE owner = {}").format(
            psycopg.sql.Identifier("account"), psycopg.sql.Literal("hunter2")
        )
        assert connection.execute(composed).fetchall() == []
        assert connection.execute(b"SELECT 7 FROM account LIMIT 1").fetchall() == [(7,)]
    other = database.wrap(mariadb.connect(maria))
    with other.cursor() as cursor:
        assert cursor.execute("SELECT owner FROM account WHERE id = %s", (3,)) == 1
        assert cursor.fetchall() == (("cy",),)
    other.close()
    calls = {(shape.system, shape.sql): shape.rows for shape in database.get_queries()}
    assert calls == {
        ("postgresql", "SELECT owner FROM account WHERE id = ?"): 1.0,
        ("postgresql", "SELECT balance FROM account WHERE id = ?"): 1.0,
        ("postgresql", "SELECT id FROM account WHERE owner = ?"): 0.0,
        ("postgresql", "SELECT ? FROM account LIMIT ?"): 1.0,
        ("mysql", "SELECT owner FROM account WHERE id = ?"): 1.0,
    }


@pytest.mark.anyio
async def test_asyncpg_is_captured_with_the_awaiting_line(postgres: PostgresServer, pg: str) -> None:
    import asyncpg

    database = DatabaseOptimizer()
    database.start()
    async with asyncpg.create_pool(postgres.dsn(pg), min_size=1, max_size=2) as pool:
        with database.watch("task"):
            for number in range(8):
                await pool.fetchval("SELECT owner FROM account WHERE id = $1", number)
        async with pool.acquire() as connection:
            assert len(await connection.fetch("SELECT id FROM account")) == 3
            with pytest.raises(asyncpg.UndefinedTableError):
                await connection.execute("SELECT 1 FROM nowhere")
    findings = [each for each in database.findings() if each.kind == "n_plus_one"]
    database.stop()
    assert not hasattr(asyncpg.Connection.fetch, "__wrapped__") or asyncpg.Connection.fetch.__module__ == "asyncpg"
    assert findings[0].site is not None
    assert findings[0].site.startswith("tests/integrations/test_database_live.py:")
    assert shapes(database)["SELECT id FROM account"].rows == 3.0
    assert shapes(database)["SELECT ? FROM nowhere"].errors == 1


def sent_to(engine: Any) -> list[str]:
    sent: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def on_execute(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    return sent


def test_postgresql_plans_a_shape_without_running_it(postgres: PostgresServer, pg: str) -> None:
    engine = create_engine(postgres.url(pg))
    database = DatabaseOptimizer(engine)
    shape = database.optimize_query("SELECT owner FROM account WHERE balance = %s LIMIT 5", (100,)).shape
    plan = database.explain(shape)
    assert (plan.reason, plan.format, plan.scans) == ("", "json", ("account",))
    assert "Actual" not in plan.text
    by_key = database.explain(database.optimize_query("SELECT owner FROM account WHERE id = 1").shape)
    assert "account_pkey" in by_key.text or by_key.scans == ("account",)
    refused = database.explain(database.optimize_query("SELECT pg_backend_pid()").shape)
    assert "pg_backend_pid" in refused.reason
    broken = database.explain(database.optimize_query("SELECT owner FROM account WHERE owner = 'x' OR false").shape)
    assert not broken.reason or broken.reason.startswith("the database refused")
    engine.dispose()


def test_a_locked_table_makes_an_explain_give_up_soon(postgres: PostgresServer, pg: str) -> None:
    engine = create_engine(postgres.url(pg))
    database = DatabaseOptimizer(engine, settings=DatabaseSettings(explain_timeout=0.2))
    shape = database.optimize_query("SELECT owner FROM account").shape
    with postgres.connect(pg) as holder, holder.transaction():
        holder.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
        assert database.explain(shape).reason.startswith("the database refused")
    engine.dispose()


def test_an_explain_leaves_the_transaction_of_the_app_alone(postgres: PostgresServer, pg: str) -> None:
    import psycopg

    with psycopg.connect(postgres.dsn(pg)) as connection:
        database = DatabaseOptimizer()
        database = DatabaseOptimizer(database.wrap(connection))
        connection.execute("INSERT INTO account (id, owner, balance) VALUES (77, 'eve', 1)")
        shape = database.optimize_query("SELECT owner FROM account WHERE balance = 100").shape
        plan = database.explain(shape)
        assert (plan.reason, plan.scans) == ("", ("account",))
        assert connection.execute("SELECT owner FROM account WHERE id = 77").fetchone() == ("eve",)
        connection.execute("UPDATE account SET balance = 2 WHERE id = 77")
        assert connection.execute("SELECT name FROM pg_prepared_statements WHERE name LIKE 'perfkit%'").fetchall() == []
        connection.rollback()


def test_an_engine_that_commits_by_itself_is_asked_in_a_transaction_that_reads(
    postgres: PostgresServer, pg: str
) -> None:
    engine = create_engine(postgres.url(pg), isolation_level="AUTOCOMMIT", pool_size=1)
    database = DatabaseOptimizer(engine, settings=DatabaseSettings(explain_timeout=0.2))
    shape = database.optimize_query("SELECT owner FROM account").shape
    wrong = database.optimize_query("SELECT owner FROM account WHERE balance = 3 LIMIT 7").shape
    assert database.explain(shape).scans == ("account",)
    with postgres.connect(pg) as holder:
        with holder.transaction():
            holder.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
            reasons = [database.explain(each).reason for each in (shape, wrong)]
        assert all("LockNotAvailable" in reason for reason in reasons), reasons
    assert database.explain(wrong).reason == ""
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "0"
    engine.dispose()


def test_no_statement_of_ours_ends_a_transaction_of_mariadb(mariadb: MariaDBServer, maria: str) -> None:
    connection = mariadb.connect(maria)
    connection.autocommit(False)
    database = DatabaseOptimizer(connection)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO account (id, owner, balance) VALUES (77, 'eve', 1)")
        shape = database.optimize_query("SELECT owner FROM account WHERE id = 77").shape
        assert "the app's own" in database.explain(shape).reason
        connection.rollback()
        cursor.execute("SELECT count(*) FROM account WHERE id = 77")
        assert cursor.fetchone()[0] == 0, "START TRANSACTION committed what the app had not"
    connection.close()


def test_mariadb_plans_a_shape(mariadb: MariaDBServer, maria: str) -> None:
    engine = create_engine(mariadb.url(maria))
    database = DatabaseOptimizer(engine)
    shape = database.optimize_query("SELECT owner FROM account WHERE owner = %s", ("ada",)).shape
    plan = database.explain(shape)
    assert (plan.reason, plan.format) == ("", "json")
    assert "account" in plan.text
    engine.dispose()


class _OldConnection:
    """A connection to a server that knows plans as tables alone, as MySQL 5.5 and MariaDB 10.0 did."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def cursor(self) -> Any:
        cursor = self._connection.cursor()
        execute = cursor.execute

        def checked(statement: str, *arguments: Any) -> Any:
            if "FORMAT=JSON" in statement:
                raise pymysql.err.ProgrammingError(1064, "You have an error in your SQL syntax")
            return execute(statement, *arguments)

        cursor.execute = checked
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


_OldConnection.__module__ = "pymysql.connections"


def test_a_mariadb_without_plans_in_json_is_asked_for_a_table(mariadb: MariaDBServer, maria: str) -> None:
    database = DatabaseOptimizer(lambda: _OldConnection(mariadb.connect(maria)))
    shape = database.optimize_query("SELECT owner FROM account WHERE balance = %s", (100,)).shape
    plan = database.explain(shape)
    assert (plan.reason, plan.format) == ("", "text")
    assert plan.scans == ("account",)
    by_key = database.explain(database.optimize_query("SELECT owner FROM account WHERE id = 1").shape)
    assert by_key.reason == ""
    assert by_key.text


def test_serialization_failures_run_the_whole_transaction_again(postgres: PostgresServer, pg: str) -> None:
    engine = create_engine(postgres.url(pg), isolation_level="SERIALIZABLE")
    database = DatabaseOptimizer(engine, settings=DatabaseSettings(retry_attempts=10, retry_budget=1.0))
    both_have_read = threading.Barrier(2, timeout=30)
    runs: list[int] = []

    def transfer() -> None:
        runs.append(1)
        with Session(engine) as session, session.begin():
            balance = session.scalar(text("SELECT sum(balance) FROM account"))
            if len(runs) <= 2:
                both_have_read.wait()
            session.execute(
                text("UPDATE account SET balance = :b WHERE id = :i"), {"b": balance, "i": len(runs) % 3 + 1}
            )

    threads = [threading.Thread(target=database.run_transaction, args=(transfer,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(runs) >= 3
    families = {family.definition.name: family for family in database._store.families()}
    assert families["perfkit_database_retries_total"].points[0].labels == ("serialization_failure", "retried")
    engine.dispose()


def test_a_deadlock_is_met_by_running_again(mariadb: MariaDBServer, maria: str) -> None:
    database = DatabaseOptimizer(settings=DatabaseSettings(retry_attempts=5))
    both_hold_one = threading.Barrier(2, timeout=30)
    runs: list[tuple[int, int]] = []

    def transfer(first: int, second: int) -> None:
        runs.append((first, second))
        is_first_try = runs.count((first, second)) == 1
        connection = pymysql.connect(
            host="127.0.0.1", port=mariadb.port, user="tester", database=maria, autocommit=False
        )
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("UPDATE account SET balance = balance - 1 WHERE id = %s", (first,))
            if is_first_try:
                both_hold_one.wait()
            cursor.execute("UPDATE account SET balance = balance + 1 WHERE id = %s", (second,))
            connection.commit()

    threads = [threading.Thread(target=database.run_transaction, args=(transfer, *order)) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(runs) == 3
    with closing(mariadb.connect(maria)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT sum(balance) FROM account")
        assert cursor.fetchone() == (300,)


def test_a_dead_database_is_the_apps_own_error_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    from ports import reserved_port

    database = DatabaseOptimizer()
    database.start()
    with reserved_port() as port:
        engine = create_engine(f"postgresql+psycopg://nobody@127.0.0.1:{port}/x", connect_args={"connect_timeout": 5})
        with pytest.raises(OperationalError), engine.connect():
            pass
        asked = DatabaseOptimizer(engine, settings=DatabaseSettings(retry_attempts=2))
        with pytest.raises(psycopg.OperationalError) as caught:
            asked.optimize_query("SELECT 1")
    assert reason_of(caught.value) == "connection_refused"
    assert list(database.findings()) == []
    assert database.get_queries() == []
    database.stop()
    assert "perfkit.database" not in caplog.text
