"""The performance monitor: what the service does and what it costs."""

from __future__ import annotations

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
