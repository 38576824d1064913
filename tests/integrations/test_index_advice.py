"""Advice on indexes over every kind of connection: what is sent, and what is left behind."""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import Any

import psycopg
import pytest
import sqlalchemy
from mariadb_server import MariaDBServer
from postgres_server import PostgresServer, postgres_server

from perfkit.cli.main import main
from perfkit.database import analyze, recommend_indexes, verify_applied

pytestmark = pytest.mark.server

BY_OWNER = "SELECT id, note FROM pages WHERE owner = 7"
READING = (
    "SELECT",
    "WITH",
    "EXPLAIN",
    "SET ",
    "SHOW",
    "SAVEPOINT",
    "ROLLBACK",
    "RELEASE",
    "BEGIN",
    "PREPARE",
    "DEALLOCATE",
)


def fill(execute: Any) -> None:
    execute("CREATE TABLE pages (id serial PRIMARY KEY, owner integer, name text, note text)")
    execute(
        "INSERT INTO pages (owner, name, note) SELECT i * 7919 % 5000, 'name ' || i, repeat('x', 60) "
        "FROM generate_series(1, 20000) i"
    )
    execute("ANALYZE pages")


def test_an_idle_connection_is_not_touched_and_one_in_a_transaction_is_left_in_it(postgres: PostgresServer) -> None:
    with postgres.database() as name, psycopg.connect(postgres.dsn(name)) as connection:
        connection.execute("CREATE EXTENSION hypopg")
        fill(connection.execute)
        # The table is seen by this transaction alone.
        inside = recommend_indexes(connection, [(BY_OWNER, 1000)])
        assert [(advice.columns, advice.verified_by) for advice in inside] == [(("owner",), "hypopg")]
        connection.execute("INSERT INTO pages (owner) VALUES (1)")
        assert connection.execute("SELECT count(*) FROM hypopg_list_indexes").fetchone() == (0,)
        connection.commit()
        outside = recommend_indexes(connection, [(BY_OWNER, 1000)])
        assert [advice.ddl for advice in outside] == [advice.ddl for advice in inside]
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_an_index_that_the_server_refuses_spoils_none_of_the_others(postgres: PostgresServer) -> None:
    with postgres.database() as name, postgres.connect(name) as connection:
        connection.execute("CREATE EXTENSION hypopg")
        fill(connection.execute)
        connection.execute("ALTER TABLE pages ADD at timestamptz DEFAULT now()")
        connection.execute("UPDATE pages SET at = now() - id * interval '1 hour'")
        connection.execute("VACUUM FULL ANALYZE pages")
        # The day depends on the time zone of the session, so no index is kept on it.
        by_day = "SELECT id, note FROM pages WHERE date(at) = '2026-03-01' AND owner = 7"
        result = analyze(connection, [(by_day, 1000)])
        assert [(advice.columns, advice.verified_by) for advice in result.indexes] == [(("owner",), "hypopg")]
        assert result.left_out == ()


def test_a_table_that_is_joined_gets_a_partial_index_too(postgres: PostgresServer) -> None:
    with postgres.database() as name, postgres.connect(name) as connection:
        connection.execute("CREATE EXTENSION hypopg")
        fill(connection.execute)
        connection.execute("CREATE TABLE owners (id integer PRIMARY KEY, name text)")
        connection.execute("INSERT INTO owners SELECT i, 'owner ' || i FROM generate_series(1, 5000) i")
        connection.execute("ALTER TABLE pages ADD state char(8) NOT NULL DEFAULT 'done'")
        connection.execute(
            "UPDATE pages SET state = CASE WHEN id % 400 = 0 THEN 'it''s \\x' ELSE 'new' END WHERE id % 40 = 0"
        )
        connection.execute("VACUUM FULL ANALYZE")
        joined = (
            "SELECT o.name, p.note FROM owners o JOIN pages p ON p.owner = o.id "
            "WHERE p.state IN ('it''s \\x', 'lost') ORDER BY p.name"
        )
        [advice] = recommend_indexes(connection, [(joined, 1000)], budget_bytes=40_000)
        assert advice.where == "state IN ('it''s \\x', 'lost')"
        connection.execute(advice.ddl)
        verified = verify_applied(connection, advice)
        assert verified.is_used
        assert verified.message.startswith("Fixed")


def test_engines_connections_and_urls_are_asked_alike(postgres: PostgresServer) -> None:
    with postgres.database() as name:
        with postgres.connect(name) as connection:
            fill(connection.execute)
        engine = sqlalchemy.create_engine(postgres.url(name))
        with engine.connect() as connected:
            asked = [engine, connected, postgres.url(name)]
            told = [[advice.ddl for advice in recommend_indexes(each, [(BY_OWNER, 1000)])] for each in asked]
        engine.dispose()
    assert told[0]
    assert told[0] == told[1] == told[2]


def test_only_reading_statements_are_sent(postgres: PostgresServer) -> None:
    workload = [
        (BY_OWNER, 1000),
        ("DELETE FROM pages WHERE owner = %s", 10),
        ("UPDATE pages SET note = 'gone' WHERE name = 'name 5'", 10),
        ("INSERT INTO pages (owner) VALUES (1)", 10),
        ("SELECT pg_sleep(60) FROM pages", 1),
        ("TRUNCATE pages", 1),
    ]
    with postgres_server("log_statement=all") as server, server.database() as name:
        with server.connect(name) as connection:
            connection.execute("CREATE EXTENSION hypopg")
            fill(connection.execute)
        log = server.folder / "log"
        before = len(log.read_text())
        engine = sqlalchemy.create_engine(server.url(name))
        analyze(engine, workload)
        engine.dispose()
        sent = log.read_text()[before:]
        with server.connect(name) as connection:
            assert connection.execute("SELECT count(*) FROM pages").fetchone() == (20_000,)
    texts = re.findall(r"LOG:  (?:statement|execute [^:]*): \s*(\S+ ?\S*)", sent)
    assert len(texts) > 20
    assert {text for text in texts if not text.upper().startswith(READING)} == set()
    assert not re.search(r"(?:EXPLAIN \([^)]*|: )ANALYZE", sent)


def test_a_locked_table_is_left_out_soon(postgres: PostgresServer) -> None:
    with postgres.database() as name, postgres.connect(name) as connection, postgres.connect(name) as locking:
        connection.execute("CREATE EXTENSION hypopg")
        fill(connection.execute)
        with locking.transaction():
            locking.execute("LOCK TABLE pages IN ACCESS EXCLUSIVE MODE")
            result = analyze(connection, [(BY_OWNER, 1000)])
        assert result.indexes == ()
        assert [each.statement for each in result.left_out] == [BY_OWNER]


def test_the_beginning_of_a_text_wants_a_class_of_its_own_where_letters_are_collated(postgres: PostgresServer) -> None:
    with postgres.connect() as connection:
        connection.execute("CREATE DATABASE collated TEMPLATE template0 LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'")
    try:
        with postgres.connect("collated") as connection:
            connection.execute("CREATE EXTENSION hypopg")
            fill(connection.execute)
            [advice] = recommend_indexes(connection, [("SELECT id FROM pages WHERE name LIKE 'name 123%'", 1000)])
            connection.execute(advice.ddl)
            verified = verify_applied(connection, advice)
    finally:
        with postgres.connect() as connection:
            connection.execute("DROP DATABASE collated WITH (FORCE)")
    assert "text_pattern_ops" in advice.ddl
    assert verified.is_used
    assert verified.message.startswith("Fixed")


def test_the_command_takes_what_the_server_has_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with postgres_server("shared_preload_libraries=pg_stat_statements") as server, server.database() as name:
        with server.connect(name) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute("CREATE EXTENSION hypopg")
            fill(connection.execute)
            for owner in range(50):
                connection.execute("SELECT id, note FROM pages WHERE owner = %s", (owner,))
        assert main(["advise", "--database", server.dsn(name), "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert told["source"] == "pg_stat_statements"
        assert [advice["columns"] for advice in told["indexes"]] == [["owner"]]
        assert told["verified_by"] == "hypopg"


def test_mariadb_is_left_as_it_was(mariadb: MariaDBServer) -> None:
    with mariadb.database() as name, closing(mariadb.connect(name)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE pages (id integer PRIMARY KEY, owner integer, note varchar(80))")
        cursor.executemany("INSERT INTO pages VALUES (%s, %s, %s)", [(n, n % 5000, "x" * 60) for n in range(20_000)])
        cursor.execute("ANALYZE TABLE pages")
        cursor.fetchall()
        cursor.execute("SET SESSION max_statement_time = 77")
        [advice] = recommend_indexes(connection, [(BY_OWNER, 1000)])
        cursor.execute("SELECT @@max_statement_time")
        assert float(cursor.fetchone()[0]) == 77
        cursor.execute("SHOW INDEX FROM pages")
        assert len(cursor.fetchall()) == 1
        cursor.execute(advice.ddl)
        assert verify_applied(mariadb.url(name), advice).is_applied
