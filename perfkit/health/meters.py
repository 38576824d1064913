"""The numbers of the checks."""

from __future__ import annotations

from perfkit.core.families import Definition, GaugeMode, MetricType
from perfkit.core.status import Status

__all__ = ["CHECK_DURATION", "CHECK_STATUS", "CHECK_TIMEOUTS", "LEVELS"]

LEVELS = {Status.UNKNOWN: -1.0, Status.HEALTHY: 0.0, Status.WARNING: 1.0, Status.CRITICAL: 2.0}
"""The statuses as numbers, so that the largest of several workers is the worst."""

CHECK_STATUS = Definition(
    name="perfkit_health_status",
    type=MetricType.GAUGE,
    description="Status of a health check, in the worst worker: -1 unknown, 0 healthy, 1 warning, 2 critical.",
    labels=("check",),
    mode=GaugeMode.MAX,
    max_series=200,
)

CHECK_DURATION = Definition(
    name="perfkit_health_check_duration_seconds",
    type=MetricType.HISTOGRAM,
    description="Duration of the runs of registered health checks.",
    labels=("check",),
    unit="seconds",
    boundaries=(0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    max_series=200,
)

CHECK_TIMEOUTS = Definition(
    name="perfkit_health_check_timeouts_total",
    type=MetricType.COUNTER,
    description="Runs of registered health checks that took longer than their timeout.",
    labels=("check",),
    max_series=200,
)
