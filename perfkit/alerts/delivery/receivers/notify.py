"""Everything else, a hundred services and more, through apprise: an optional package, imported when it is used."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import threading
from collections.abc import Iterator, Sequence
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
        self._loaded: list[Any] = []
        self._told: tuple[str, set[int]] = ("", set())

    def __repr__(self) -> str:
        return f"<Notify to {len(self._urls)} addresses>"

    def deliver(self, notification: Notification) -> None:
        """Send *notification*; see `Receiver`. An address that took it is not told again while others are tried."""
        firing = [alert.severity for alert in notification.alerts if alert.is_firing]
        kind = KINDS[max(firing, key=lambda severity: severity.rank)] if firing else "success"
        subject, text = title(notification), body(notification)
        if self._told[0] != (message := f"{subject}\n{text}"):
            self._told = message, set()
        told = self._told[1]
        for place, apprise in enumerate(self._load()):
            with _mute():
                if place not in told and apprise.notify(title=subject, body=text, notify_type=kind, body_format="text"):
                    told.add(place)
        missing = len(self._urls) - len(told)
        if missing:
            raise DeliveryError(f"apprise did not bring it to {missing} of its {len(self._urls)} addresses")
        self._told = "", set()

    def _load(self) -> list[Any]:
        """Return one sender for each address: several in one would be asked in threads of apprise's own."""
        if not self._loaded:
            import apprise

            loaded = []
            for place, url in enumerate(self._urls, 1):
                sender = apprise.Apprise()
                with _mute():
                    is_known = sender.add(url.reveal())
                if not is_known:
                    raise DeliveryError(
                        f"apprise does not understand address {place} of the receiver {self._name!r}. It must be one "
                        "of its addresses, such as slack://. Correct it.",
                        is_final=True,
                    )
                loaded.append(sender)
            self._loaded = loaded
        return self._loaded


@contextlib.contextmanager
def _mute() -> Iterator[None]:
    """Keep apprise from logging in this thread meanwhile: it writes whole addresses, and their secrets with them."""
    thread = threading.get_ident()

    def is_another_thread(record: logging.LogRecord) -> bool:
        return threading.get_ident() != thread

    logger = logging.getLogger("apprise")
    logger.addFilter(is_another_thread)
    try:
        yield
    finally:
        logger.removeFilter(is_another_thread)
