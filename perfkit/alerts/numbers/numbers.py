"""The numbers that rules ask for, read once per evaluation.

Request durations over a window come from the store, whose snapshots reach back a month and outlive every worker. Of all
other metrics each worker keeps the samples that rules need itself, so that whoever becomes the leader knows the past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from perfkit.alerts.numbers.past import Increase, Past, cell
from perfkit.core.families import Family, MetricType
from perfkit.core.names import REQUEST_DURATION

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["Numbers"]

FRESHNESS = 240.0
"""A window of the request durations is read again after this part of it, at most every minute."""


class Numbers:
    """Families now and increases over windows. Not thread-safe: the evaluating thread owns it."""

    def __init__(self, store: Store, foreign: Callable[[], Iterable[Family]]) -> None:
        """Read *store*, and what is not in it from *foreign*: what the components bring."""
        self._store, self._foreign = store, foreign
        self._pasts: dict[str, Past] = {}
        self._families: dict[str, Family] = {}
        self._names: set[str] = set()
        self._windows: dict[float, tuple[float, Increase]] = {}

    def watch(self, metric: str, *, span: float = 0.0) -> None:
        """Read *metric* at each sample; keep its past for *span* seconds, if that is more than none."""
        self._names.add(metric)
        if span > 0.0 and metric != REQUEST_DURATION.name:
            past = self._pasts.get(metric)
            if past is None:
                self._pasts[metric] = Past(span)
            else:
                past.span = max(past.span, span)

    def forget(self) -> None:
        """Watch nothing; pasts stay for who watches again."""
        self._names = set()

    def sample(self, now: float, *, everything: bool = True) -> None:
        """Read the watched metrics as of *now*; without *everything* only those whose past is kept."""
        names = self._names if everything else self._names & set(self._pasts)
        names = names - {REQUEST_DURATION.name}
        self._families = {}
        if names:
            self._families = {each.definition.name: each for each in self._store.families(names, detailed=True)}
            self._add_foreign(names - set(self._families))
        for metric, past in list(self._pasts.items()):
            if metric in self._names:
                past.sample(self._families.get(metric), now)
            else:
                del self._pasts[metric]

    def _add_foreign(self, missing: set[str]) -> None:
        if missing:
            for family in self._foreign():
                if family.definition.name in missing:
                    self._families[family.definition.name] = family

    def family(self, metric: str) -> Family | None:
        """Return *metric* as of the last sample; None if it has no series."""
        if metric == REQUEST_DURATION.name and metric not in self._families:
            found = self._store.families((metric,), detailed=True)
            return found[0] if found else None
        return self._families.get(metric)

    def type_of(self, metric: str) -> MetricType | None:
        """Return the type of *metric* as of the last sample; None if it has no series. Reads nothing."""
        if metric == REQUEST_DURATION.name:
            return REQUEST_DURATION.type
        family = self._families.get(metric)
        return family.definition.type if family is not None else None

    def increase(self, metric: str, seconds: float, now: float) -> Increase | None:
        """Return what was added to *metric* over the last *seconds*; None if too little is known."""
        if metric == REQUEST_DURATION.name:
            return self._requests(seconds, now)
        past = self._pasts.get(metric)
        return past.increase(seconds, now) if past is not None else None

    def past(self, metric: str) -> Past | None:
        """Return the samples of *metric*."""
        return self._pasts.get(metric)

    @property
    def pasts(self) -> dict[str, Past]:
        """All that is kept, by metric."""
        return self._pasts

    def _requests(self, seconds: float, now: float) -> Increase:
        kept = self._windows.get(seconds)
        if kept is not None and 0.0 <= now - kept[0] < min(60.0, seconds / FRESHNESS):
            return kept[1]
        seen = self._store.window(seconds)
        cells = {point.labels: cell(point.value) for point in seen.points}
        increase = Increase(seen.duration, REQUEST_DURATION.labels, cells)
        self._windows[seconds] = (now, increase)
        return increase
