"""Alertmanager's API, version 2: all alerts that fire, every minute, to every member of the cluster.

Source: Alertmanager documentation, "Clients", and the client of Prometheus: what fires is sent again and again with an
end four minutes ahead, so that Alertmanager resolves it when we fall silent; what is over is repeated for 15 minutes.
It does its own grouping, silencing and deduplication over hosts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from perfkit.alerts.delivery.payload import api_alerts
from perfkit.alerts.delivery.receiver import Notification
from perfkit.alerts.delivery.receivers.http import Poster, checked_headers
from perfkit.alerts.routing.route import Route
from perfkit.alerts.secret import Secret, secret
from perfkit.core.clock import Clock, SystemClock
from perfkit.core.errors import AlertError, DeliveryError

__all__ = ["ROUTE", "Alertmanager"]

REPEAT = 60.0
RESOLVE_AFTER = 4.0 * REPEAT
PATH = "/api/v2/alerts"

ROUTE = Route(
    group_by=(),
    group_wait=0.0,
    group_interval=0.0,
    repeat_interval=REPEAT,
    repeat_resolved=True,
    rate=1.0,
    burst=30.0,
)
"""How alerts go to Alertmanager: all together, at once, and again each minute."""


class Alertmanager:
    """Posts to all members of one Alertmanager cluster."""

    kind = "alertmanager"

    def __init__(
        self,
        urls: Sequence[Secret | str],
        *,
        headers: Mapping[str, Secret | str] | None = None,
        instance: str = "",
        external_url: str = "",
        timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        """Post to the members at *urls*, such as ``http://alertmanager:9093``, without the API's path.

        Raises:
            AlertError: There is no address, or one of them or of the headers cannot be used.
        """
        if not urls:
            raise AlertError("An Alertmanager receiver has no address. It must have one for each member. Give urls.")
        self._posters = [Poster(secret(url), timeout=timeout) for url in urls]
        self._headers = checked_headers(headers or {})
        self._instance, self._external_url = instance, external_url
        self._clock: Clock = clock or SystemClock()

    def __repr__(self) -> str:
        return f"<Alertmanager at {', '.join(poster.where for poster in self._posters)}>"

    def deliver(self, notification: Notification) -> None:
        """Post to every member; one that took it is enough, as the members tell each other."""
        alerts = api_alerts(
            notification,
            now=self._clock.time(),
            instance=self._instance,
            external_url=self._external_url,
            resolve_after=RESOLVE_AFTER,
        )
        body = msgspec.json.encode(alerts)
        headers = {"Content-Type": "application/json", "User-Agent": "perfkit"}
        headers |= {name: value.reveal() for name, value in self._headers.items()}
        failures = []
        for poster in self._posters:
            try:
                poster.post(body, headers, path=PATH)
            except DeliveryError as error:
                failures.append(error)
        if len(failures) == len(self._posters):
            raise min(failures, key=lambda error: error.is_final)
