"""Connections that nobody keeps, on a real PostgreSQL: Django's by its settings, SQLAlchemy's by its pool."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from perfkit.core.names import REQUEST_DURATION
from perfkit.database import DatabaseOptimizer

pytestmark = pytest.mark.server

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture(scope="module")
def visits(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as name:
        with postgres.connect(name) as connection:
            connection.execute("CREATE TABLE visit (id int PRIMARY KEY, visitor int NOT NULL, page varchar(80))")
            connection.execute(
                "INSERT INTO visit SELECT n, n * 7919 % 9000, repeat('x', 60) FROM generate_series(1, 30000) n"
            )
            connection.execute("ANALYZE visit")
        yield name


def told(dsn: str, options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    paths = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, str(SUPPORT / "django_on_postgres.py"), dsn, json.dumps(options)],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {each["kind"]: each for each in json.loads(done.stdout.splitlines()[-1])}


def test_django_that_connects_for_each_request_is_told(postgres: PostgresServer, visits: str) -> None:
    found = told(postgres.dsn(visits), {"CONN_MAX_AGE": 0})
    churn = found["connection_churn"]
    assert churn["code"] == "PK137"
    assert churn["object"] == "django default"
    assert churn["evidence"]["opened"] == churn["evidence"]["served"] == 60
    assert "CONN_MAX_AGE" in churn["fix"]["django"]
    assert found["missing_index"]["evidence"]["route"] == "GET /visits"
    assert "django_on_postgres.py:" in found["missing_index"]["site"]


@pytest.mark.parametrize("options", [{"CONN_MAX_AGE": 60}, {"OPTIONS": {"pool": True}}], ids=["kept", "pool"])
def test_django_that_keeps_its_connections_is_not(
    postgres: PostgresServer, visits: str, options: dict[str, Any]
) -> None:
    if "OPTIONS" in options:
        pytest.importorskip("psycopg_pool")
    found = told(postgres.dsn(visits), options)
    assert "connection_churn" not in found
    assert "missing_index" in found


@pytest.mark.parametrize(("options", "is_told"), [({"poolclass": NullPool}, True), ({}, False)])
def test_an_engine_without_a_pool_is_told_with_what_a_connection_costs(
    postgres: PostgresServer, visits: str, options: dict[str, Any], is_told: bool
) -> None:
    engine = create_engine(postgres.url(visits), **options)
    database = DatabaseOptimizer()
    database.start()
    store = database._store
    for _ in range(60):
        with engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM visit LIMIT 1"))
        store.observe(store.row(store.define(REQUEST_DURATION), ("GET", "/", "200", "http", "")), 0.01)
    found = [each for each in database.findings() if each.kind == "connection_churn"]
    engine.dispose()
    database.stop()
    assert bool(found) is is_told
    if is_told:
        assert found[0].evidence["opened"] == 60
        assert 0.0 < found[0].evidence["seconds_per_connection"] < 1.0
