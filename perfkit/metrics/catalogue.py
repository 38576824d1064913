"""The catalogue: which instruments there are, by name, and how one comes to be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import msgspec

from perfkit.core.context import Context
from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, GaugeMode
from perfkit.metrics import definitions
from perfkit.metrics.children import Origin
from perfkit.metrics.definitions import Kind, known_word
from perfkit.metrics.exposition.series import base_name, series_names
from perfkit.metrics.instruments import CLASSES, Gauge, Instrument
from perfkit.metrics.recording import Recording
from perfkit.metrics.sampler import GaugeSampler
from perfkit.metrics.settings import MetricsSettings
from perfkit.metrics.snapshot import MetricSnapshot

__all__ = ["Catalogue"]

I = TypeVar("I", bound=Instrument[Any])  # noqa: E741 - the class's first letter

_CALLS = {
    Kind.COUNTER: "increment_counter",
    Kind.GAUGE: "set_gauge",
    Kind.HISTOGRAM: "record_histogram or time_function",
    Kind.SUMMARY: "record_summary or time_function",
    Kind.TIMER: "time_function or record_histogram",
}


class Catalogue:
    """The instruments of one collector. Thread-safe.

    Attributes:
        recording, sampler: What all instruments share.
    """

    def __init__(self, context: Context, settings: MetricsSettings) -> None:
        """Begin empty."""
        self._context, self._settings = context, settings
        self._lock = threading.RLock()
        self._by_name: dict[str, Instrument[Any]] = {}
        self._owners: dict[str, Instrument[Any]] = {}
        self._series: dict[str, str] = {}
        self.recording = Recording(context)
        self.sampler = GaugeSampler(context.errors)
        self.find = self._by_name.get
        context.events.watch("metric_recorded", self._on_listeners)

    def define(
        self,
        name: str,
        type: str,
        *,
        description: str = "",
        labels: Iterable[str] | None = None,
        unit: str = "",
        buckets: Iterable[float] | None = None,
        mode: str = GaugeMode.SUM,
        max_series: int | None = None,
        exemplars: bool = False,
        callback: Callable[[], Any] | None = None,
    ) -> Instrument[Any]:
        """Return the instrument *name*, made if it is new; see `MetricsCollector.define_metric`."""
        kind = known_word(Kind, type, "type of metric")
        names = None if labels is None else definitions.label_names(name, kind, labels)
        if callback is not None and kind is not Kind.GAUGE:
            raise MetricError(f"The {kind} {name!r} has a callback. Only gauges are sampled. Leave it out.")
        if exemplars and kind not in (Kind.COUNTER, Kind.HISTOGRAM, Kind.TIMER):
            raise MetricError(f"The {kind} {name!r} keeps exemplars. Only counters and histograms can. Leave it out.")
        sketch = definitions.definition(
            name,
            kind,
            description=description,
            labels=names or (),
            unit=unit,
            buckets=buckets,
            mode=known_word(GaugeMode, mode, "gauge mode"),
            allow_utf8=self._settings.allow_utf8_names,
        )
        limit = self._limit(sketch, max_series)
        with self._lock:
            known = self._by_name.get(name) or self._by_name.get(sketch.name)
            if known is None:
                self._check_room(name)
                instrument = self._make(name, kind, sketch, names, limit, exemplars=exemplars)
            else:
                instrument = _same(known, name, kind, sketch, names)
        if callback is not None and isinstance(instrument, Gauge):
            instrument.on_sample(callback)
        return instrument

    def use(self, name: str, wanted: type[I], others: tuple[type[Instrument[Any]], ...] = ()) -> I | None:
        """Return the instrument *name*, which must be a *wanted* or one of *others*; define it if it is new.

        Returns:
            None where there are too many metrics already: that is counted and logged, and not the caller's trouble.

        Raises:
            MetricError: It is of another type, or the name cannot be used.
        """
        instrument = self._by_name.get(name)
        if instrument is None:
            if len(self._owners) >= self._settings.max_metrics:
                self._context.errors.warn("metrics", "too_many_metrics", f"{self._fullness()} {name!r} is not counted")
                return None
            kind = next(kind for kind, instrument_class in CLASSES.items() if instrument_class is wanted)
            instrument = self.define(name, kind)
        if not isinstance(instrument, (wanted, *others)):
            raise MetricError(
                f"{name!r} was used like a {wanted.__name__.lower()}. It is a {instrument.kind}. "
                f"Use {_CALLS[instrument.kind]}."
            )
        return instrument  # type: ignore[return-value]  # or one of the others, which have the same verbs

    def snapshots(self) -> tuple[MetricSnapshot, ...]:
        """Return what was defined, in the order in which it was."""
        return tuple(
            MetricSnapshot(
                name=instrument.sketch.name,
                type=instrument.kind.value,
                description=instrument.sketch.description,
                unit=instrument.sketch.unit,
                labels=instrument.label_names,
            )
            for instrument in list(self._owners.values())
        )

    def forget(self) -> None:
        """Let all instruments ask again for room."""
        for instrument in list(self._owners.values()):
            instrument.forget()

    def _make(
        self,
        name: str,
        kind: Kind,
        sketch: Definition,
        names: tuple[str, ...] | None,
        limit: int,
        *,
        exemplars: bool,
    ) -> Instrument[Any]:
        """Add an instrument. The caller holds the lock."""
        series = series_names(base_name(sketch), sketch.type)
        for word in sorted(series & self._series.keys()):
            raise MetricError(
                f"{name!r} would have a series {word!r}. That is one of {self._series[word]!r} already. "
                "Choose another name."
            )
        origin = Origin(
            kind,
            store=self._context.store,
            recording=self.recording,
            sampler=self.sampler,
            keeps_exemplars=exemplars,
        )
        complete = partial(self._complete, name, kind, sketch, limit)
        definition = None if names is None else complete(names)
        instrument = CLASSES[kind](name, origin, definition, sketch, complete)
        self._series.update(dict.fromkeys(series, sketch.name))
        self._owners[sketch.name] = self._by_name[name] = self._by_name[sketch.name] = instrument
        return instrument

    def _complete(self, name: str, kind: Kind, sketch: Definition, limit: int, names: tuple[str, ...]) -> Definition:
        """Return the definition as the store keeps it."""
        labels = definitions.label_names(name, kind, names)
        return self._context.store.define(msgspec.structs.replace(sketch, labels=labels, max_series=limit))

    def _limit(self, sketch: Definition, asked: int | None) -> int:
        store = self._context.store.settings
        return definitions.series_limit(sketch, asked, slots=store.max_slots, series=store.max_series_per_family)

    def _check_room(self, name: str) -> None:
        if len(self._owners) >= self._settings.max_metrics:
            raise MetricError(f"{self._fullness()} {name!r} is one too many. Use labels, or raise metrics.max_metrics.")

    def _fullness(self) -> str:
        return f"There are {len(self._owners)} metrics."

    def _on_listeners(self, any_listens: bool) -> None:
        self.recording.has_listeners = any_listens
        for instrument in list(self._owners.values()):
            instrument.follow(any_listens)


def _same(
    known: Instrument[Any], name: str, kind: Kind, sketch: Definition, names: tuple[str, ...] | None
) -> Instrument[Any]:
    """Return *known*, if it is what is being defined again."""
    said: dict[str, tuple[object, object]] = {
        "type": (kind.value, known.kind.value),
        "full name": (sketch.name, known.sketch.name),
        "unit": (sketch.unit, known.sketch.unit),
        "buckets": (sketch.boundaries, known.sketch.boundaries),
        "mode": (sketch.mode.value, known.sketch.mode.value),
    }
    for what, (now, before) in said.items():
        if now != before:
            raise MetricError(
                f"{name!r} is defined with the {what} {now!r}. It was defined with {before!r} before. "
                "Use the same definition everywhere, or another name."
            )
    if names is not None and known.fix(names).labels != names:
        raise MetricError(
            f"{name!r} is defined with the labels {list(names)}. It had {list(known.label_names or ())} before. "
            "Use the same definition everywhere, or another name."
        )
    return known
