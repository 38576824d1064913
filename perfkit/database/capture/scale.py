"""Weighs the rows of a few statements: how many there are, how many bytes, and in which columns.

Only this tells how wide rows really are. A scale takes a cursor's place for one statement in a few dozen, hands
everything on and looks at the rows that go by, at most `MOST_ROWS` of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perfkit.database.capture.work import ShapeRecord

__all__ = ["Scale"]

MOST_ROWS = 100
MOST_COLUMNS = 50


class Scale:
    """A cursor whose rows are weighed; everything else is the cursor's own."""

    def __init__(self, cursor: Any, record: ShapeRecord) -> None:
        """Stand before *cursor*, which has sent a statement of *record*."""
        self.__dict__.update(_cursor=cursor, _record=record, _rows=0, _names=None)
        record.samples += 1

    def fetchone(self) -> Any:
        """Fetch one row and weigh it."""
        row = self._cursor.fetchone()
        if row is not None:
            self._weigh((row,))
        return row

    def fetchmany(self, *arguments: Any, **named: Any) -> Any:
        """Fetch some rows and weigh them."""
        rows = self._cursor.fetchmany(*arguments, **named)
        self._weigh(rows)
        return rows

    def fetchall(self) -> Any:
        """Fetch all rows and weigh them."""
        rows = self._cursor.fetchall()
        self._weigh(rows)
        return rows

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows and weigh them."""
        for row in self._cursor:
            self._weigh((row,))
            yield row

    def __next__(self) -> Any:
        row = next(self._cursor)
        self._weigh((row,))
        return row

    def __enter__(self) -> Any:
        self._cursor.__enter__()
        return self

    def __exit__(self, *exception: object) -> Any:
        return self._cursor.__exit__(*exception)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._cursor, name, value)

    def _weigh(self, rows: Any) -> None:
        state = self.__dict__
        try:
            state["_rows"] += len(rows)
            self._record.fetched += len(rows)
            if state["_rows"] - len(rows) >= MOST_ROWS:
                return
            if state["_names"] is None:
                state["_names"] = [column[0] for column in (self._cursor.description or ())[:MOST_COLUMNS]]
            self._add(rows[:MOST_ROWS], state["_names"])
        except Exception:  # noqa: BLE001 - rows of a kind that cannot be weighed; the app gets them as they are
            state["_rows"] = MOST_ROWS

    def _add(self, rows: Any, names: list[str]) -> None:
        record = self._record
        record.weighed += len(rows)
        for row in rows:
            for name, value in zip(names, row, strict=False):
                kind = value.__class__
                size = len(value) if kind in (str, bytes, memoryview, bytearray) else 8
                record.bytes += size
                record.columns[name] = record.columns.get(name, 0) + size
