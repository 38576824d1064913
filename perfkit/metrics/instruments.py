"""The instruments: what `define_metric` returns, and what hands out the series of a metric.

An instrument without labels is as cheap as its only series because its verbs *are* those of that series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from perfkit.core.errors import MetricError
from perfkit.core.families import Definition
from perfkit.metrics.children import (
    Child,
    CounterChild,
    GaugeChild,
    HistogramChild,
    Origin,
    SummaryChild,
    followed,
    plain,
)
from perfkit.metrics.definitions import Kind
from perfkit.metrics.lookup import Labels, lookup
from perfkit.metrics.timing import Timing

__all__ = ["CLASSES", "Counter", "Gauge", "Histogram", "Instrument", "Summary", "Timer"]

C = TypeVar("C", bound=Child)
F = TypeVar("F", bound=Callable[..., Any])

MAX_PASSING = 256
"""Label values without a series of their own that are remembered until the next tick."""


class Increment(Protocol):
    """A verb that adds."""

    def __call__(self, amount: float = 1.0) -> None:
        """Add *amount*."""
        ...


class Record(Protocol):
    """A verb that sets or counts a value."""

    def __call__(self, value: float) -> None:
        """Set or count *value*."""
        ...


class Exemplify(Protocol):
    """A verb that records a value and where it comes from."""

    def __call__(self, value: float, exemplar: Mapping[str, str], /) -> None:
        """Record *value* and keep *exemplar*."""
        ...


class Instrument(Generic[C]):
    """A metric and its series in this collector. Thread-safe.

    Attributes:
        labels: Call it with label values, by name or in the order of the label names, for the series of them. Keep that
            where it is used often. Where no room is left, it is the series whose labels are all ``_other``. Values that
            do not fit the names raise MetricError.
        bind: The same with a mapping from label names to values.
        name: As it was given to `define_metric`.
        kind: What it was defined as.
        label_names: The names of its labels; None until its first use tells them.
        definition: What the store holds; None as long as `label_names` is None.
        sketch: The same but for labels and limit.
    """

    __slots__ = (
        "_children",
        "_complete",
        "_named",
        "_origin",
        "_passing",
        "bind",
        "definition",
        "kind",
        "labels",
        "name",
        "sketch",
    )

    labels: Labels[C]
    bind: Callable[[Mapping[str, object]], C]
    child: ClassVar[type[Any]]
    verbs: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        name: str,
        origin: Origin,
        definition: Definition | None,
        sketch: Definition,
        complete: Callable[[tuple[str, ...]], Definition],
    ) -> None:
        """Describe the metric *name*.

        Args:
            name: As the user calls it.
            origin: What its series share.
            definition: What the store holds, None if the labels are still open.
            sketch: The same but for labels and limit.
            complete: Makes the definition once the label names are known.
        """
        self.name, self.kind, self.definition, self.sketch = name, origin.kind, definition, sketch
        self._origin, self._complete = origin, complete
        self._children: dict[tuple[str, ...], C] = {}
        self._passing: dict[tuple[str, ...], C] = {}
        self._named: dict[object, C] = {}
        self._aim()

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The names of the labels; None until the first use tells them."""
        return None if self.definition is None else self.definition.labels

    def fix(self, names: tuple[str, ...]) -> Definition:
        """Take *names* as the label names if they are still open; return the definition.

        Raises:
            MetricError: The labels cannot be used, or the store has another metric of this name.
        """
        if self.definition is None:
            self.definition = self._complete(names)
            self._aim()
        return self.definition

    def follow(self, is_followed: bool) -> None:
        """Let updates be followed, or not."""
        switch = followed if is_followed or self._origin.keeps_exemplars else plain
        for child in self._series():
            switch(child)
        self._aim()

    def forget(self) -> None:
        """Ask the store again for those that got no series of their own: there may be room by now."""
        self._passing.clear()

    def _series(self) -> list[C]:
        """Return all series that were asked for."""
        return list(self._children.values())

    def _find(self, values: tuple[object, ...], named: Mapping[str, object]) -> C:
        """Return the series of values or named values, made if it is new."""
        if not named:
            return self._make(values) if values or self.definition is not None else self._only()
        names = self.fix(tuple(sorted(named))).labels
        if values or set(names) != set(named):
            raise self._misfit(values, named)
        return self._make(tuple(named[name] for name in names))

    def _make(self, values: tuple[object, ...]) -> C:
        """Return the series of *values*, made if it is new."""
        definition = self.definition
        if definition is None or len(values) != len(definition.labels):
            raise self._misfit(values, {})
        key = tuple(str.__str__(value) if isinstance(value, str) else str(value) for value in values)
        child = self._children.get(key) or self._passing.get(key)
        if child is not None:
            return child
        row = self._origin.store.row(definition, key)
        known = self._children.get(row.labels)
        if known is None:
            known = self._children.setdefault(row.labels, self.child(self._origin, row))
            self._named[row.labels[0] if len(row.labels) == 1 else row.labels] = known
            if self._origin.keeps_exemplars or self._origin.recording.has_listeners:
                followed(known)
        if row.labels != key:
            # Overflow, or a value that was cut: strangers may send many such values, so they are not kept for long.
            if len(self._passing) >= MAX_PASSING:
                self._passing.clear()
            self._passing[key] = known
        return known

    def _only(self) -> C:
        """Return the one series of a metric without labels."""
        self.fix(())
        return self.labels()

    def _aim(self) -> None:
        """Let `labels` know the names, and the verbs be those of the only series, or say what is missing."""
        open_yet, has_labels = self.definition is None, bool(self.label_names)
        self.labels, self.bind = lookup(self.label_names or (), self._children, self._named, self._find)
        for verb in self.verbs:
            if open_yet:
                setattr(self, verb, self._opening(verb))
            elif has_labels:
                setattr(self, verb, self._refusal(verb))
            else:
                setattr(self, verb, getattr(self.labels(), verb))

    def _opening(self, verb: str) -> Callable[..., None]:
        """Return what finds, at its first call, that there are no labels."""

        def update(*arguments: Any, **named: Any) -> None:
            getattr(self._only(), verb)(*arguments, **named)

        return update

    def _refusal(self, verb: str) -> Callable[..., None]:
        def refuse(*_arguments: Any, **_named: Any) -> None:
            raise self._misfit((), {})

        return refuse

    def _misfit(self, values: tuple[object, ...], named: Mapping[str, object]) -> MetricError:
        names = self.label_names
        given = f"the labels {dict(named)}" if named else f"the label values {values}" if values else "no labels"
        if names is None:
            wanted = "Its label names are not known yet. Give labels by name, or define it with labels=."
        elif names:
            wanted = (
                f"Its labels are {', '.join(map(repr, names))}. Give one value for each, as in labels({names[0]}=…)."
            )
        else:
            wanted = "It was defined without labels. Give none, or define it with labels=."
        return MetricError(f"{self.name!r} was used with {given}. {wanted}")


class Counter(Instrument[CounterChild]):
    """Something that only grows.

    Attributes:
        increment: Add an amount, 1 by default; only where the metric has no labels.
        increment_with_exemplar: The same with an exemplar.
    """

    __slots__ = ("increment", "increment_with_exemplar")
    child = CounterChild
    verbs = ("increment", "increment_with_exemplar")

    increment: Increment
    increment_with_exemplar: Exemplify


class Gauge(Instrument[GaugeChild]):
    """A value that goes up and down.

    Attributes:
        set, increment, decrement: Only where the metric has no labels.
    """

    __slots__ = ("decrement", "increment", "set")
    child = GaugeChild
    verbs = ("set", "increment", "decrement")

    set: Record
    increment: Increment
    decrement: Increment

    def on_sample(self, callback: F) -> F:
        """Set the gauge once a second to what *callback* returns, in each worker; the newest callback holds.

        *callback* is a function or a coroutine function and may be decorated with this. It returns a number, or None
        where there is no value now. Where the gauge has labels it returns a mapping from label value, or a tuple of
        them, to number; series that it does not name have no value.
        """
        self._origin.sampler.add(self.name, callback, self._take, self._unset)
        return callback

    def _take(self, result: object) -> None:
        """Set what a callback returned."""
        if isinstance(result, Mapping):
            named = {key if isinstance(key, tuple) else (key,): value for key, value in result.items()}
        else:
            self.fix(())
            named = {(): result}
        children = {self.labels(*key): value for key, value in named.items()}
        for child, value in children.items():
            child.unset() if value is None else child.set(float(value))
        for child in self._series():
            if child not in children:
                child.unset()

    def _unset(self) -> None:
        for child in self._series():
            child.unset()


class Histogram(Instrument[HistogramChild]):
    """How values are distributed, in buckets.

    Attributes:
        record: Count a value; only where the metric has no labels.
        record_with_exemplar: The same with an exemplar.
    """

    __slots__ = ("record", "record_with_exemplar")
    child = HistogramChild
    verbs = ("record", "record_with_exemplar")

    record: Record
    record_with_exemplar: Exemplify

    def time(self) -> Timing:
        """Return what times a block or decorates a function, in seconds; only where the metric has no labels."""
        return self._only().time()


class Timer(Histogram):
    """Durations in seconds: a histogram that is fine enough for percentiles within 6 %."""

    __slots__ = ()


class Summary(Instrument[SummaryChild]):
    """Quantiles of values over the last minutes, for all workers.

    Attributes:
        record: Count a value; only where the metric has no labels.
    """

    __slots__ = ("record",)
    child = SummaryChild
    verbs = ("record",)

    record: Record

    def time(self) -> Timing:
        """Return what times a block or decorates a function, in seconds; only where the metric has no labels."""
        return self._only().time()


CLASSES: dict[Kind, type[Instrument[Any]]] = {
    Kind.COUNTER: Counter,
    Kind.GAUGE: Gauge,
    Kind.HISTOGRAM: Histogram,
    Kind.SUMMARY: Summary,
    Kind.TIMER: Timer,
}
