"""What was said about indexes beside what is so once they are built."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.tpch.queries import QUERIES
from perfkit.database.indexes.candidates import Candidates
from perfkit.database.indexes.costs.sizes import index_bytes
from perfkit.database.indexes.definition import Definition, Key
from perfkit.database.indexes.session import opened
from perfkit.database.indexes.statements.groups import learn_groups
from perfkit.database.indexes.statements.reading import read_statement
from perfkit.database.schema.catalog import Catalog
from perfkit.database.schema.reading import read_catalog

__all__ = ["Size", "mean_when_built", "sizes"]

OTHERS = 60
"""Candidates of several columns whose size is looked at, beside each single column."""

SMALL = 500


class Size(NamedTuple):
    """The bytes of one index: as it is, by our model, and by HypoPG."""

    definition: Definition
    real: int
    ours: int
    hypopg: int

    def part(self, claimed: int) -> float:
        """Return what was claimed over what is; two pages are no error of a model."""
        spare = 2 * 8192
        return 1.0 if abs(claimed - self.real) <= spare else claimed / self.real


def mean_when_built(connection: Any, indexes: Sequence[Definition]) -> float:
    """Return the mean relative cost of the queries with *indexes* really there; they are gone again afterwards."""
    before = [_cost(connection, query) for query in QUERIES]
    with _built(connection, indexes):
        after = [_cost(connection, query) for query in QUERIES]
    return sum(now / then for now, then in zip(after, before, strict=True)) / len(before)


def sizes(connection: Any, advised: Sequence[Definition]) -> list[Size]:
    """Return the sizes of *advised*, of an index on each column, and of some candidates of several columns."""
    with opened(connection) as session:
        catalog = read_catalog(session, None, [(query, 1.0) for query in QUERIES])
        demands = [read_statement(query, 1.0, catalog) for query in QUERIES]
        learn_groups(catalog, demands)
        session.cursor.execute("SELECT hypopg_reset()")
        candidates = Candidates(catalog, demands)
        offered = sorted({each for demand in demands for each in candidates.of(demand)} - set(advised))
        wanted = [*advised, *_singles(catalog), *random.Random(7).sample(offered, min(OTHERS, len(offered)))]
        found = []
        for each in sorted(set(wanted)):
            ddl = each.ddl("postgresql", concurrently=False).replace("'", "''")
            session.cursor.execute(f"SELECT hypopg_relation_size(indexrelid) FROM hypopg_create_index('{ddl}')")
            table = catalog.table(each.table)
            assert table is not None
            found.append((each, index_bytes(table, each, "postgresql"), int(session.cursor.fetchone()[0])))
            session.cursor.execute("SELECT hypopg_reset()")
    result = []
    for each, ours, hypopg in found:
        with _built(connection, [each]):
            real = connection.execute(f"SELECT pg_relation_size('{each.name}')").fetchone()[0]
        result.append(Size(each, int(real), ours, hypopg))
    return result


def _singles(catalog: Catalog) -> Iterator[Definition]:
    for table in catalog.tables.values():
        if table.rows >= SMALL:
            yield from (Definition(table.name, (Key(column, (column,)),)) for column in table.columns)


@contextlib.contextmanager
def _built(connection: Any, indexes: Sequence[Definition]) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
        for each in indexes:
            connection.execute(each.ddl("postgresql", concurrently=False))
        yield
    finally:
        connection.execute("ROLLBACK")


def _cost(connection: Any, query: str) -> float:
    return float(connection.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchone()[0][0]["Plan"]["Total Cost"])
