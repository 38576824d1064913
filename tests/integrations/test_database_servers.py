"""The servers that tests start for themselves."""

from __future__ import annotations

from contextlib import closing

import pytest
from mariadb_server import MariaDBServer
from postgres_server import PostgresServer

pytestmark = pytest.mark.server


def test_postgres_gives_databases_and_takes_them_back(postgres: PostgresServer) -> None:
    with postgres.database() as name, postgres.connect(name) as connection:
        connection.execute("CREATE TABLE a (b int)")
        assert connection.execute("SELECT current_database()").fetchone() == (name,)
    with postgres.connect() as connection:
        names = connection.execute("SELECT datname FROM pg_database").fetchall()
    assert (name,) not in names


def test_postgres_knows_hypothetical_indexes(postgres: PostgresServer) -> None:
    with postgres.database() as name, postgres.connect(name) as connection:
        connection.execute("CREATE EXTENSION hypopg")
        connection.execute("CREATE TABLE a (b int)")
        made = connection.execute("SELECT count(*) FROM hypopg_create_index('CREATE INDEX ON a (b)')").fetchone()
        assert made == (1,)


def test_mariadb_gives_databases_and_takes_them_back(mariadb: MariaDBServer) -> None:
    with mariadb.database() as name, closing(mariadb.connect(name)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE a (b int)")
        cursor.execute("SELECT database()")
        assert cursor.fetchone() == (name,)
    with closing(mariadb.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES")
        assert (name,) not in cursor.fetchall()
