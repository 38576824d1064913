"""A metrics collector for tests, and what its page shows of one metric."""

from __future__ import annotations

import json
from typing import Any

from perfkit.core.clock import Clock
from perfkit.core.context import Context
from perfkit.metrics import MetricsCollector, MetricsSettings
from perfkit.store import Store
from perfkit.testing import FakeClock

__all__ = ["build", "shown"]


def build(store: Store | None = None, *, clock: Clock | None = None, **settings: Any) -> MetricsCollector:
    """Return a collector in a system's place: on *store*, without what it would show by itself."""
    clock = clock or (store.clock if store is not None else FakeClock())
    settings = {"target_info": False, "prometheus_client": "off", **settings}
    context = Context(store=store or Store(clock=clock), clock=clock)
    metrics = MetricsCollector(settings=MetricsSettings(**settings), context=context)
    context.families = metrics.families
    return metrics


def shown(metrics: MetricsCollector, name: str) -> dict[str, float]:
    """Return the series of the family *name*, as ``name{label=value}`` to number."""
    found = {}
    for family in json.loads(metrics.export_metrics("json", names=[name])):
        for sample in family["samples"]:
            labels = ",".join(f"{label}={value}" for label, value in sample["labels"].items())
            found[f"{sample['name']}{{{labels}}}" if labels else sample["name"]] = sample["value"]
    return found
