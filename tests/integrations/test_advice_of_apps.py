"""Sixteen apps whose statements are captured as they come: the indexes that are missing are told, and no other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from app_cases import CASES, AppCase
from sqlalchemy import create_engine, text

from perfkit.core.findings import State
from perfkit.database import DatabaseOptimizer

FEW = {"the newest comments of a post", "a flag that nearly all have"}
"""Cases that run on servers each time; the others in the full proof."""

SYSTEMS = ("sqlite", "postgresql", "mariadb")


def runs() -> Iterator[Any]:
    for system in SYSTEMS:
        for case in CASES:
            marks = [] if system == "sqlite" else [pytest.mark.server]
            if system != "sqlite" and case.name not in FEW:
                marks.append(pytest.mark.acceptance)
            if system not in case.without:
                yield pytest.param(case, system, id=f"{system}-{case}", marks=marks)


@contextmanager
def engine_of(system: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if system == "sqlite":
        yield create_engine(f"sqlite:///{tmp_path / 'app.db'}")
        return
    server = request.getfixturevalue("postgres" if system == "postgresql" else "mariadb")
    with server.database() as name:
        if system == "postgresql":
            with server.connect(name) as connection:
                connection.execute("CREATE EXTENSION hypopg")
        yield create_engine(server.url(name))


def fill(case: AppCase, engine: Any) -> None:
    with engine.begin() as connection:
        for create, rows in case.tables:
            connection.exec_driver_sql(create)
            name = create.split()[2]
            made = list(rows(random.Random(name)))
            places = ", ".join(f":c{at}" for at in range(len(made[0])))
            insert = text(f"INSERT INTO {name} VALUES ({places})")
            connection.execute(insert, [{f"c{at}": value for at, value in enumerate(row)} for row in made])
        for index in case.indexes:
            connection.exec_driver_sql(index)
    with engine.connect() as connection:
        for create, _ in case.tables:
            name = create.split()[2]
            connection.exec_driver_sql(f"ANALYZE {'TABLE ' if engine.dialect.name == 'mysql' else ''}{name}").close()
            connection.commit()


def send(case: AppCase, engine: Any) -> None:
    chance = random.Random(7)
    with engine.begin() as connection:
        for sql, times in case.sent:
            for _ in range(times):
                result = connection.execute(text(sql), case.parameters(chance))
                if result.returns_rows:
                    result.fetchall()


def is_one_of(told: str, beginnings: tuple[str, ...]) -> bool:
    plain = told.lower().replace('"', "").replace("`", "")
    return any(plain.startswith(each) for each in beginnings)


@pytest.mark.parametrize(("case", "system"), list(runs()))
def test_the_indexes_that_an_app_misses_are_told_and_proved(
    case: AppCase, system: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with engine_of(system, request, tmp_path) as engine:
        fill(case, engine)
        database = DatabaseOptimizer()
        database.start()
        try:
            send(case, engine)
            database.look_at_indexes()
            assert database.snapshot().indexes.reason == ""
            told = [each for each in database.findings() if each.kind == "missing_index"]
            objects = [str(each.object) for each in told]
            for wanted in case.missing:
                assert any(is_one_of(each, wanted) for each in objects), (wanted, objects)
            expected = (*case.missing, *((each,) for each in case.allowed))
            assert all(any(is_one_of(each, wanted) for wanted in expected) for each in objects), objects
            if told:
                follow(told, engine, database, case)
        finally:
            database.stop()
            engine.dispose()


def follow(told: list[Any], engine: Any, database: DatabaseOptimizer, case: AppCase) -> None:
    """Make the indexes that are advised, and see that each is used and told as fixed."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for each in told:
            connection.exec_driver_sql(each.fix["sql"])
    send(case, engine)
    database.look_at_indexes()
    after = [each for each in database.findings() if each.kind == "missing_index"]
    assert [(each.object, each.state) for each in after] == [(each.object, State.FIXED) for each in after]
    assert {each.object for each in after} == {each.object for each in told}
