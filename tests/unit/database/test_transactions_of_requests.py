"""Commits that no statement tells of, and failures because another transaction was in the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from perfkit.core.findings import Finding
from perfkit.database import DatabaseOptimizer
from perfkit.database.capture.autocommit import commits_itself

UPDATES = [f"UPDATE account SET {column} = 1 WHERE id = 1" for column in ("a", "b", "c", "d", "e", "f")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "accounts.db"
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("CREATE TABLE account (id integer PRIMARY KEY, a, b, c, d, e, f)")
        connection.execute("INSERT INTO account (id) VALUES (1)")
        connection.commit()
    return made


@pytest.fixture
def database() -> Iterator[DatabaseOptimizer]:
    made = DatabaseOptimizer()
    made.start()
    yield made
    made.stop()


def found(database: DatabaseOptimizer, kind: str) -> list[Finding]:
    return [each for each in database.findings() if each.kind == kind]


def by_autocommit(connection: Any) -> None:
    for update in UPDATES:
        connection.execute(update)


def by_commits(connection: Any) -> None:
    for update in UPDATES:
        connection.execute(update)
        connection.commit()


def by_blocks(connection: Any) -> None:
    for update in UPDATES:
        with connection:
            connection.execute(update)


def by_cursors(connection: Any) -> None:
    for update in UPDATES:
        connection.cursor().execute(update)


@pytest.mark.parametrize(
    ("isolation_level", "program"),
    [(None, by_autocommit), ("DEFERRED", by_commits), ("DEFERRED", by_blocks), (None, by_cursors)],
)
def test_writes_of_a_wrapped_connection_that_each_commit_are_told(
    database: DatabaseOptimizer, path: Path, isolation_level: Any, program: Callable[[Any], None]
) -> None:
    with closing(sqlite3.connect(path, isolation_level=isolation_level)) as plain:
        connection = database.wrap(plain)
        with database.watch("sign-up"):
            program(connection)
    (finding,) = found(database, "chatty_commits")
    assert finding.evidence["commits"] == len(UPDATES)
    assert finding.evidence["route"] == "sign-up"
    assert finding.site is not None
    assert "test_transactions_of_requests.py" in finding.site


def test_writes_in_one_transaction_are_not(database: DatabaseOptimizer, path: Path) -> None:
    with closing(sqlite3.connect(path)) as plain:
        connection = database.wrap(plain)
        with database.watch("sign-up"), connection:
            by_autocommit(connection)
    assert found(database, "chatty_commits") == []


def test_an_engine_in_autocommit_mode_is_told(database: DatabaseOptimizer, path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT")
    with database.watch("sign-up"), engine.connect() as connection:
        for update in UPDATES:
            connection.execute(text(update))
    engine.dispose()
    (finding,) = found(database, "chatty_commits")
    assert finding.evidence["commits"] == len(UPDATES)


def test_an_ordinary_transaction_of_an_engine_is_not(database: DatabaseOptimizer, path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with database.watch("sign-up"), engine.begin() as connection:
        for update in UPDATES:
            connection.execute(text(update))
    engine.dispose()
    assert found(database, "chatty_commits") == []


def test_a_loop_of_writes_that_each_commit_is_told_once_as_the_loop(database: DatabaseOptimizer, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        connection = database.wrap(plain)
        with database.watch("import"):
            for number in range(10, 20):
                connection.execute("INSERT INTO account (id) VALUES (?)", (number,))
    kinds = [each.kind for each in database.findings()]
    assert kinds == ["write_in_loop"]


def test_statements_that_lose_to_a_lock_are_told_with_their_line(database: DatabaseOptimizer, path: Path) -> None:
    with closing(sqlite3.connect(path)) as holder, closing(sqlite3.connect(path, timeout=0)) as plain:
        holder.execute("BEGIN EXCLUSIVE")
        connection = database.wrap(plain)
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                connection.execute(UPDATES[0])
        assert found(database, "lock_wait") == [], "one or two may be meant"
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            connection.execute(UPDATES[0])
    (finding,) = found(database, "lock_wait")
    assert (finding.code, finding.object) == ("PK136", "account")
    assert finding.evidence["failures"] == 3
    assert finding.evidence["reason"] == "locked"
    assert finding.site is not None
    assert "test_transactions_of_requests.py" in finding.site


class _Broken:
    @property
    def in_transaction(self) -> bool:
        raise RuntimeError("gone")


class _PyMySQL:
    def __init__(self, server_status: int) -> None:
        self.server_status = server_status


@pytest.mark.parametrize(
    ("connection", "expected"),
    [(None, False), (object(), False), (_Broken(), False), (_PyMySQL(2), True), (_PyMySQL(3), False)],
)
def test_what_a_driver_does_not_tell_is_no_commit(connection: Any, expected: bool) -> None:
    assert commits_itself(connection) is expected
