"""What a statement asks of each table: the conditions, joins, orders and groups that an index could serve."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Access", "Demand", "Join", "Order", "Predicate"]

EQUAL, IN, RANGE, PREFIX, NULL, FILTER = "equal", "in", "range", "prefix", "null", "filter"


@dataclass(frozen=True)
class Predicate:
    """A condition on one column or expression of a table.

    Attributes:
        key: The column, or the expression.
        kind: ``equal``, ``in``, ``range``, ``prefix``, ``null``, or ``filter`` where no index can serve it.
        columns: The columns in it.
        value: The literal that it is compared with, as text; None where it is a parameter.
        size: Values in the list of IN.
        condition: The condition as SQL, without the table's name, where it holds no parameter: for partial indexes.
        high: The other end of a range, where it is known.
        operator: ``<``, ``>=``… of a range.
    """

    key: str
    kind: str
    columns: tuple[str, ...]
    value: str | None = None
    size: int = 1
    condition: str = ""
    is_expression: bool = False
    operator: str = ""


@dataclass(frozen=True)
class Order:
    """One key of an order or a group."""

    key: str
    columns: tuple[str, ...]
    is_descending: bool = False
    is_expression: bool = False


@dataclass
class Access:
    """One use of a table by a statement.

    Attributes:
        alternatives: Conditions of which one must hold (OR); an index each could serve them together.
        orders: The whole order of the answer, where it is of this table alone.
        groups: Likewise its groups, or DISTINCT columns.
        needed: Every column of it that the statement reads.
        is_limited: Whether only the first rows of the order are wanted.
        limit: How many, where it is known.
    """

    table: str
    alias: str
    scope: int
    predicates: list[Predicate] = field(default_factory=list)
    alternatives: list[list[Predicate]] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    groups: list[Order] = field(default_factory=list)
    needed: set[str] = field(default_factory=set)
    joined: list[str] = field(default_factory=list)
    is_limited: bool = False
    limit: int = 0


@dataclass(frozen=True)
class Join:
    """Two columns that must be equal; the numbers are those of the accesses."""

    left: int
    left_column: str
    right: int
    right_column: str


@dataclass
class Demand:
    """One statement of the workload, understood.

    Attributes:
        sql: What is planned: the statement itself, or for a write the SELECT of the rows that it looks for.
        text: As it was given.
        parameters: Whether it has places for values.
        is_query: Whether it is itself what is planned.
        is_plain: Whether it returns each row that it finds, neither grouped nor counted nor limited.
        written: Table → columns that it changes; no columns for whole rows.
    """

    sql: str
    text: str
    calls: float
    accesses: list[Access] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    parameters: bool = False
    is_query: bool = False
    is_plain: bool = False
    written: dict[str, frozenset[str]] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()

    @property
    def tables(self) -> frozenset[str]:
        """The tables it reads."""
        return frozenset(access.table for access in self.accesses)
