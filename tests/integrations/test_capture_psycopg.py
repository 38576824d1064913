"""psycopg's async connections and the pools of psycopg_pool."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import psycopg_pool
import pytest
from postgres_server import PostgresServer

from perfkit.database import DatabaseOptimizer

pytestmark = pytest.mark.server

BY_ID = "SELECT owner FROM account WHERE id = %s"


@pytest.fixture
def dsn(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as name:
        with postgres.connect(name) as connection:
            connection.execute("CREATE TABLE account (id int PRIMARY KEY, owner varchar(50), balance int)")
            connection.execute("INSERT INTO account SELECT n, 'owner ' || n, n FROM generate_series(1, 20000) n")
            connection.execute("ANALYZE account")
        yield postgres.dsn(name)


@pytest.fixture
def database() -> Iterator[DatabaseOptimizer]:
    made = DatabaseOptimizer()
    made.start()
    yield made
    made.stop()


def calls(database: DatabaseOptimizer) -> dict[str, tuple[int, float | None, int]]:
    return {each.sql: (each.calls, each.rows, each.errors) for each in database.get_queries()}


@pytest.mark.anyio
async def test_an_async_connection_is_captured_with_lines_rows_and_errors(
    database: DatabaseOptimizer, dsn: str
) -> None:
    async with database.wrap(await psycopg.AsyncConnection.connect(dsn)) as connection:
        with database.watch("task"):
            for number in range(1, 9):
                cursor = await connection.execute(BY_ID, (number,))
                assert await cursor.fetchone() == (f"owner {number}",)
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT id FROM account WHERE id < %(most)s", {"most": 4})
            assert [row async for row in cursor] == [(1,), (2,), (3,)]
            await cursor.executemany("INSERT INTO account VALUES (%s, %s)", [(30_001, "a"), (30_002, "b")])
        with pytest.raises(psycopg.errors.UndefinedTable):
            await connection.execute("SELECT 1 FROM nowhere")
        await connection.rollback()
    (finding,) = [each for each in database.findings() if each.kind == "n_plus_one"]
    assert finding.site is not None
    assert finding.site.startswith("tests/integrations/test_capture_psycopg.py:")
    counted = calls(database)
    assert counted["SELECT owner FROM account WHERE id = ?"] == (8, 1.0, 0)
    assert counted["SELECT id FROM account WHERE id < ?"] == (1, 3.0, 0)
    assert counted["SELECT ? FROM nowhere"][2] == 1


@pytest.mark.anyio
async def test_an_async_pool_gives_captured_connections_and_keeps_requests_apart(
    database: DatabaseOptimizer, dsn: str
) -> None:
    async def request(number: int) -> None:
        with database.watch(f"request {number % 3}"):
            for key in range(6 if number % 3 == 0 else 1):
                async with pool.connection() as connection:
                    await connection.execute(BY_ID, (number + key + 1,))

    async with database.wrap(psycopg_pool.AsyncConnectionPool(dsn, min_size=1, max_size=4, open=False)) as pool:
        await asyncio.gather(*(request(number) for number in range(200)))
        taken = await pool.getconn()
        await taken.execute(BY_ID, (1,))
        await pool.putconn(taken)
    found = [each for each in database.findings() if each.kind == "n_plus_one"]
    assert [(each.evidence["route"], each.evidence["requests"]) for each in found] == [("request 0", 67)]
    assert calls(database)["SELECT owner FROM account WHERE id = ?"][0] == 67 * 6 + 133 + 1


def test_a_pool_gives_captured_connections_and_leads_to_its_database(database: DatabaseOptimizer, dsn: str) -> None:
    with database.wrap(psycopg_pool.ConnectionPool(dsn, min_size=1, max_size=2, open=False)) as pool:
        for number in range(3):
            with pool.connection() as connection:
                connection.execute("SELECT count(owner) FROM account WHERE balance = %s", (number,)).fetchall()
        taken = pool.getconn()
        taken.execute(BY_ID, (1,))
        pool.putconn(taken)
        database.look_at_indexes()
        assert database.snapshot().indexes.reason == ""
        assert [each.object for each in database.findings() if each.kind == "missing_index"] != []
        database.tick(0.0)
        assert pool.get_stats()["pool_size"] >= 1
    names = {family.definition.name for family in database._store.families()}
    assert "db_client_connection_count" in names


@pytest.mark.anyio
async def test_writes_of_an_async_connection_that_each_commit_are_told(database: DatabaseOptimizer, dsn: str) -> None:
    connection = database.wrap(await psycopg.AsyncConnection.connect(dsn, autocommit=True))
    with database.watch("task"):
        for column in ("owner = 'a'", "owner = 'b'", "balance = 1", "balance = 2", "balance = 3, owner = 'c'"):
            await connection.execute(f"UPDATE account SET {column} WHERE id = 1")
        await connection.execute("DELETE FROM account WHERE id = 2")
    await connection.close()
    assert "chatty_commits" in {each.kind for each in database.findings()}
