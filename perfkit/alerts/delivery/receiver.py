"""What a receiver is: one method that takes a notification, or raises."""

from __future__ import annotations

from typing import Protocol

import msgspec

from perfkit.alerts.alert import Alert

__all__ = ["Notification", "Receiver"]


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One message about one or more alerts.

    Attributes:
        receiver: Name of the receiver that it goes to.
        service: Name of the service.
        group_key: Same for all messages about one group; ``digest`` for several groups at once.
        group_labels: What the alerts of the group have in common by its definition.
        alerts: Those that fire, then those that are over.
        truncated: How many more there were.
        at: Unix seconds.
    """

    receiver: str
    service: str
    group_key: str
    group_labels: dict[str, str]
    alerts: tuple[Alert, ...]
    at: float
    truncated: int = 0

    @property
    def is_firing(self) -> bool:
        """True if any of its alerts fires."""
        return any(alert.is_firing for alert in self.alerts)

    @property
    def status(self) -> str:
        """``firing`` if any of its alerts is, else ``resolved``."""
        return "firing" if self.is_firing else "resolved"


class Receiver(Protocol):
    """Takes notifications. It is called from a thread of its own, one notification at a time."""

    def deliver(self, notification: Notification) -> None:
        """Deliver *notification*, within some seconds.

        Returning means that it arrived. It may be called again with the same alerts: whoever is unsure says so by
        raising, and twice is better than never.

        Raises:
            DeliveryError: It did not arrive: for ever (`is_final`), or it may be tried again.
            Exception: Anything else is taken as "try again".
        """
        ...
