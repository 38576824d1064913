"""Alerts in the words of Alertmanager: its webhook payload (version 4) and its API (version 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from perfkit.alerts.alert import Alert, fingerprint
from perfkit.alerts.delivery.receiver import Notification

__all__ = ["NEVER", "api_alerts", "timestamp", "webhook_payload"]

NEVER = "0001-01-01T00:00:00Z"
"""The end of what has not ended, as Go writes no time at all."""

LABEL = re.compile(r"[^a-zA-Z0-9_]")


def timestamp(at: float) -> str:
    """Return Unix seconds as RFC 3339 in UTC, to the millisecond, without zeros at the end: as Go writes them."""
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return f"{text.rstrip('0').rstrip('.')}Z"


def webhook_payload(notification: Notification, *, instance: str = "", external_url: str = "") -> dict[str, Any]:
    """Return the payload that receivers of Alertmanager's webhook understand.

    Args:
        instance: Added to the labels, to tell hosts apart; empty for none.
        external_url: Where people find out more.
    """
    alerts = [_webhook_alert(alert, instance, external_url) for alert in notification.alerts]
    return {
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": notification.truncated,
        "status": notification.status,
        "receiver": notification.receiver,
        "groupLabels": notification.group_labels,
        "commonLabels": _common(alert["labels"] for alert in alerts),
        "commonAnnotations": _common(alert["annotations"] for alert in alerts),
        "externalURL": external_url,
        "alerts": alerts,
    }


def api_alerts(
    notification: Notification, *, now: float, instance: str, external_url: str, resolve_after: float
) -> list[dict[str, Any]]:
    """Return the body of ``POST /api/v2/alerts``; if we fall silent, all is over *resolve_after* seconds from *now*."""
    return [
        {
            "labels": _labels(alert, instance),
            "annotations": _annotations(alert),
            "startsAt": timestamp(alert.started_at or alert.at),
            "endsAt": timestamp(now + resolve_after if alert.is_firing else max(alert.at, alert.started_at or 0.0)),
            "generatorURL": external_url,
        }
        for alert in notification.alerts
    ]


def _webhook_alert(alert: Alert, instance: str, external_url: str) -> dict[str, Any]:
    labels = _labels(alert, instance)
    return {
        "status": "firing" if alert.is_firing else "resolved",
        "labels": labels,
        "annotations": _annotations(alert),
        "startsAt": timestamp(alert.started_at or alert.at),
        "endsAt": NEVER if alert.is_firing else timestamp(alert.at),
        "generatorURL": external_url,
        "fingerprint": fingerprint(labels),
    }


def _labels(alert: Alert, instance: str) -> dict[str, str]:
    labels = {_name(name): value for name, value in alert.labels.items() if value}
    if instance:
        labels.setdefault("instance", instance)
    return labels


def _annotations(alert: Alert) -> dict[str, str]:
    annotations = {_name(name): value for name, value in alert.annotations.items() if value}
    annotations["summary"] = alert.message
    annotations["threshold"] = f"{alert.threshold:g}"
    annotations["source"] = alert.source
    if alert.value is not None:
        annotations["value"] = f"{alert.value:g}"
    if alert.is_flapping:
        annotations["flapping"] = "true"
    if alert.acknowledged_by:
        annotations["acknowledged_by"] = alert.acknowledged_by
    return annotations


def _name(name: str) -> str:
    cleaned = LABEL.sub("_", name)
    return f"_{cleaned}" if cleaned[:1].isdigit() else cleaned


def _common(each: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the pairs that all have."""
    maps = list(each)
    if not maps:
        return {}
    return {name: value for name, value in maps[0].items() if all(other.get(name) == value for other in maps[1:])}
