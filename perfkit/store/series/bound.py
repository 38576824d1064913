"""One series in the hand of somebody who updates it often: what its type allows is found out once, not at each update.

    requests = BoundCounter(store, store.row(REQUESTS, ("GET",)))
    requests.add()

An update is written out here as in `perfkit.store.series.updates`, with the same rules: first `store.values`, then
`row.index`, both anew each time; nothing is called on the right-hand side of an addition. So a handle outlives
openings, closings and forks of its store. To give the methods other names, derive a class and name them anew:
``increment = BoundCounter.add``. A method that only calls another one would cost a third more.

Where the class of a number is looked at, that is because calling float() on what is a float already costs more.
"""

from __future__ import annotations

from bisect import bisect_left

from perfkit.core.errors import MetricError
from perfkit.core.families import MetricType
from perfkit.store.quantiles import summary_bucket
from perfkit.store.series.rows import GAUGE_WIDTH, Row
from perfkit.store.series.updates import Slots, as_needed, misused

__all__ = ["BoundCounter", "BoundGauge", "BoundHistogram", "BoundSummary"]

ONE = 1.0
"""What a counter grows by when nothing is said. Known by its identity, so that it needs no look at its type."""


class BoundCounter:
    """A series of a counter. Thread-safe."""

    __slots__ = ("_row", "_store")

    def __init__(self, store: Slots, row: Row) -> None:
        """Bind *row* of *store*.

        Raises:
            MetricError: It is no counter.
        """
        if row.definition.type is not MetricType.COUNTER:
            raise misused(row, "bound as a counter", "the handle of that type")
        self._store, self._row = store, row

    @as_needed
    def add(self, amount: float = ONE) -> None:
        """Add *amount*.

        Raises:
            MetricError: *amount* is negative or not a number.
        """
        if amount is not ONE:
            if amount.__class__ is not float:
                amount = float(amount)
            if not amount >= 0.0:
                raise _falling(self._row, amount)
        values = self._store.values
        values[self._row.index] += amount


class BoundGauge:
    """A series of a gauge. Thread-safe."""

    __slots__ = ("_row", "_store")

    def __init__(self, store: Slots, row: Row) -> None:
        """Bind *row* of *store*.

        Raises:
            MetricError: It is no gauge.
        """
        if row.width != GAUGE_WIDTH:
            raise misused(row, "bound as a gauge", "the handle of that type")
        self._store, self._row = store, row

    @as_needed
    def set(self, value: float) -> None:
        """Set it to *value*, as of now."""
        if value.__class__ is not float:
            value = float(value)
        store = self._store
        now = store.clock.time()
        values = store.values
        index = self._row.index
        values[index] = value
        values[index + 1] = now

    @as_needed
    def add(self, amount: float = ONE) -> None:
        """Add *amount*, which may be negative; set as of now."""
        if amount.__class__ is not float:
            amount = float(amount)
        store = self._store
        now = store.clock.time()
        values = store.values
        index = self._row.index
        values[index] += amount
        values[index + 1] = now


class BoundHistogram:
    """A series of a histogram. Thread-safe."""

    __slots__ = ("_bounds", "_row", "_store", "_sum")

    def __init__(self, store: Slots, row: Row) -> None:
        """Bind *row* of *store*.

        Raises:
            MetricError: It is no histogram.
        """
        if row.definition.type is not MetricType.HISTOGRAM:
            raise misused(row, "bound as a histogram", "the handle of that type")
        self._store, self._row, self._bounds, self._sum = store, row, row.bounds, row.width - 1

    @as_needed
    def observe(self, value: float) -> None:
        """Count *value* in its bucket, whose upper bound belongs to it. NaN is not an observation."""
        if value.__class__ is not float:
            value = float(value)
        if value == value:
            values = self._store.values
            index = self._row.index
            values[index + bisect_left(self._bounds, value)] += 1.0
            values[index + self._sum] += value


class BoundSummary:
    """A series of a summary. Thread-safe."""

    __slots__ = ("_row", "_store", "_sum")

    def __init__(self, store: Slots, row: Row) -> None:
        """Bind *row* of *store*.

        Raises:
            MetricError: It is no summary.
        """
        if row.definition.type is not MetricType.SUMMARY:
            raise misused(row, "bound as a summary", "the handle of that type")
        self._store, self._row, self._sum = store, row, row.width - 1

    @as_needed
    def observe(self, value: float) -> None:
        """Count *value* in its bucket. NaN is not an observation."""
        if value.__class__ is not float:
            value = float(value)
        if value == value:
            values = self._store.values
            index = self._row.index
            values[index + summary_bucket(value)] += 1.0
            values[index + self._sum] += value


def _falling(row: Row, amount: float) -> MetricError:
    return MetricError(
        f"{row.definition.name} was to be raised by {amount}. A counter never goes down: that would look like a "
        "restart. Use a gauge for what goes up and down."
    )
