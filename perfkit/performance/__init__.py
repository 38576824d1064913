"""The performance monitor: what the service does and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.performance.blocking.report import BlockedLoop, BlockedSite, Victim
    from perfkit.performance.memory.watch import MemoryGrowth
    from perfkit.performance.monitor import PerformanceMonitor
    from perfkit.performance.settings import PerformanceSettings
    from perfkit.performance.snapshot import Breach, Latency, PerformanceSnapshot, RouteSnapshot, Trend, WorkerSnapshot
    from perfkit.performance.stuck.report import StuckRequest
    from perfkit.performance.timers import TimedBlock, Timer

__all__ = [
    "BlockedLoop",
    "BlockedSite",
    "Breach",
    "Latency",
    "MemoryGrowth",
    "PerformanceMonitor",
    "PerformanceSettings",
    "PerformanceSnapshot",
    "RouteSnapshot",
    "StuckRequest",
    "TimedBlock",
    "Timer",
    "Trend",
    "Victim",
    "WorkerSnapshot",
]

__getattr__ = lazily(
    __name__,
    {
        "BlockedLoop": "perfkit.performance.blocking.report",
        "BlockedSite": "perfkit.performance.blocking.report",
        "Victim": "perfkit.performance.blocking.report",
        "MemoryGrowth": "perfkit.performance.memory.watch",
        "PerformanceMonitor": "perfkit.performance.monitor",
        "PerformanceSettings": "perfkit.performance.settings",
        "Breach": "perfkit.performance.snapshot",
        "Latency": "perfkit.performance.snapshot",
        "PerformanceSnapshot": "perfkit.performance.snapshot",
        "RouteSnapshot": "perfkit.performance.snapshot",
        "Trend": "perfkit.performance.snapshot",
        "WorkerSnapshot": "perfkit.performance.snapshot",
        "StuckRequest": "perfkit.performance.stuck.report",
        "TimedBlock": "perfkit.performance.timers",
        "Timer": "perfkit.performance.timers",
    },
)
