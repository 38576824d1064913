"""Everything else, a hundred services and more, through apprise: an optional package, imported when it is used."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from perfkit.alerts.alert import Severity
from perfkit.alerts.delivery.receiver import Notification
from perfkit.alerts.delivery.text import body, title
from perfkit.alerts.secret import Secret, secret
from perfkit.core.errors import AlertError, DeliveryError, MissingDependencyError

__all__ = ["Notify"]

KINDS = {Severity.CRITICAL: "failure", Severity.WARNING: "warning", Severity.INFO: "info"}


class Notify:
    """Sends each notification to addresses of apprise, such as ``slack://…``, ``tgram://…`` or ``ntfy://…``."""

    kind = "apprise"

    def __init__(self, urls: Sequence[Secret | str], *, name: str = "apprise") -> None:
        """Send to *urls*.

        Raises:
            MissingDependencyError: apprise is not installed.
            AlertError: There is no address.
        """
        if importlib.util.find_spec("apprise") is None:
            raise MissingDependencyError("apprise", extra="notify", wanted_by=f"The alert receiver {name!r}")
        if not urls:
            raise AlertError(f"The alert receiver {name!r} has no address. It must have one at least. Give urls.")
        self._urls = [secret(url) for url in urls]
        self._name = name
        self._apprise: Any = None

    def __repr__(self) -> str:
        return f"<Notify to {len(self._urls)} addresses>"

    def deliver(self, notification: Notification) -> None:
        """Send *notification*; see `Receiver`."""
        apprise = self._load()
        firing = [alert.severity for alert in notification.alerts if alert.is_firing]
        kind = KINDS[max(firing, key=lambda severity: severity.rank)] if firing else "success"
        if not apprise.notify(title=title(notification), body=body(notification), notify_type=kind, body_format="text"):
            raise DeliveryError(f"apprise did not bring it to all of its {len(self._urls)} addresses")

    def _load(self) -> Any:
        if self._apprise is None:
            import apprise

            loaded = apprise.Apprise()
            for place, url in enumerate(self._urls, 1):
                if not loaded.add(url.reveal()):
                    raise DeliveryError(
                        f"apprise does not understand address {place} of the receiver {self._name!r}. It must be one "
                        "of its addresses, such as slack://. Correct it.",
                        is_final=True,
                    )
            self._apprise = loaded
        return self._apprise
