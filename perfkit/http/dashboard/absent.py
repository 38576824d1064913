"""What stands for the snapshot of a component that is switched off: nothing is known."""

from __future__ import annotations

from perfkit.core.status import Status
from perfkit.health.snapshot import HealthSnapshot
from perfkit.performance.snapshot import Latency, PerformanceSnapshot, Trend

__all__ = ["NO_HEALTH", "NO_PERFORMANCE"]

NO_PERFORMANCE = PerformanceSnapshot(
    at=0.0,
    window=0.0,
    total_requests=0,
    requests=0,
    rate=0.0,
    errors=0,
    error_rate=0.0,
    latency=Latency(),
    in_flight=0,
    cpu=None,
    memory=None,
    threads=None,
    open_files=None,
    uptime=0.0,
    routes=(),
    workers=(),
    trend=Trend(step=1.0),
)
NO_HEALTH = HealthSnapshot(
    status=Status.UNKNOWN,
    is_live=True,
    is_ready=True,
    is_started=True,
    is_draining=False,
    uptime=0.0,
    checks=(),
)
