"""The three updates. Each request pays for them, so they are as short as Python allows.

Why no lock: ``values[i] += x`` on a memoryview is one load, one addition and one store between which CPython
does not change threads, as long as nothing is *called* on the right-hand side (8 threads, switch interval 1 µs:
0 of 8 million lost; with any call there, C functions included, two thirds lost). So the right side is always a
constant or a local that is a float already; a call inside the index is evaluated before the load and harmless.
A test walks the syntax tree for this rule. Where the interpreter runs without its lock, each update takes one.

`store.values` and `row.index` are read in this order at each update: both are swapped when the store moves.
"""

from __future__ import annotations

import sys
import threading
from bisect import bisect_left
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from perfkit.core.clock import Clock
from perfkit.core.errors import MetricError
from perfkit.core.families import MetricType
from perfkit.store.quantiles import summary_bucket
from perfkit.store.series.rows import GAUGE_WIDTH, Row

__all__ = ["UPDATE_LOCK", "Slots", "add", "guard", "is_free_threaded", "locked", "observe", "set_"]

UPDATE_LOCK = threading.Lock()
"""Held by every update where the interpreter runs without its lock; elsewhere by nobody."""


class Slots(Protocol):
    """What an update needs of a store."""

    values: memoryview[float]
    clock: Clock


def is_free_threaded() -> bool:
    """Return whether this interpreter runs threads truly at once."""
    return not getattr(sys, "_is_gil_enabled", lambda: True)()


def guard() -> AbstractContextManager[object]:
    """Return what an addition outside of the three updates has to hold: the lock where one is needed."""
    return UPDATE_LOCK if is_free_threaded() else nullcontext()


def add(store: Slots, row: Row, amount: float) -> None:
    """Add *amount* to a counter, or to a gauge."""
    amount = float(amount)
    values = store.values
    index = row.index
    width = row.width
    if width > GAUGE_WIDTH:
        raise _misused(row, "added to", "observe")
    values[index] += amount
    if width == GAUGE_WIDTH:
        values[index + 1] = store.clock.time()


def observe(store: Slots, row: Row, value: float) -> None:
    """Count *value* in a histogram (a bucket's bound belongs to it) or a summary. NaN is not an observation."""
    value = float(value)
    if value != value:
        return
    values = store.values
    index = row.index
    bounds = row.bounds
    if bounds:
        values[index + bisect_left(bounds, value)] += 1.0
    elif row.definition.type is MetricType.SUMMARY:
        values[index + summary_bucket(value)] += 1.0
    else:
        raise _misused(row, "observed with", "add or set")
    values[index + row.width - 1] += value


def set_(store: Slots, row: Row, value: float) -> None:
    """Set a gauge to *value*, as of now."""
    value = float(value)
    if row.width != GAUGE_WIDTH:
        raise _misused(row, "set", "add or observe")
    now = store.clock.time()
    values = store.values
    index = row.index
    values[index] = value
    values[index + 1] = now


def _misused(row: Row, verb: str, instead: str) -> MetricError:
    kind = row.definition.type.value
    return MetricError(f"{row.definition.name} was {verb}. It is a {kind}. Use {instead}.")


def locked(update: Callable[[Slots, Row, float], None]) -> Callable[[Slots, Row, float], None]:
    """Return *update* as it is where threads run truly at once: one at a time."""

    def update_alone(store: Slots, row: Row, amount: float) -> None:
        with UPDATE_LOCK:
            update(store, row, amount)

    update_alone.__doc__ = update.__doc__
    return update_alone
