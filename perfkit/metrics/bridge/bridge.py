"""Which metrics of prometheus_client appear among ours, and from where they are read.

- Where ``PROMETHEUS_MULTIPROC_DIR`` is set, from its files: prometheus_client counts for all workers by itself.
- Where several workers share our store, they are mirrored into it (`perfkit.metrics.bridge.mirror`), because the
  registry of one worker knows nothing of the others.
- Else from the registry.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from perfkit.core.context import Context
from perfkit.core.families import Family
from perfkit.core.lazy import imported
from perfkit.metrics.bridge.foreign import families_of
from perfkit.metrics.bridge.mirror import Mirror

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector

    from perfkit.metrics.bridge.exported import PerfkitCollector

__all__ = ["STANDARD", "Bridge"]

PACKAGE = "prometheus_client"

SHARE = 100.0
"""Seconds of rest for each second of CPU that mirroring takes."""

STANDARD = frozenset(
    {
        "process_virtual_memory_bytes",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_max_fds",
        "python_gc_objects_collected_total",
        "python_gc_objects_uncollectable_total",
        "python_gc_collections_total",
        "python_info",
    }
)
"""What prometheus_client tells of a process by itself. Ours are the same for all workers; a clash is no news."""


class Bridge:
    """The bridge of one collector. Thread-safe."""

    def __init__(self, context: Context, *, mode: str) -> None:
        """Look for prometheus_client as *mode* says: ``auto``, ``on`` or ``off``; nothing is imported yet."""
        self._context, self._mode = context, mode
        self._registries: list[CollectorRegistry] = []
        self._reading = threading.local()
        self._mirror: Mirror | None = None
        self._due = 0.0

    @property
    def is_used(self) -> bool:
        """Whether there may be anything to show."""
        if self._mode == "off":
            return False
        return self._mode == "on" or bool(self._registries) or imported(PACKAGE) is not None

    def add(self, registry: CollectorRegistry) -> None:
        """Show *registry* too, beside the default one."""
        if registry not in self._registries:
            self._registries.append(registry)

    def families(self) -> Iterator[Family]:
        """Yield the families that are not in the store."""
        if not self.is_used:
            return
        is_mirrored = self._is_mirrored()
        metrics = self._metrics(lambda is_instrument: not (is_mirrored and is_instrument))
        for family in families_of(metrics, self._report):
            if not (is_mirrored and family.definition.name in STANDARD):
                yield family

    def tick(self, now: float) -> None:
        """Mirror this worker's numbers into the store, where that is how they are shown; spare the processor."""
        if self.is_used and now >= self._due and self._is_mirrored():
            began = time.thread_time()
            self.refresh()
            cost = SHARE * (time.thread_time() - began)
            # The ticks come once a second by themselves.
            self._due = now + cost if cost > 1.0 else 0.0

    def refresh(self) -> None:
        """Mirror this worker's numbers into the store now, if that is how they are shown.

        Only those of prometheus_client's own instruments: a custom collector may take its time, and is asked at a
        scrape alone, as its author expects.
        """
        if self.is_used and self._is_mirrored():
            self._mirrored().update(families_of(self._metrics(bool), self._report))

    def exported(
        self, families: Callable[[], Iterable[Family]], registry: CollectorRegistry | None = None
    ) -> PerfkitCollector:
        """Return a collector of *families* for *registry*; it is empty while we read that registry ourselves."""
        from perfkit.metrics.bridge.exported import PerfkitCollector

        def unless_reading() -> Iterable[Family]:
            return () if getattr(self._reading, "is_on", False) else families()

        return PerfkitCollector(unless_reading, registry=registry, on_error=self._report)

    def _is_mirrored(self) -> bool:
        return self._context.store.is_shared and not _multiprocess_directory()

    def _mirrored(self) -> Mirror:
        if self._mirror is None:
            self._mirror = Mirror(self._context.store, mode_of=self._mode_of, on_error=self._report)
        return self._mirror

    def _metrics(self, is_wanted: Callable[[bool], bool]) -> list[Metric]:
        """Return the metrics of all registries, without ours among them.

        Args:
            is_wanted: Told whether a collector is one of prometheus_client's own instruments.
        """
        from prometheus_client.metrics import MetricWrapperBase

        found: list[Metric] = []
        self._reading.is_on = True
        try:
            for collector in self._collectors():
                if is_wanted(isinstance(collector, MetricWrapperBase)):
                    with self._context.errors.guarded("metrics", "a collector of prometheus_client could not be read"):
                        found.extend(collector.collect())
        finally:
            self._reading.is_on = False
        return found

    def _collectors(self) -> list[Collector]:
        """Return the collectors of all registries; where a registry does not tell them, the registry."""
        directory = _multiprocess_directory()
        if directory:
            from prometheus_client.multiprocess import MultiProcessCollector

            return [MultiProcessCollector(None, directory)]  # type: ignore[no-untyped-call]  # it has no types
        collectors: dict[int, Collector] = {}
        for registry in self._sources():
            for collector in list(getattr(registry, "_collector_to_names", (registry,))):
                collectors[id(collector)] = collector
        return list(collectors.values())

    def _sources(self) -> list[CollectorRegistry]:
        from prometheus_client import REGISTRY

        return [REGISTRY, *(registry for registry in self._registries if registry is not REGISTRY)]

    def _mode_of(self, name: str) -> str:
        """Return the multiprocess mode of what is shown as the gauge *name*.

        What is no gauge there, such as an Enum, has none: it is 1 as soon as it is in one worker.
        """
        for registry in self._sources():
            owner = getattr(registry, "_names_to_collectors", {}).get(name)
            if owner is not None:
                return str(getattr(owner, "_multiprocess_mode", "max"))
        return "all"

    def _report(self, name: str, error: Exception) -> None:
        self._context.errors.report("metrics", error, doing=f"the metric {name!r} of prometheus_client is left out")


def _multiprocess_directory() -> str:
    """Return where prometheus_client's workers write; empty if they do not."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
    return directory if os.path.isdir(directory) else ""
