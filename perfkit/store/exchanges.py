"""What an exchange writes, for hot paths that do it themselves: bounds, the place of the sum, the way under a lock."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from perfkit.core.names import REQUEST_DURATION
from perfkit.store.layout import FINISHED, STARTED
from perfkit.store.series.rows import Row, bounds_of
from perfkit.store.series.updates import UPDATE_LOCK, is_free_threaded

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["BOUNDS", "IS_LOCKED", "SUM", "count_begun", "count_ended"]

BOUNDS = bounds_of(REQUEST_DURATION)
"""Upper bounds of the buckets; a `bisect_left` in them is the slot, counted from the first of a series."""

SUM = len(BOUNDS) + 1
"""The slot of the sum, counted from the first of a series."""

IS_LOCKED = is_free_threaded()
"""Whether slots may only be added to under the lock: a hot path then calls `count_begun` and `count_ended`."""


def count_begun(store: Store) -> None:
    """Count an exchange as begun, under the lock."""
    with UPDATE_LOCK:
        store.values[STARTED] += 1.0


def count_ended(store: Store, row: Row, seconds: float) -> None:
    """Count an exchange of the series *row* that took *seconds* as ended, under the lock."""
    with UPDATE_LOCK:
        values = store.values
        index = row.index
        values[index + bisect_left(BOUNDS, seconds)] += 1.0
        values[index + SUM] += seconds
        values[FINISHED] += 1.0
