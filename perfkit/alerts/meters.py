"""The metrics that the alerts themselves make."""

from __future__ import annotations

from perfkit.core.families import Definition, GaugeMode, MetricType

__all__ = ["FIRING", "NOTIFICATIONS"]

FIRING = Definition(
    name="perfkit_alerts_firing",
    type=MetricType.GAUGE,
    description="Alerts that fire now, muted ones included, as the worker that evaluates sees them.",
    labels=("severity",),
    mode=GaugeMode.LATEST,
)

NOTIFICATIONS = Definition(
    name="perfkit_alert_notifications_total",
    type=MetricType.COUNTER,
    description="Messages delivered and attempts failed; alerts dropped, expired or refused, by receiver.",
    labels=("receiver", "outcome"),
)
