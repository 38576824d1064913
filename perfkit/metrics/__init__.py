"""The metrics: what is counted, and how it is shown to Prometheus and to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.metrics.collector import MetricsCollector
    from perfkit.metrics.instruments import Counter, Gauge, Histogram, Summary, Timer
    from perfkit.metrics.recording import MetricRecorded
    from perfkit.metrics.settings import MetricsSettings
    from perfkit.metrics.timing import Timing

__all__ = [
    "Counter",
    "Gauge",
    "Histogram",
    "MetricRecorded",
    "MetricsCollector",
    "MetricsSettings",
    "Summary",
    "Timer",
    "Timing",
]

__getattr__ = lazily(
    __name__,
    {
        "Counter": "perfkit.metrics.instruments",
        "Gauge": "perfkit.metrics.instruments",
        "Histogram": "perfkit.metrics.instruments",
        "MetricRecorded": "perfkit.metrics.recording",
        "MetricsCollector": "perfkit.metrics.collector",
        "MetricsSettings": "perfkit.metrics.settings",
        "Summary": "perfkit.metrics.instruments",
        "Timer": "perfkit.metrics.instruments",
        "Timing": "perfkit.metrics.timing",
    },
)
