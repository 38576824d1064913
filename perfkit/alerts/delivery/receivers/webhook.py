"""A webhook: Alertmanager's payload, signed.

The signature is an HMAC-SHA256 of the time and the body, as Stripe signs its webhooks: the header
``X-Perfkit-Signature: t=<Unix seconds>,v1=<hexadecimal digits>``, where what is signed is the time, a dot and the body.
A receiver compares with `hmac.compare_digest` and refuses what is older than five minutes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from perfkit.alerts.delivery.payload import webhook_payload
from perfkit.alerts.delivery.receiver import Notification
from perfkit.alerts.delivery.receivers.http import Poster, checked_headers
from perfkit.alerts.secret import Secret, secret
from perfkit.core.clock import Clock, SystemClock

__all__ = ["SIGNATURE", "Webhook", "is_signed", "signature"]

SIGNATURE = "X-Perfkit-Signature"
MOST_AGE = 300.0


class Webhook:
    """Posts each notification as JSON."""

    kind = "webhook"

    def __init__(
        self,
        url: Secret | str,
        *,
        hmac_key: Secret | str = "",
        headers: Mapping[str, Secret | str] | None = None,
        instance: str = "",
        external_url: str = "",
        max_alerts: int = 0,
        timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        """Post to *url*.

        Args:
            url: Of http or https; user and password in it become basic authorization.
            hmac_key: Signs each request; empty: none is signed.
            headers: Sent along, such as Authorization.
            instance: The label that tells this host from others; empty for none.
            external_url: Where people find out more.
            max_alerts: At most so many alerts in a message, the others are counted in it; 0 is all.
            timeout: Seconds for one request in all.
            clock: Stamps the signature.

        Raises:
            AlertError: The address or a header cannot be used.
        """
        self._poster = Poster(secret(url), timeout=timeout)
        self._key = secret(hmac_key)
        self._headers = checked_headers(headers or {})
        self._instance, self._external_url, self._max_alerts = instance, external_url, max_alerts
        self._clock: Clock = clock or SystemClock()

    def __repr__(self) -> str:
        return f"<Webhook to {self._poster.where}>"

    def deliver(self, notification: Notification) -> None:
        """Post *notification*; see `Receiver`."""
        most = self._max_alerts
        if most and len(notification.alerts) > most:
            cut = len(notification.alerts) - most
            notification = msgspec.structs.replace(notification, alerts=notification.alerts[:most], truncated=cut)
        payload = webhook_payload(notification, instance=self._instance, external_url=self._external_url)
        body = msgspec.json.encode(payload)
        headers = {"Content-Type": "application/json", "User-Agent": "perfkit"}
        headers |= {name: value.reveal() for name, value in self._headers.items()}
        if self._key:
            headers[SIGNATURE] = signature(body, self._key.reveal(), int(self._clock.time()))
        self._poster.post(body, headers)


def signature(body: bytes, key: str, at: int) -> str:
    """Return the header's value for *body*, signed with *key* at *at* (Unix seconds)."""
    digest = hmac.new(key.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def is_signed(body: bytes, header: str, key: str, now: float) -> bool:
    """Return whether *header* is the signature of *body* with *key*, and not older than five minutes at *now*."""
    at = header.partition(",")[0].removeprefix("t=")
    if not (at.isascii() and at.isdigit()) or abs(now - int(at[:12])) > MOST_AGE:
        return False
    return hmac.compare_digest(header.encode(), signature(body, key, int(at[:12])).encode())
