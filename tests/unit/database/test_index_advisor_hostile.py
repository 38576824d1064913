"""Advice on indexes under hostile statements, broken libraries and databases that do not answer."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlglot

from perfkit.database import DatabaseOptimizer, DatabaseSettings
from perfkit.database.workload import advisor
from perfkit.database.workload.sources import told

BY_OWNER = "SELECT max(length(note)) FROM pages WHERE owner = ?"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "pages.db"
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("CREATE TABLE pages (id integer PRIMARY KEY, owner integer, status text, note text)")
        rows = [(n, n * 7919 % 5000, "s3cr3t-status" if n % 9 else "done", "x" * 60) for n in range(20_000)]
        connection.executemany("INSERT INTO pages VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    return made


def missing(database: DatabaseOptimizer) -> list[Any]:
    return [finding for finding in database.findings() if finding.kind == "missing_index"]


def test_forty_secrets_within_statements_are_in_no_advice(path: Path) -> None:
    secrets = [f"s3cr3t-{number:02d}" for number in range(40)]
    database = DatabaseOptimizer()
    with closing(sqlite3.connect(path)) as plain:
        connection = database.wrap(plain)
        for secret in secrets:
            connection.execute(f"SELECT max(note) FROM pages WHERE status = 'done' AND note = '{secret}'").fetchall()
            connection.execute(f"SELECT count(*) FROM pages WHERE owner = 7 AND note LIKE '{secret}%'").fetchall()
            connection.execute("SELECT max(note) FROM pages WHERE status = 's3cr3t-status' AND owner = 3").fetchall()
    database.look_at_indexes()
    text = msgspec.json.encode((missing(database), database.snapshot())).decode()
    assert "CREATE INDEX" in text
    assert "s3cr3t" not in text


def test_ten_thousand_shapes_cost_one_bounded_look(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = DatabaseOptimizer(settings=DatabaseSettings(max_shapes=2_000))
    read = []
    monkeypatch.setattr(
        "perfkit.database.indexes.recommend.read_statement",
        lambda sql, *rest: read.append(sql) or advisor_reads(sql, *rest),
    )
    with closing(sqlite3.connect(path)) as plain:
        connection = database.wrap(plain)
        for number in range(10_000):
            entry = database.recorder.learn(f"SELECT note AS c{number} FROM pages WHERE owner = 1", "sqlite")
            assert entry is not None
            database.recorder.finish(entry, time.perf_counter(), None, 1)
        connection.execute(BY_OWNER, (1,)).fetchall()
        database.look_at_indexes()
    assert len(read) <= 2 * advisor.MOST_READS + 2 * advisor.MOST_WRITES
    assert database.snapshot().indexes.statements <= advisor.MOST_READS + advisor.MOST_WRITES


def advisor_reads(*arguments: Any) -> Any:
    from perfkit.database.indexes.statements.reading import read_statement

    return read_statement(*arguments)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 900 + "1" + ")" * 900 + " FROM pages",
        "SELECT note FROM pages WHERE " + " OR ".join(["owner = 1"] * 190),
        "SELECT note FROM pages /* " + "/* " * 500 + " */ WHERE owner = 1",
        "SELECT \udcff FROM pages",
        "SELECT note FROM pages WHERE owner = '" + "x" * 1_000_000 + "'",
        "SELECT note FROM " + ", ".join(f"pages p{n}" for n in range(150)),
        "WITH a AS (SELECT 1) SELECT",
        "SELECT",
    ],
    ids=range(8),
)
def test_what_cannot_be_read_costs_its_own_advice_alone(path: Path, sql: str) -> None:
    database = DatabaseOptimizer()
    with closing(sqlite3.connect(path)) as plain:
        connection = database.wrap(plain)
        for number in range(3):
            entry = database.recorder.learn(sql, "sqlite")
            assert entry is not None
            database.recorder.finish(entry, time.perf_counter(), None, 1)
            connection.execute(BY_OWNER, (number,)).fetchall()
        database.look_at_indexes()
    assert "pages(owner" in str([finding.object for finding in missing(database)])
    assert database.snapshot().indexes.reason == ""


def test_a_broken_parser_costs_the_advice_and_no_statement(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(sqlglot, "parse", broken)
    database = DatabaseOptimizer()
    database.start()
    with closing(sqlite3.connect(path)) as plain:
        connection = database.wrap(plain)
        database.look_at_indexes()
        assert connection.execute(BY_OWNER, (1,)).fetchall() == [(60,)]
        database.look_at_indexes()
        assert connection.execute(BY_OWNER, (2,)).fetchall() == [(60,)]
    assert "broken on purpose" in database.snapshot().indexes.reason
    assert missing(database) == []
    database.stop()


def test_without_the_parser_it_is_said_how_to_get_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sqlglot", None)
    database = DatabaseOptimizer()
    with closing(sqlite3.connect(path)) as plain:
        database.wrap(plain).execute(BY_OWNER, (1,)).fetchall()
        database.look_at_indexes()
    assert "pip install 'perfkit[sql]'" in database.snapshot().indexes.reason


def test_a_database_that_does_not_answer_holds_nobody_up(path: Path) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    @contextmanager
    def connect() -> Iterator[Any]:
        is_asked.set()
        assert may_answer.wait(60)
        raise OSError("no answer")
        yield

    database = DatabaseOptimizer()
    database.start()
    with closing(sqlite3.connect(path)) as plain:
        connection = database.wrap(plain)
        connection.execute(BY_OWNER, (1,)).fetchall()
        database.advise_on("stuck", "sqlite", connect)
        looking = threading.Thread(target=database.look_at_indexes)
        looking.start()
        assert is_asked.wait(60)
        assert connection.execute(BY_OWNER, (2,)).fetchall() == [(60,)]
        with database.watch("request"):
            connection.execute(BY_OWNER, (3,)).fetchall()
        assert list(database.findings()) is not None
        assert database.snapshot().statements == 3
        assert looking.is_alive()
        may_answer.set()
        looking.join(60)
    assert "stuck: OSError: no answer" in database.snapshot().indexes.reason
    database.stop()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("cannot reach postgresql://ada:hunter2@db/shop", "RuntimeError: cannot reach postgresql://***@db/shop"),
        ("host=db password=hunter2 user=ada", "RuntimeError: host=db password=*** user=ada"),
        ("Token: hunter2, no", "RuntimeError: Token: ***, no"),
        ("password='two hunter2' user=ada", "RuntimeError: password=*** user=ada"),
        ("postgresql://ada:p@hunter2@db/shop", "RuntimeError: postgresql://***@db/shop"),
        ('{"password": "hunter2"}', 'RuntimeError: {"password": ***}'),
        ("first\nsecond hunter2", "RuntimeError: first"),
        ("", "RuntimeError: "),
    ],
)
def test_a_reason_tells_no_password(message: str, expected: str) -> None:
    assert told(RuntimeError(message)) == expected
