"""The three updates of any row. They are as short as Python allows, but for the look at the row's type.

Whoever updates a series often binds it (`perfkit.store.series.bound`), which spares that look.

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
from functools import wraps
from typing import ParamSpec, Protocol

from perfkit.core.clock import Clock
from perfkit.core.errors import MetricError
from perfkit.core.families import MetricType
from perfkit.store.quantiles import summary_bucket
from perfkit.store.series.rows import COUNTER_WIDTH, GAUGE_WIDTH, Row

__all__ = [
    "UPDATE_LOCK",
    "Slots",
    "add",
    "as_needed",
    "guard",
    "is_free_threaded",
    "locked",
    "misused",
    "observe",
    "set_",
]

P = ParamSpec("P")

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
    if amount.__class__ is not float:
        amount = float(amount)
    values = store.values
    index = row.index
    width = row.width
    if width == COUNTER_WIDTH:
        values[index] += amount
    elif width == GAUGE_WIDTH:
        values[index] += amount
        values[index + 1] = store.clock.time()
    else:
        raise misused(row, "added to", "observe")


def observe(store: Slots, row: Row, value: float) -> None:
    """Count *value* in a histogram (a bucket's bound belongs to it) or a summary. NaN is not an observation."""
    if value.__class__ is not float:
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
        raise misused(row, "observed with", "add or set")
    values[index + row.width - 1] += value


def set_(store: Slots, row: Row, value: float) -> None:
    """Set a gauge to *value*, as of now."""
    value = float(value)
    if row.width != GAUGE_WIDTH:
        raise misused(row, "set", "add or observe")
    now = store.clock.time()
    values = store.values
    index = row.index
    values[index] = value
    values[index + 1] = now


def misused(row: Row, verb: str, instead: str) -> MetricError:
    """Return the error for *row* when it was *verb*, which its type does not allow."""
    kind = row.definition.type.value
    return MetricError(f"{row.definition.name} was {verb}. It is a {kind}. Use {instead}.")


def locked(update: Callable[P, None]) -> Callable[P, None]:
    """Return *update* as it is where threads run truly at once: one at a time."""

    @wraps(update)
    def update_alone(*args: P.args, **kwargs: P.kwargs) -> None:
        with UPDATE_LOCK:
            update(*args, **kwargs)

    return update_alone


def as_needed(update: Callable[P, None]) -> Callable[P, None]:
    """Return *update*, with a lock around it where this interpreter needs one."""
    return locked(update) if is_free_threaded() else update
