"""The metrics: what is counted, and how it is shown to Prometheus and to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.metrics.collector import MetricsCollector
    from perfkit.metrics.settings import MetricsSettings

__all__ = [
    "MetricsCollector",
    "MetricsSettings",
]

__getattr__ = lazily(
    __name__,
    {
        "MetricsCollector": "perfkit.metrics.collector",
        "MetricsSettings": "perfkit.metrics.settings",
    },
)
