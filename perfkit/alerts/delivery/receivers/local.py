"""The receivers inside the process: the log, and whoever listens to the event `alert`."""

from __future__ import annotations

import logging

from perfkit.alerts.alert import Severity
from perfkit.alerts.delivery.receiver import Notification
from perfkit.alerts.routing.route import Route
from perfkit.core.events import Events

__all__ = ["EVENT_ROUTE", "LOG_ROUTE", "EventReceiver", "LogReceiver"]

logger = logging.getLogger("perfkit.alerts")

LOG_ROUTE = Route(group_by=None, group_wait=0.0, group_interval=0.0)
EVENT_ROUTE = Route(
    group_by=None, group_wait=0.0, group_interval=0.0, repeat_interval=float("inf"), rate=1_000.0, burst=1_000.0
)

LEVELS = {Severity.CRITICAL: logging.ERROR, Severity.WARNING: logging.WARNING, Severity.INFO: logging.INFO}


class LogReceiver:
    """Writes a line for each alert under ``perfkit.alerts``: ERROR, WARNING or INFO by its severity, INFO when over."""

    kind = "log"

    def deliver(self, notification: Notification) -> None:
        """Write *notification*; see `Receiver`."""
        from perfkit.alerts.delivery.text import MOST_LINES, line

        for alert in notification.alerts[:MOST_LINES]:
            logger.log(LEVELS[alert.severity] if alert.is_firing else logging.INFO, "%s", line(alert))
        hidden = len(notification.alerts) - MOST_LINES
        if hidden > 0:
            logger.warning("…and %d more alerts", hidden)


class EventReceiver:
    """Calls the listeners of the event `alert`, once for each alert that begins or ends."""

    kind = "event"

    def __init__(self, events: Events) -> None:
        """Tell the listeners of *events*."""
        self._events = events

    @property
    def has_listeners(self) -> bool:
        """True if anybody would be told."""
        return self._events.has_listeners("alert")

    def deliver(self, notification: Notification) -> None:
        """Emit the alerts; see `Receiver`."""
        for alert in notification.alerts:
            self._events.emit("alert", alert)
