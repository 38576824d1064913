"""Queries as the patterns see them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import msgspec

from perfkit.database.patterns.facts import Facts

__all__ = ["ObservedQuery", "Relation", "Seen"]


class ObservedQuery(msgspec.Struct, frozen=True):
    """One statement that a request sent.

    Attributes:
        sql: As the driver got it.
        params: What it was given beside: a sequence, a mapping or None.
        rows: Rows returned or changed; None (or a negative number) where nobody knows.
        site: ``path:line`` of the user's own code, or None.
        duration: Seconds.
    """

    sql: str
    params: Any = None
    rows: int | None = None
    site: str | None = None
    duration: float = 0.0


class Relation(NamedTuple):
    """What an ORM was loading when it sent a query by itself.

    Attributes:
        orm: ``django`` or ``sqlalchemy``.
        model: Name of the class that has the attribute.
        name: Name of the attribute, as the ORM's eager loading wants it.
        is_many: Whether it leads to many.
    """

    orm: str
    model: str
    name: str
    is_many: bool


class Seen(NamedTuple):
    """A query without its values.

    Attributes:
        facts: What the statement is.
        values: One hashable thing for each value in it, equal for equal values; never the values themselves.
        rows: -1 where unknown.
        seconds: Duration.
        site: ``path:line``, or empty.
        relation: What an ORM was loading, if it was seen.
        start: Seconds of its begin by some clock; 0 where unknown.
    """

    facts: Facts
    values: tuple[Hashable, ...]
    rows: int
    seconds: float = 0.0
    site: str = ""
    relation: Relation | None = None
    start: float = 0.0
