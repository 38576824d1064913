"""prometheus_client's numbers of this worker, carried over into the store that all workers share.

prometheus_client in a server of several workers counts in each of them alone, and a scrape gets those of a random
one, so that counters jump up and down. Here each worker adds, once a second, what its registry has counted since
the last time to rows of its own; what is read is the sum of all workers, those included that have died, and gauges are
joined as their ``multiprocess_mode`` says. prometheus_client's summaries have no quantiles, only count and sum; in a
row of ours the observations, whose values nobody knows, lie in the bucket of which no quantile is ever shown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from operator import sub

import msgspec

from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, Family, GaugeMode, Histogram, MetricType, Point, Summary
from perfkit.store import Row, Store
from perfkit.store.quantiles import NEGATIVE, SUMMARY_BUCKETS
from perfkit.store.series.updates import guard

__all__ = ["Mirror"]

_MODES = {
    "all": GaugeMode.PER_WORKER,
    "sum": GaugeMode.SUM,
    "max": GaugeMode.MAX,
    "min": GaugeMode.MIN,
    "mostrecent": GaugeMode.LATEST,
}
"""prometheus_client's multiprocess modes, with or without ``live`` in front: gauges of the dead are nobody's here."""

Slots = tuple[float, ...]


class Mirror:
    """The mirror of one collector. Thread-safe."""

    def __init__(
        self, store: Store, *, mode_of: Callable[[str], str], on_error: Callable[[str, Exception], object]
    ) -> None:
        """Write to *store*.

        Args:
            mode_of: Returns the multiprocess mode of a gauge.
            on_error: Told the name of a family that cannot be mirrored, and why.
        """
        self._store, self._mode_of, self._on_error = store, mode_of, on_error
        self._lock = threading.Lock()
        self._definitions: dict[str, Definition] = {}
        self._seen: dict[tuple[str, tuple[str, ...]], Slots] = {}

    def update(self, families: Iterable[Family]) -> None:
        """Carry over what *families* hold more than last time. Never raises."""
        with self._lock:
            for family in families:
                try:
                    self._take(family)
                except Exception as error:  # noqa: BLE001 - the boundary: the other families are carried over
                    self._on_error(family.definition.name, error)

    def _take(self, family: Family) -> None:
        definition = self._defined(family.definition)
        is_state = definition.type in (MetricType.GAUGE, MetricType.INFO, MetricType.UNKNOWN)
        for point in family.points:
            key = (definition.name, point.labels)
            slots, before = _slots(point), self._seen.get(key)
            if slots == before:
                continue
            row = self._store.row(definition, point.labels)
            if is_state:
                self._store.set(row, slots[0])
            else:
                self._add(row, _passed(slots, before))
            self._seen[key] = slots

    def _defined(self, definition: Definition) -> Definition:
        """Return what the store holds for *definition* of prometheus_client."""
        known = self._definitions.get(definition.name)
        if known is None:
            mode = GaugeMode.SUM
            if definition.type is MetricType.GAUGE:
                mode = _MODES.get(self._mode_of(definition.name).removeprefix("live"), GaugeMode.PER_WORKER)
            elif definition.type in (MetricType.INFO, MetricType.UNKNOWN):
                mode = GaugeMode.MAX
            known = self._store.define(msgspec.structs.replace(definition, mode=mode))
            self._definitions[definition.name] = known
        if definition.labels != known.labels or definition.boundaries != known.boundaries:
            raise MetricError(
                f"{definition.name!r} changed its labels or buckets. They were {known.labels} and {known.boundaries}. "
                "Use one definition everywhere."
            )
        return known

    def _add(self, row: Row, amounts: Slots) -> None:
        """Add *amounts* to the slots of *row*, in the order of `_slots`."""
        offsets: Sequence[int] = range(len(amounts))
        if row.definition.type is MetricType.SUMMARY:
            offsets = (NEGATIVE, SUMMARY_BUCKETS)
        with guard():
            values = self._store.values
            index = row.index
            for offset, amount in zip(offsets, amounts, strict=True):
                values[index + offset] += amount


def _slots(point: Point) -> Slots:
    """Return the numbers of *point*: one, or buckets and sum, or count and sum."""
    value = point.value
    if isinstance(value, Histogram):
        return (*value.counts, value.sum)
    if isinstance(value, Summary):
        return (value.count, value.sum)
    return (float(value),)


def _passed(now: Slots, before: Slots | None) -> Slots:
    """Return what was counted since *before*; everything if the metric was cleared in between."""
    if before is None or len(before) != len(now) or any(new < old for new, old in zip(now[:-1], before, strict=False)):
        return now
    amounts = tuple(map(sub, now, before))
    # A counter alone has no slot but its last; a sum may go down, a count may not.
    return now if len(now) == 1 and amounts[0] < 0.0 else amounts
