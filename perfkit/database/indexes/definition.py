"""An index that could be made: what it covers, how each dialect and framework writes it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from perfkit.database.schema.catalog import Index

__all__ = ["Definition", "Key", "is_covered"]

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_RESERVED = frozenset(
    """all and any as asc between by case check column constraint create cross current_date default delete desc
    distinct do else end except exists false for foreign from full grant group having in index inner insert intersect
    into is join key left like limit not null offset on or order outer primary references right select set some table
    then to true union unique update user using values when where window with""".split()  # noqa: SIM905
)
MOST_NAME = 60
"""Characters of a name: PostgreSQL takes 63, MySQL 64, Django 30 for names that it must make itself."""


@dataclass(frozen=True, order=True)
class Key:
    """One part of an index.

    Attributes:
        text: The column's name, or an expression over columns.
        columns: The columns that it needs.
        is_descending: Whether it is kept from high to low.
        opclass: Operator class, where it is not the type's own.
    """

    text: str
    columns: tuple[str, ...] = ()
    is_expression: bool = False
    is_descending: bool = False
    opclass: str = ""


@dataclass(frozen=True, order=True)
class Definition:
    """An index to be made.

    Attributes:
        where: Condition of a partial index, or empty.
        include: Columns that it carries along so that the table need not be read.
    """

    table: str
    keys: tuple[Key, ...]
    where: str = ""
    include: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What it is over, in order: columns and expressions."""
        return tuple(key.text for key in self.keys)

    @property
    def needed(self) -> frozenset[str]:
        """Every column that a write may have to keep up."""
        return frozenset(column for key in self.keys for column in key.columns) | frozenset(self.include)

    @property
    def is_special(self) -> bool:
        """Whether it holds some of the rows alone, or what is computed from them."""
        return bool(self.where) or any(key.is_expression for key in self.keys)

    @property
    def name(self) -> str:
        """A name that tells what it is and is the same each time."""
        parts = [re.sub(r"\W+", "_", key.text).strip("_") for key in self.keys]
        name = re.sub(r"\W+", "_", "_".join(["ix", self.table, *parts])).lower()
        if self.where or self.include or any(key.is_expression or key.is_descending for key in self.keys):
            name += "_" + hashlib.sha256(repr(self).encode()).hexdigest()[:4]
        if len(name) > MOST_NAME:
            name = name[: MOST_NAME - 9] + "_" + hashlib.sha256(name.encode()).hexdigest()[:8]
        return name

    def starts_with(self, other: Definition) -> bool:
        """Whether all that *other* can do this one can do too: it begins with its keys, on the same rows."""
        return (
            self.table == other.table
            and self.where == other.where
            and len(self.keys) >= len(other.keys)
            and self.keys[: len(other.keys)] == other.keys
            and set(other.include) <= self.needed
        )

    def ddl(self, dialect: str, *, name: str | None = None, concurrently: bool = True) -> str:
        """Return the statement that makes it in *dialect*."""
        quote = "`" if dialect in ("mysql", "mariadb") else '"'
        keys = ", ".join(self._key(key, dialect, quote) for key in self.keys)
        how = "CONCURRENTLY " if concurrently and dialect == "postgresql" else ""
        text = f"CREATE INDEX {how}{quoted(name or self.name, quote)} ON {quoted(self.table, quote)} ({keys})"
        if self.include and dialect == "postgresql":
            text += f" INCLUDE ({', '.join(quoted(each, quote) for each in self.include)})"
        return f"{text} WHERE {self.where}" if self.where else text

    def _key(self, key: Key, dialect: str, quote: str) -> str:
        text = f"({key.text})" if key.is_expression else quoted(key.text, quote)
        if key.is_expression and re.fullmatch(r"\w+\([^()]*\)", key.text) and dialect in ("postgresql", "sqlite"):
            text = key.text
        return text + (f" {key.opclass}" if key.opclass else "") + (" DESC" if key.is_descending else "")

    def django(self, dialect: str = "postgresql") -> str:
        """Return the operation of a Django migration that makes it, without locking writes out on PostgreSQL."""
        name = self.name[:30].rstrip("_")
        if any(key.is_expression or key.opclass for key in self.keys):
            undo = f"DROP INDEX {self.name}" + (f" ON {self.table}" if dialect in ("mysql", "mariadb") else "")
            note = "  # atomic = False" if dialect == "postgresql" else ""
            return f"migrations.RunSQL({self.ddl(dialect)!r}, {undo!r}){note}"
        fields = [("-" if key.is_descending else "") + key.text for key in self.keys]
        more = f", include={list(self.include)!r}" if self.include else ""
        more += f", condition=Q(…)  # WHERE {self.where}" if self.where else ""
        operation = "AddIndexConcurrently" if dialect == "postgresql" else "migrations.AddIndex"
        return f"{operation}({self.table!r}, models.Index(fields={fields!r}, name={name!r}{more}))"

    def alembic(self, dialect: str) -> str:
        """Return the operation of an Alembic migration that makes it."""
        keys = [
            f"sa.text({self._key(key, dialect, chr(34))!r})"
            if key.is_expression or key.is_descending or key.opclass
            else repr(key.text)
            for key in self.keys
        ]
        more = ""
        if dialect in ("postgresql", "sqlite") and self.where:
            more += f", {dialect}_where=sa.text({self.where!r})"
        if dialect == "postgresql":
            more += f", postgresql_include={list(self.include)!r}" if self.include else ""
            more += ", postgresql_concurrently=True"
        return f"op.create_index({self.name!r}, {self.table!r}, [{', '.join(keys)}]{more})"


def quoted(name: str, quote: str = '"') -> str:
    """Return *name* in quotes where it needs them."""
    if _PLAIN.match(name) and name not in _RESERVED:
        return name
    return quote + name.replace(quote, quote * 2) + quote


def is_covered(wanted: Definition, indexes: tuple[Index, ...]) -> bool:
    """Whether an index that exists already begins with the keys of *wanted*: a second one would gain nothing.

    A unique key is enough wherever it lies within the wanted columns as their beginning: no more columns can narrow it.
    """
    for index in indexes:
        if index.method not in ("btree", "") or not index.is_valid:
            continue
        same_rows = not index.where or _normal(index.where) == _normal(wanted.where)
        if not same_rows:
            continue
        theirs, ours = [_normal(key) for key in index.keys], [_normal(key.text) for key in wanted.keys]
        if any(key.opclass for key in wanted.keys) and not any(_is_pattern(index, at) for at in range(len(ours))):
            continue
        is_wide = set(wanted.include) <= set(index.keys) | set(index.include)
        if theirs[: len(ours)] == ours and is_wide:
            return True
        is_unique_start = index.is_unique and not index.where and ours[: len(theirs)] == theirs
        if is_unique_start and not wanted.include:
            return True
    return False


def _is_pattern(index: Index, at: int) -> bool:
    return at < len(index.traits) and "pattern" in index.traits[at]


def _normal(text: str) -> str:
    return re.sub(r"::[\w ]+|[\s()\"`]", "", text).lower()
