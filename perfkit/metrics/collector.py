"""The metrics collector: all numbers of all workers, as one page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self, TypeVar

from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, Family, MetricType, Point
from perfkit.metrics.exposition import Escaping, Exposition, Format, Selection
from perfkit.metrics.settings import MetricsSettings

__all__ = ["MetricsCollector"]

K = TypeVar("K", Format, Escaping)

TARGET_INFO = Definition(
    name="target_info",
    type=MetricType.INFO,
    description="The service that these metrics are of.",
    labels=("service_name", "service_version", "deployment_environment_name"),
)
"""OpenTelemetry's resource in Prometheus' words (OpenTelemetry, "Prometheus and OpenMetrics compatibility")."""


class MetricsCollector(Component):
    """Shows what the store counted and what components bring along. Thread-safe; nothing is counted here."""

    name = "metrics"
    settings_type = MetricsSettings

    def __init__(self, *, settings: MetricsSettings | None = None, context: Context | None = None) -> None:
        """Show the store of *context*; alone, a memory store of its own."""
        if context is None:
            from perfkit.store import Store

            context = Context(store=Store())
        self.settings = settings or MetricsSettings()
        self._context = context
        self._exposition = Exposition(limit=self.settings.known_series)

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the collector of a system."""
        return cls(settings=settings, context=context)

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
        return self._exposition.render(
            self._collected(None if names is None else Selection(names)),
            format,
            escaping=escaping,
            at=self._context.clock.time(),
            on_error=self._left_out,
        )

    def _collected(self, selection: Selection | None) -> Iterator[Family]:
        """Yield the store's families, then those of other components; a failing source ends, the rest goes on."""
        context = self._context
        wanted = None if selection is None else selection.candidates
        sources = (lambda: context.store.families(wanted), self._internal, context.families)
        for source in sources:
            with context.errors.guarded(self.name, "could not read metrics"):
                for family in source():
                    if selection is None or family.definition in selection:
                        yield family

    def _internal(self) -> Iterable[Family]:
        if not self.settings.target_info:
            return ()
        context = self._context
        labels = (context.service, context.release or "", context.environment)
        return (Family(TARGET_INFO, (Point(labels, 1.0),)),)

    def _left_out(self, name: str, error: Exception) -> None:
        self._context.errors.report(self.name, error, doing=f"not all of {name!r} could be shown")


def _known(kind: type[K], word: str) -> K:
    try:
        return kind(word)
    except ValueError:
        raise MetricError(
            f"The {kind.__name__.lower()} {word!r} is unknown. Known are: {', '.join(kind)}. Use one of these."
        ) from None
