"""Tables, columns, indexes and foreign keys, with the statistics that the server keeps of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["PAGE", "Catalog", "Column", "ForeignKey", "Index", "Table"]

PAGE = 8192
"""Bytes of a page, as PostgreSQL has it; the other servers' sizes are counted in the same unit."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column and what is known of its values.

    Attributes:
        type: As the database names it.
        distinct: Different values, 0 where it is not known.
        null_ratio: Part of the rows where it is NULL.
        width: Mean bytes of a value.
        common: Value as text → part of the rows that have it.
        bounds: Values as text that cut the others into parts of equal size.
        correlation: Of the order of the values with that of the rows, -1 to 1.
        has_statistics: Whether any of this was measured.
    """

    name: str
    type: str = ""
    distinct: float = 0.0
    null_ratio: float = 0.0
    width: float = 8.0
    common: Mapping[str, float] = field(default_factory=dict)
    bounds: tuple[str, ...] = ()
    correlation: float = 0.0
    has_statistics: bool = False
    is_nullable: bool = True


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index that exists.

    Attributes:
        keys: Columns, or expressions as the database writes them, in order.
        include: Columns that it carries along.
        where: The condition of a partial index, or empty.
        method: ``btree``, ``gin``, ``hash``…
        is_constraint: Whether a primary key or a unique constraint stands on it.
        scans: How often it was used since the counters began; None where nobody counts.
        size: Bytes, 0 where it is not known.
        traits: What else tells it from another: operator classes, directions, collations; equal for equal indexes.
    """

    name: str
    table: str
    keys: tuple[str, ...]
    include: tuple[str, ...] = ()
    where: str = ""
    method: str = "btree"
    is_unique: bool = False
    is_primary: bool = False
    is_constraint: bool = False
    is_valid: bool = True
    scans: int | None = None
    size: int = 0
    traits: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """Columns that point to another table."""

    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        rows: As the planner believes.
        pages: Of `PAGE` bytes.
        changed: Rows changed since its statistics were made; None where nobody counts.
        is_analyzed: Whether it has statistics at all.
        measured_rows: What was really there on looking; None where nobody looked.
        schema: The schema it lies in, where the dialect has them.
        carried: Columns that every index holds anyway: the primary key, where rows are found by it.
        groups: Sets of columns → how many different values they have together at most, where that is known.
    """

    name: str
    rows: float = 0.0
    pages: float = 1.0
    columns: Mapping[str, Column] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    changed: float | None = None
    is_analyzed: bool = True
    measured_rows: float | None = None
    schema: str = ""
    carried: frozenset[str] = frozenset()
    groups: Mapping[frozenset[str], float] = field(default_factory=dict)

    @property
    def unique_keys(self) -> tuple[frozenset[str], ...]:
        """The sets of columns that no two rows share."""
        return tuple(frozenset(index.keys) for index in self.indexes if index.is_unique and not index.where)


class Catalog:
    """All tables of a schema, found by name whatever its capitals."""

    def __init__(
        self,
        dialect: str,
        tables: Iterable[Table],
        *,
        statistics_age_days: float | None = None,
        user_functions: Iterable[str] = (),
        is_byte_ordered: bool = True,
    ) -> None:
        """Hold *tables*.

        Args:
            dialect: ``postgresql``, ``sqlite``, ``mysql`` or ``mariadb``.
            tables: What there is.
            statistics_age_days: Days since the counters of use began; None where nobody counts.
            user_functions: Functions that do not come with the database, which planning must not call.
            is_byte_ordered: Whether an ordinary index on text serves LIKE 'start%'.
        """
        self.dialect = dialect
        self.tables = {table.name.lower(): table for table in tables}
        self.statistics_age_days = statistics_age_days
        self.is_byte_ordered = is_byte_ordered
        self.user_functions = frozenset(name.lower() for name in user_functions)

    def table(self, name: str) -> Table | None:
        """Return the table *name*, or None."""
        return self.tables.get(name.lower())
