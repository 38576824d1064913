"""The performance monitor: what the service does and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.performance.monitor import PerformanceMonitor
    from perfkit.performance.settings import PerformanceSettings
    from perfkit.performance.snapshot import Latency, PerformanceSnapshot, RouteSnapshot, Trend, WorkerSnapshot

__all__ = [
    "Latency",
    "PerformanceMonitor",
    "PerformanceSettings",
    "PerformanceSnapshot",
    "RouteSnapshot",
    "Trend",
    "WorkerSnapshot",
]

__getattr__ = lazily(
    __name__,
    {
        "PerformanceMonitor": "perfkit.performance.monitor",
        "PerformanceSettings": "perfkit.performance.settings",
        "Latency": "perfkit.performance.snapshot",
        "PerformanceSnapshot": "perfkit.performance.snapshot",
        "RouteSnapshot": "perfkit.performance.snapshot",
        "Trend": "perfkit.performance.snapshot",
        "WorkerSnapshot": "perfkit.performance.snapshot",
    },
)
