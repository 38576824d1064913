"""The shop's data: all there, and the same for the same seed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from perfkit_demo.database.models import Base
from perfkit_demo.shop.data import CART_LINES, CARTS, ORDERS, PHOTO_BYTES, PHOTOS, PRODUCTS, REVIEWS, VARIANTS, sku
from perfkit_demo.shop.schema import DATA_TABLES
from perfkit_demo.shop.seed import checksum, seed_database, temporary_shop


def ask(database: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize(("table", "count"), [("product", PRODUCTS), ("review", REVIEWS), ("orders", ORDERS)])
def test_a_table_has_all_its_rows(seeded: Path, table: str, count: int) -> None:
    assert ask(seeded, f"SELECT count(*) FROM {table}") == [(count,)]


def test_the_same_seed_gives_the_same_shop(seeded: Path, tmp_path: Path) -> None:
    seed_database(tmp_path / "again.db", seed=7)
    assert checksum(tmp_path / "again.db") == checksum(seeded)


def test_another_seed_gives_another_shop(seeded: Path, tmp_path: Path) -> None:
    seed_database(tmp_path / "other.db", seed=8)
    assert checksum(tmp_path / "other.db") != checksum(seeded)


def test_some_products_have_a_photo_of_40_kib(seeded: Path) -> None:
    query = "SELECT count(*), min(length(photo)), max(length(photo)) FROM product WHERE photo IS NOT NULL"
    assert ask(seeded, query) == [(PHOTOS, PHOTO_BYTES, PHOTO_BYTES)]


def test_the_sku_has_no_index(seeded: Path) -> None:
    plan = ask(seeded, f"EXPLAIN QUERY PLAN SELECT id FROM product WHERE sku = '{sku(1)}'")
    assert "SCAN product" in str(plan)


def test_reviews_are_found_by_an_index(seeded: Path) -> None:
    plan = ask(seeded, "EXPLAIN QUERY PLAN SELECT rating FROM review WHERE product_id = 1")
    assert "review_product" in str(plan)


def test_neighbours_share_the_first_part_of_the_sku() -> None:
    family = [sku(number) for number in range(VARIANTS + 1, 2 * VARIANTS + 1)]
    assert len(set(family)) == VARIANTS
    assert {name.rsplit("-", 1)[0] for name in family} == {"SK-0001"}


def test_every_cart_has_something_in_it_and_no_cart_too_much(seeded: Path) -> None:
    sizes = ask(seeded, "SELECT count(*) FROM cart_item GROUP BY cart_id")
    assert len(sizes) == CARTS
    assert {size for (size,) in sizes} <= set(range(2, CART_LINES + 1))


def test_the_models_have_the_columns_of_the_tables(seeded: Path) -> None:
    assert set(Base.metadata.tables) == set(DATA_TABLES)
    for name, table in Base.metadata.tables.items():
        columns = ask(seeded, f"SELECT name, NOT \"notnull\" AND NOT pk FROM pragma_table_info('{name}')")
        assert [(column.name, int(bool(column.nullable))) for column in table.columns] == columns


def test_a_temporary_shop_is_gone_after_an_error() -> None:
    seen: list[Path] = []

    def fail() -> None:
        with temporary_shop() as database:
            seen.append(database.resolve(strict=True))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not seen[0].parent.exists()
