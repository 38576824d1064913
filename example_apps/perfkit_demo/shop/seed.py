"""The shop's database file: made from a seed, and its checksum."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from perfkit_demo.shop.data import cart_items, orders, products, reviews
from perfkit_demo.shop.schema import DATA_TABLES, SCHEMA

__all__ = ["checksum", "seed_database", "temporary_folder", "temporary_shop"]

INSERTS = (
    ("INSERT INTO product VALUES (?, ?, ?, ?, ?, ?, ?)", products),
    ("INSERT INTO review VALUES (?, ?, ?, ?, ?)", reviews),
    ("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", orders),
    ("INSERT INTO cart_item (cart_id, line, product_id, quantity) VALUES (?, ?, ?, ?)", cart_items),
)


def seed_database(path: Path, seed: int = 0) -> None:
    """Make the shop's database at *path*, which must not exist; about 14 MB, well under two seconds."""
    with closing(sqlite3.connect(path)) as connection:
        # The file is made anew on every start, so nothing is lost if this is interrupted.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(SCHEMA)
        for statement, rows in INSERTS:
            connection.executemany(statement, rows(seed))
        connection.commit()
        # Readers and writers of several workers do not block each other in this mode; it stays with the file.
        connection.execute("PRAGMA journal_mode = WAL")


def checksum(path: Path) -> str:
    """Return a SHA-256 over all rows of the database at *path*."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(path)) as connection:
        for table in DATA_TABLES:
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2"):
                digest.update(repr(row).encode())
    return digest.hexdigest()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a new folder that is gone at the end, whatever happens in between."""
    with tempfile.TemporaryDirectory(prefix="perfkit-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def temporary_shop(seed: int = 0) -> Iterator[Path]:
    """Give the path of a freshly seeded database in a folder that is gone at the end."""
    with temporary_folder() as folder:
        database = folder / "shop.db"
        seed_database(database, seed)
        yield database
