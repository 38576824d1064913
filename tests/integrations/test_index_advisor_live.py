"""Index advice of a running app, on real servers: over connections of its own that only read."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import psycopg
import pytest
from mariadb_server import MariaDBServer
from patience import until
from postgres_server import PostgresServer
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.core.findings import Finding, State
from perfkit.database import DatabaseOptimizer

pytestmark = pytest.mark.server

TABLE = "CREATE TABLE visit (id int PRIMARY KEY, visitor int NOT NULL, page varchar(80) NOT NULL)"
FILL = {
    "postgresql": "INSERT INTO visit SELECT n, n * 7919 % 9000, repeat('x', 60) FROM generate_series(1, 30000) n",
    "mysql": "INSERT INTO visit SELECT seq, seq * 7919 % 9000, repeat('x', 60) FROM seq_1_to_30000",
}
ASKED = text("SELECT count(*), max(page) FROM visit WHERE visitor = :visitor")


def missing(database: DatabaseOptimizer) -> list[Finding]:
    return [finding for finding in database.findings() if finding.kind == "missing_index"]


def look(database: DatabaseOptimizer) -> None:
    database.look_at_indexes()
    assert database.snapshot().indexes.reason == ""


def idle_connections(postgres: PostgresServer, name: str) -> int:
    with postgres.connect(name) as connection:
        held = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'active'"
        ).fetchone()
    assert held is not None
    return int(held[0])


def visits(engine: Any) -> None:
    with engine.connect() as connection:
        for number in range(6):
            connection.execute(ASKED, {"visitor": number}).all()


async def avisits(url: str, database: DatabaseOptimizer) -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        for number in range(6):
            await connection.execute(ASKED, {"visitor": number})
    await asyncio.to_thread(look, database)
    await engine.dispose()


@pytest.mark.parametrize("hypothetical", [True, False])
def test_postgresql_is_asked_and_the_index_proved(postgres: PostgresServer, hypothetical: bool) -> None:
    with postgres.database() as name:
        with postgres.connect(name) as connection:
            connection.execute(TABLE)
            connection.execute(FILL["postgresql"])
            connection.execute("ANALYZE visit")
            if hypothetical:
                connection.execute("CREATE EXTENSION hypopg")
        engine = create_engine(postgres.url(name))
        database = DatabaseOptimizer()
        database.start()
        visits(engine)
        look(database)
        (finding,) = missing(database)
        assert finding.object is not None
        assert finding.object.startswith("visit(visitor")
        assert finding.evidence["verified_by"] == ("hypopg" if hypothetical else "rules")
        assert finding.fix["sql"].startswith("CREATE INDEX CONCURRENTLY ix_visit_visitor")
        with postgres.connect(name) as connection:
            connection.autocommit = True
            connection.execute(finding.fix["sql"])
        look(database)
        visits(engine)
        look(database)
        (fixed,) = missing(database)
        assert fixed.state is State.FIXED
        assert fixed.evidence["calls_since"] == 6
        assert fixed.evidence["seconds_after"] < fixed.evidence["seconds_before"]
        # The app's own is left, in its pool, and none of ours; the server takes a moment to see who has gone.
        until(lambda: idle_connections(postgres, name), lambda count: count == 1, seconds=20.0)
        engine.dispose()
        database.stop()


def test_an_app_of_asyncpg_is_asked_in_a_loop_of_its_own(postgres: PostgresServer) -> None:
    with postgres.database() as name:
        with postgres.connect(name) as connection:
            connection.execute(TABLE)
            connection.execute(FILL["postgresql"])
            connection.execute("ANALYZE visit")
            connection.execute("CREATE EXTENSION hypopg")
        database = DatabaseOptimizer()
        database.start()
        asyncio.run(avisits(postgres.url(name).replace("+psycopg", "+asyncpg"), database))
        (finding,) = missing(database)
        assert finding.evidence["verified_by"] == "hypopg"
        database.stop()


def test_mariadb_is_asked_by_rules(mariadb: MariaDBServer) -> None:
    with mariadb.database() as name:
        with closing(mariadb.connect(name)) as connection, connection.cursor() as cursor:
            cursor.execute(TABLE)
            cursor.execute(FILL["mysql"])
            cursor.execute("ANALYZE TABLE visit")
            connection.commit()
        engine = create_engine(mariadb.url(name))
        database = DatabaseOptimizer()
        database.start()
        visits(engine)
        look(database)
        (finding,) = missing(database)
        assert finding.evidence["verified_by"] == "rules"
        assert finding.fix["sql"].startswith("CREATE INDEX ix_visit_visitor")
        with closing(mariadb.connect(name)) as connection, connection.cursor() as cursor:
            cursor.execute(finding.fix["sql"])
        visits(engine)
        look(database)
        (fixed,) = missing(database)
        assert fixed.state is State.FIXED
        engine.dispose()
        database.stop()


def test_a_connection_that_was_given_stays_in_its_transaction(postgres: PostgresServer) -> None:
    with postgres.database() as name:
        with postgres.connect(name) as connection:
            connection.execute(TABLE)
            connection.execute(FILL["postgresql"])
            connection.execute("ANALYZE visit")
        with psycopg.connect(postgres.dsn(name)) as given:
            database = DatabaseOptimizer(given)
            database.start()
            wrapped = database.wrap(given)
            wrapped.execute("INSERT INTO visit VALUES (90000, 1, 'mine alone')")
            for number in range(6):
                wrapped.execute("SELECT count(*), max(page) FROM visit WHERE visitor = %s", (number,)).fetchall()
            pid = given.info.backend_pid
            look(database)
            database.look_at_sessions()
            assert given.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
            assert given.info.backend_pid == pid
            assert given.execute("SELECT page FROM visit WHERE id = 90000").fetchone() == ("mine alone",)
            assert [each.evidence["calls"] for each in missing(database)] == [6]
            database.stop()
