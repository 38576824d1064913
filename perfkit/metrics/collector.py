"""The metrics collector: instruments to count with, and all numbers of all workers as one page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, TypeVar, Unpack, overload

from perfkit.core.clock import Clock, SystemClock
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.errors import ErrorLog, MetricError
from perfkit.core.events import Events
from perfkit.core.families import Definition, Family, GaugeMode, MetricType, Point
from perfkit.core.names import REQUEST_DURATION
from perfkit.core.scheduler import Scheduler
from perfkit.metrics import aliases
from perfkit.metrics.bridge import STANDARD, Bridge
from perfkit.metrics.catalogue import Catalogue
from perfkit.metrics.exposition import Escaping, Exposition, Format, Selection
from perfkit.metrics.exposition.series import base_name, series_names
from perfkit.metrics.instruments import Counter, Gauge, Histogram, Instrument, Summary, Timer
from perfkit.metrics.settings import MetricsSettings
from perfkit.metrics.snapshot import MetricsSnapshot
from perfkit.metrics.timing import timed_call

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["MetricsCollector"]

K = TypeVar("K", Format, Escaping)
R = TypeVar("R")

SAMPLING = 1.0
"""Seconds that a collector which stands alone and was not started waits for the callbacks of its gauges."""

TARGET_INFO = Definition(
    name="target_info",
    type=MetricType.INFO,
    description="The service that these metrics are of.",
    labels=("service_name", "service_version", "deployment_environment_name"),
)
"""OpenTelemetry's resource in Prometheus' words (OpenTelemetry, "Prometheus and OpenMetrics compatibility")."""


class _Options(TypedDict, total=False):
    labels: Iterable[str] | None
    unit: str
    buckets: Iterable[float] | None
    mode: str
    max_series: int | None
    exemplars: bool
    callback: Callable[[], Any] | None


class MetricsCollector(Component):
    """Defines and records metrics, and shows them with what the store counted and components bring. Thread-safe."""

    name = "metrics"
    settings_type = MetricsSettings

    def __init__(
        self,
        *,
        settings: MetricsSettings | None = None,
        context: Context | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Count in the store of *context*; alone, in a memory store of its own, by *clock*."""
        self._stands_alone = context is None
        self.settings = settings or MetricsSettings()
        self._context = context = context or _own_context(clock)
        self._exposition = Exposition(limit=self.settings.known_series)
        self._catalogue = Catalogue(context, self.settings)
        self._find = self._catalogue.find
        self._bridge = Bridge(context, mode=self.settings.prometheus_client)
        if self._stands_alone:
            context.scheduler.every(1.0, self.tick, name=self.name)

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the collector of a system."""
        return cls(settings=settings, context=context)

    def start(self) -> None:
        """Alone, sample gauges and keep the window of summaries from now on; in a system that ticks anyway."""
        if self._stands_alone and not self._context.scheduler.is_running:
            self.tick(self._context.clock.monotonic())
            self._context.scheduler.start()

    def stop(self) -> None:
        """End all threads; the numbers stay in the store."""
        if self._stands_alone:
            self._context.scheduler.stop()
        self._catalogue.sampler.stop()

    def tick(self, now: float) -> None:
        """Ask the callbacks of gauges, and mirror prometheus_client where it has to be."""
        if self._stands_alone:
            self._context.store.tick(now)
        self._catalogue.forget()
        self._catalogue.sampler.tick(now)
        with self._context.errors.guarded(self.name, "prometheus_client's metrics could not be mirrored"):
            self._bridge.tick(now)

    @overload
    def define_metric(
        self, name: str, type: Literal["counter"], description: str = "", **options: Unpack[_Options]
    ) -> Counter: ...
    @overload
    def define_metric(
        self, name: str, type: Literal["gauge"], description: str = "", **options: Unpack[_Options]
    ) -> Gauge: ...
    @overload
    def define_metric(
        self, name: str, type: Literal["histogram"], description: str = "", **options: Unpack[_Options]
    ) -> Histogram: ...
    @overload
    def define_metric(
        self, name: str, type: Literal["summary"], description: str = "", **options: Unpack[_Options]
    ) -> Summary: ...
    @overload
    def define_metric(
        self, name: str, type: Literal["timer"], description: str = "", **options: Unpack[_Options]
    ) -> Timer: ...
    @overload
    def define_metric(
        self, name: str, type: str, description: str = "", **options: Unpack[_Options]
    ) -> Instrument[Any]: ...

    def define_metric(
        self,
        name: str,
        type: str,
        description: str = "",
        *,
        labels: Iterable[str] | None = None,
        unit: str = "",
        buckets: Iterable[float] | None = None,
        mode: str = GaugeMode.SUM,
        max_series: int | None = None,
        exemplars: bool = False,
        callback: Callable[[], Any] | None = None,
    ) -> Instrument[Any]:
        """Define a metric and return its instrument; called again with the same words it returns the same one.

        Args:
            name: Letters, digits and ``_``. The unit and a counter's ``_total`` are added where they are missing.
            type: ``counter``, ``gauge``, ``histogram``, ``summary`` or ``timer`` (a histogram of seconds).
            description: One line for people.
            labels: Names of the labels; empty for none; None leaves it to the first use.
            unit: A word such as ``seconds``, ``bytes``, ``ratio``; UCUM's ``s``, ``ms``, ``By`` are understood.
            buckets: Upper bounds of a histogram, ascending; by default they follow from the unit.
            mode: How the gauges of several workers become one: ``sum``, ``max``, ``min``, ``mean``, ``latest`` or
                ``per_worker``.
            max_series: Series of this metric; more go to the series whose labels are all ``_other``. By default
                `store.max_series_per_family`, and not more than take a quarter of the store's slots.
            exemplars: Let each update of a counter or histogram leave the current trace as exemplar.
            callback: Called once a second in each worker for the value of a gauge; see `Gauge.on_sample`.

        Raises:
            MetricError: It cannot be defined so, or was defined otherwise before.
        """
        return self._catalogue.define(
            name,
            type,
            description=description,
            labels=labels,
            unit=unit,
            buckets=buckets,
            mode=mode,
            max_series=max_series,
            exemplars=exemplars,
            callback=callback,
        )

    def increment_counter(self, name: str, amount: float = 1.0, labels: Mapping[str, object] | None = None) -> None:
        """Add *amount* to the counter *name*, which is defined now if it is new.

        Raises:
            MetricError: It is no counter, *amount* is negative, or the labels do not fit.
        """
        found = self._find(name)
        counter = found if isinstance(found, Counter) else self._catalogue.use(name, Counter)
        if counter is not None:
            (counter.bind(labels) if labels else counter).increment(amount)

    def set_gauge(self, name: str, value: float, labels: Mapping[str, object] | None = None) -> None:
        """Set the gauge *name*, which is defined now if it is new: the sum of all workers.

        Raises:
            MetricError: It is no gauge, or the labels do not fit.
        """
        gauge = self._catalogue.use(name, Gauge)
        if gauge is not None:
            (gauge.bind(labels) if labels else gauge).set(value)

    def record_histogram(self, name: str, value: float, labels: Mapping[str, object] | None = None) -> None:
        """Count *value* in the histogram or timer *name*, which is defined now if it is new.

        Raises:
            MetricError: It is neither, or the labels do not fit.
        """
        histogram = self._catalogue.use(name, Histogram)
        if histogram is not None:
            (histogram.bind(labels) if labels else histogram).record(value)

    def record_summary(self, name: str, value: float, labels: Mapping[str, object] | None = None) -> None:
        """Count *value* in the summary *name*, which is defined now if it is new.

        Raises:
            MetricError: It is no summary, or the labels do not fit.
        """
        summary = self._catalogue.use(name, Summary)
        if summary is not None:
            (summary.bind(labels) if labels else summary).record(value)

    def time_function(
        self, name: str, function: Callable[..., R], *arguments: Any, labels: Mapping[str, object] | None = None
    ) -> R:
        """Call *function* with *arguments*, record how long it took under the timer *name*, return what it returns.

        A coroutine function is timed until it is done: ``rows = await metrics.time_function("query", fetch, 7)``.
        The metric is defined now if it is new; it may also be a histogram or a summary. Failures are timed too.

        Raises:
            MetricError: It is of another type, or the labels do not fit.
        """
        timer = self._catalogue.use(name, Timer, (Histogram, Summary))
        if timer is None:
            return function(*arguments)
        result: R = timed_call(timer.bind(labels or {}).time(), partial(function, *arguments))
        return result

    def trace_source(self, source: Callable[[], Mapping[str, str] | None]) -> None:
        """Take the exemplars of metrics that keep them from *source*, in place of OpenTelemetry's current span.

        *source* returns the exemplar's labels, such as ``{"trace_id": "…"}``, or None where there is no trace.
        """
        self._catalogue.recording.trace = source

    def add_registry(self, registry: CollectorRegistry) -> None:
        """Show the metrics of *registry* of prometheus_client too, beside those of its default one."""
        self._bridge.add(registry)

    def register_in(self, registry: CollectorRegistry | None = None) -> None:
        """Let *registry* of prometheus_client (its default one) show our metrics, of all workers."""
        from prometheus_client import REGISTRY

        registry = registry or REGISTRY
        attach = self._catalogue.recording.exemplars.attach
        registry.register(self._bridge.exported(lambda: map(attach, self._ours()), registry))

    def snapshot(self) -> MetricsSnapshot:
        """Return which metrics this worker's code defined; their values are on the metrics page."""
        return MetricsSnapshot(metrics=self._catalogue.snapshots(), max_metrics=self.settings.max_metrics)

    def families(self) -> Iterable[Family]:
        """Return prometheus_client's metrics that are not in the store."""
        return self._bridge.families()

    def export_metrics(
        self, format: str = "prometheus", *, names: Iterable[str] | None = None, escaping: str = "underscores"
    ) -> str:
        """Return all metrics of all workers as text.

        Args:
            format: `prometheus`, `openmetrics`, `json` or `csv`.
            names: Only the families that have one of these names, of family or series; None for all.
            escaping: What becomes of foreign names: `underscores`, `dots`, `values` or `allow-utf-8`.

        Raises:
            MetricError: *format* or *escaping* is unknown.
        """
        return self.expose(_known(Format, format), names=names, escaping=_known(Escaping, escaping)).decode()

    def expose(
        self,
        format: Format = Format.PROMETHEUS,
        *,
        names: Iterable[str] | None = None,
        escaping: Escaping = Escaping.UNDERSCORES,
    ) -> bytes:
        """Return `export_metrics` as UTF-8. A family that cannot be shown is left out, counted and logged."""
        if self._stands_alone and not self._context.scheduler.is_running:
            self.tick(self._context.clock.monotonic())
            self._catalogue.sampler.wait(SAMPLING)
        families = self._collected(None if names is None else Selection(names))
        if format is Format.OPENMETRICS:
            families = map(self._catalogue.recording.exemplars.attach, families)
        return self._exposition.render(
            families,
            format,
            escaping=escaping,
            at=self._context.clock.time(),
            on_error=self._left_out,
        )

    def _collected(self, selection: Selection | None) -> Iterator[Family]:
        """Yield our families, then those of other components, without those whose names are taken."""
        ours = []
        for family in self._ours(selection):
            if selection is None or family.definition in selection:
                ours.append(family.definition)
                yield family
        taken: set[str] | None = None
        for family in self._others():
            definition = family.definition
            if selection is not None and definition not in selection:
                continue
            if taken is None:
                taken = set().union(*(series_names(base_name(each), each.type) for each in ours))
            if taken.isdisjoint(series_names(base_name(definition), definition.type)):
                yield family
            elif definition.name not in STANDARD:
                self._context.errors.warn(
                    self.name, "name_clash", f"{definition.name!r} is left out: perfkit has metrics of that name"
                )

    def _ours(self, selection: Selection | None = None) -> Iterator[Family]:
        """Yield the store's families, and what is made from them; a failing source ends, the rest goes on."""
        context = self._context
        wanted = None if selection is None else selection.candidates
        with context.errors.guarded(self.name, "prometheus_client's metrics could not be mirrored"):
            self._bridge.refresh()
        for source in (lambda: context.store.families(wanted), self._internal, self._renamed):
            with context.errors.guarded(self.name, "could not read metrics"):
                yield from source()

    def _others(self) -> Iterator[Family]:
        """Yield what components bring along."""
        with self._context.errors.guarded(self.name, "could not read metrics"):
            yield from self.families() if self._stands_alone else self._context.families()

    def _internal(self) -> Iterable[Family]:
        if not self.settings.target_info:
            return ()
        context = self._context
        labels = (context.service, context.release or "", context.environment)
        return (Family(TARGET_INFO, (Point(labels, 1.0),)),)

    def _renamed(self) -> Iterator[Family]:
        """Yield the requests under the names of another library, where that is wished."""
        scheme, store, service = self.settings.names, self._context.store, self._context.service
        if not aliases.SCHEMES[scheme]:
            return
        for family in store.families((REQUEST_DURATION.name,), detailed=True):
            yield from aliases.families(scheme, family.points, service)
        yield from aliases.in_flight(scheme, store.in_flight(), service)

    def _left_out(self, name: str, error: Exception) -> None:
        self._context.errors.report(self.name, error, doing=f"not all of {name!r} could be shown")


def _own_context(clock: Clock | None) -> Context:
    """Return what a collector that stands alone counts in."""
    from perfkit.store import Store

    clock = clock or SystemClock()
    errors = ErrorLog(clock=clock)
    return Context(
        store=Store(clock=clock, errors=errors),
        clock=clock,
        errors=errors,
        events=Events(errors),
        scheduler=Scheduler(clock=clock, errors=errors),
    )


def _known(kind: type[K], word: str) -> K:
    try:
        return kind(word)
    except ValueError:
        raise MetricError(
            f"The {kind.__name__.lower()} {word!r} is unknown. Known are: {', '.join(kind)}. Use one of these."
        ) from None
