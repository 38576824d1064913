"""Columns: the busiest routes have one, stable over restarts; the rest shares one."""

from __future__ import annotations

import pytest

from perfkit.core.names import OTHER
from perfkit.store.history.columns import COLUMNS, OTHER_COLUMN, TOTAL, Columns

ROUTES = COLUMNS - 2


def full() -> Columns:
    columns = Columns()
    columns.assign({f"GET /{n}": 100.0 + n for n in range(ROUTES)}, 10.0)
    return columns


def test_the_busiest_routes_get_the_columns() -> None:
    columns = Columns()
    assert columns.assign({f"GET /{n}": float(n) for n in range(200)}, 10.0)
    named = {name for _, name, _ in columns.named()}
    assert named == {TOTAL, OTHER} | {f"GET /{n}" for n in range(200 - ROUTES, 200)}
    assert columns.index_of("GET /0") == OTHER_COLUMN


def test_an_idle_route_gets_none() -> None:
    columns = Columns()
    assert not columns.assign({"GET /": 0.0}, 10.0)
    assert columns.index_of("GET /") == OTHER_COLUMN


def test_a_route_keeps_its_column_when_others_come() -> None:
    columns = Columns()
    columns.assign({"GET /a": 1.0}, 10.0)
    index = columns.index_of("GET /a")
    columns.assign({"GET /a": 1.0, "GET /b": 50.0}, 20.0)
    assert columns.index_of("GET /a") == index != columns.index_of("GET /b")


def test_the_table_survives_being_written_and_read() -> None:
    columns = full()
    columns.started_at = 5.0
    again = Columns.from_bytes(columns.to_bytes())
    assert again.named() == columns.named()
    assert again.started_at == 5.0
    assert all(again.index_of(name) == index for index, name, _ in columns.named()[2:])


def test_changing_a_copy_leaves_the_original() -> None:
    columns = Columns()
    columns.copy().assign({"GET /": 1.0}, 10.0)
    assert len(columns.named()) == 2


def test_a_newcomer_more_than_twice_as_busy_takes_the_column_of_the_idlest() -> None:
    columns = full()
    counts = {f"GET /{n}": 100.0 + n for n in range(ROUTES)}
    index = columns.index_of("GET /0")
    assert columns.reassign({**counts, "GET /new": 201.0}, 99.0)
    assert columns.index_of("GET /0") == OTHER_COLUMN
    assert columns.index_of("GET /new") == index
    assert (index, "GET /new", 99.0) in columns.named()


def test_a_newcomer_only_twice_as_busy_waits() -> None:
    columns = full()
    counts = {f"GET /{n}": 100.0 + n for n in range(ROUTES)}
    assert not columns.reassign({**counts, "GET /new": 200.0}, 99.0)


def test_nobody_is_displaced_while_columns_are_free() -> None:
    columns = Columns()
    columns.assign({"GET /a": 1.0}, 10.0)
    assert not columns.reassign({"GET /b": 100.0}, 20.0)


def test_long_names_are_cut_and_still_told_apart() -> None:
    columns = Columns()
    columns.assign({"GET /" + "ü" * 300 + end: 1.0 for end in "ab"}, 10.0)
    names = [name for _, name, _ in columns.named()[2:]]
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= 400 for name in names)
    assert columns.index_of("GET /" + "ü" * 300 + "a") != columns.index_of("GET /" + "ü" * 300 + "b")


def test_the_table_always_fits_its_place() -> None:
    columns = Columns()
    columns.assign({"\U0001f40d" * 100 + str(n): 1.0 for n in range(ROUTES)}, 1e9 + 0.1)
    assert len(columns.to_bytes()) < 32 * 1024 - 16


@pytest.mark.parametrize("name", [OTHER])
def test_the_rest_never_takes_a_column_of_its_own(name: str) -> None:
    columns = Columns()
    assert not columns.assign({name: 5.0}, 10.0)
    assert columns.index_of(name) == OTHER_COLUMN
