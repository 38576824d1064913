"""Sessions that wait for locks or idle in transactions, on real servers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from mariadb_server import MariaDBServer
from patience import until
from postgres_server import PostgresServer
from sqlalchemy import create_engine, text

from perfkit.core.findings import Finding
from perfkit.database import DatabaseOptimizer, DatabaseSettings
from perfkit.database.workload import sessions

pytestmark = pytest.mark.server

SECRET = "hunter2hunter2"
FIRST = f"UPDATE account SET owner = '{SECRET}' WHERE id = 1"
SECOND = text("UPDATE account SET balance = balance + 1 WHERE id = :id")
TABLE = (
    "CREATE TABLE account (id int PRIMARY KEY, owner varchar(50), balance int)",
    "INSERT INTO account VALUES (1, 'a', 1)",
)


@pytest.fixture(params=["postgresql", "mariadb"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any]]:
    """A URL for SQLAlchemy, and what opens a connection of the driver."""
    if request.param == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        with postgres.database() as name:
            with postgres.connect(name) as connection:
                for each in TABLE:
                    connection.execute(each)
            yield postgres.url(name), lambda: postgres.connect(name)
        return
    mariadb: MariaDBServer = request.getfixturevalue("mariadb")
    with mariadb.database() as name:
        with closing(mariadb.connect(name)) as connection, connection.cursor() as cursor:
            for each in TABLE:
                cursor.execute(each)
            connection.commit()
        yield mariadb.url(name), lambda: mariadb.connect(name)


def asked(database: DatabaseOptimizer, kind: str) -> list[Finding]:
    database.look_at_sessions()
    assert database._looks.reason == ""
    return [each for each in database.findings() if each.kind == kind]


def test_who_waits_for_whom_is_told_with_both_lines(served: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "WAITED", 0.5)
    monkeypatch.setattr(sessions, "IDLE", 1.0)
    url, _ = served
    engine = create_engine(url, pool_size=2)
    database = DatabaseOptimizer()
    database.start()

    def wait() -> None:
        with engine.begin() as connection:
            connection.execute(SECOND, {"id": 1})

    with engine.connect() as connection:
        connection.execute(SECOND, {"id": 1}).close()
        connection.commit()
    with engine.connect() as holder:
        holder.exec_driver_sql(FIRST)
        waiter = threading.Thread(target=wait)
        waiter.start()
        try:
            (wait_finding,) = until(lambda: asked(database, "lock_wait"))
            (idle,) = until(lambda: asked(database, "idle_in_transaction"))
        finally:
            holder.rollback()
            waiter.join(60)
    engine.dispose()
    database.stop()
    assert wait_finding.object == "account"
    assert wait_finding.site is not None
    assert "test_database_sessions.py" in wait_finding.site
    assert wait_finding.evidence["seconds"] >= 0.5
    assert wait_finding.evidence["blockers"] == 1
    assert "is idle after" in wait_finding.message
    assert idle.evidence["transaction_seconds"] >= 1.0
    assert SECRET not in repr((wait_finding, idle))
    if url.startswith("postgresql"):
        assert wait_finding.evidence["blocked_by"] == "UPDATE account SET owner = ? WHERE id = ?"
        assert "test_database_sessions.py" in wait_finding.evidence["blocked_by_site"]
        assert idle.site == wait_finding.evidence["blocked_by_site"]


def test_a_quiet_database_has_nothing_to_tell(served: tuple[str, Any]) -> None:
    url, _ = served
    engine = create_engine(url)
    database = DatabaseOptimizer()
    database.start()
    with engine.begin() as connection:
        connection.execute(SECOND, {"id": 1})
    assert asked(database, "lock_wait") == []
    assert asked(database, "idle_in_transaction") == []
    assert asked(database, "long_transaction") == []
    engine.dispose()
    database.stop()


def test_a_dead_server_is_asked_again_later_and_costs_nothing_else(postgres: PostgresServer) -> None:
    from ports import reserved_port

    with reserved_port() as port:
        engine = create_engine(f"postgresql+psycopg://nobody@127.0.0.1:{port}/x", connect_args={"connect_timeout": 5})
        database = DatabaseOptimizer(engine)
        database.start()
        database.look_at_sessions()
        assert "OperationalError" in database._looks.reason
        database.look_at_indexes()
        assert list(database.findings()) == []
        database.stop()


def test_it_can_be_switched_off(postgres: PostgresServer) -> None:
    engine = create_engine(postgres.url())
    on, off = (DatabaseOptimizer(engine, settings=DatabaseSettings(watch_sessions=each)) for each in (True, False))
    for database in (on, off):
        database.instrument(engine)
    assert on._looks._sessions.is_due(1e9)
    assert not off._looks._sessions.is_due(1e9)
    engine.dispose()
