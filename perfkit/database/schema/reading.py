"""Reads the catalog of whatever database there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from perfkit.database.schema.catalog import Catalog
from perfkit.database.schema.mysql import read_mysql
from perfkit.database.schema.postgresql import read_postgresql
from perfkit.database.schema.sqlite import read_sqlite

if TYPE_CHECKING:
    from perfkit.database.indexes.session import Session

__all__ = ["read_catalog"]


def read_catalog(session: Session, schema: str | None, workload: Sequence[tuple[str, float]]) -> Catalog:
    """Return the catalog of *session*; tables that *workload* names are sampled where the server has no statistics."""
    if session.dialect == "postgresql":
        return read_postgresql(session.cursor, schema)
    texts = " ".join(sql for sql, _ in workload).lower()
    if session.dialect == "sqlite":
        return read_sqlite(session.cursor, texts)
    return read_mysql(session.cursor, session.dialect, schema, texts)
