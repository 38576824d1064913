"""What the alert manager knows as of now: typed, for pages, JSON and people's own code."""

from __future__ import annotations

import msgspec

from perfkit.alerts.alert import Alert, AlertState, Severity
from perfkit.alerts.delivery.courier import ReceiverSnapshot
from perfkit.alerts.routing.silences import Silence
from perfkit.core.status import Status

__all__ = ["AlertRecord", "AlertsSnapshot", "RuleSnapshot", "SloSnapshot"]


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the history: an alert began to fire, or was over.

    Attributes:
        at: Unix seconds.
        duration: Seconds that it fired, where it is over.
    """

    at: float
    fingerprint: str
    name: str
    severity: Severity
    state: AlertState
    message: str
    source: str
    value: float | None
    threshold: float
    labels: dict[str, str]
    duration: float | None = None


class RuleSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, or one burn of an objective.

    Attributes:
        value: The worst that was measured last; None if there was never anything to measure.
        measured_at: Unix seconds of it.
        unit: Of value and threshold: ``seconds``, ``ratio`` or ``bytes``; empty where they are counts or factors.
    """

    name: str
    severity: Severity
    state: AlertState
    threshold: float
    value: float | None = None
    measured_at: float | None = None
    unit: str = ""


class SloSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One objective.

    Attributes:
        period: Seconds of the budget, or the age of a younger service.
        events, bad: In the period.
        budget_left: Part of the period's error budget that is not spent: 1 is all, below 0 it is overdrawn; None
            while there were no events.
    """

    name: str
    objective: float
    period: float
    events: float
    bad: float
    budget_left: float | None


class AlertsSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All alerts of the service, the same in all its workers.

    Attributes:
        status: Critical or warning while such an alert fires unmuted, else healthy; unknown at first.
        evaluated_at: Unix seconds of the last evaluation; None before the first.
        is_evaluating: True in the worker that evaluates.
        active: Alerts that fire, the worst first.
        pending: Alerts that may fire soon.
        resolved: Alerts that were over in the last 15 minutes.
    """

    at: float
    status: Status
    evaluated_at: float | None
    is_evaluating: bool
    active: tuple[Alert, ...] = ()
    pending: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    silences: tuple[Silence, ...] = ()
    receivers: tuple[ReceiverSnapshot, ...] = ()
    rules: tuple[RuleSnapshot, ...] = ()
    slos: tuple[SloSnapshot, ...] = ()
