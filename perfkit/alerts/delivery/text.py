"""Notifications in words, for e-mail, chats and logs."""

from __future__ import annotations

from perfkit.alerts.alert import Alert
from perfkit.alerts.delivery.payload import timestamp
from perfkit.alerts.delivery.receiver import Notification

__all__ = ["MOST_LINES", "body", "line", "one_line", "title"]

MOST_LINES = 20
"""Alerts written out; of more only the number."""

HIDDEN_LABELS = ("alertname", "severity", "service")


def title(notification: Notification) -> str:
    """Return one line that says how bad it is and what it is about."""
    firing = [alert for alert in notification.alerts if alert.is_firing]
    over = len(notification.alerts) - len(firing)
    if not firing:
        first = notification.alerts[0].name if notification.alerts else notification.group_key
        return f"[RESOLVED] {notification.service}: {first}{_more(over - 1)}"
    worst = max(firing, key=lambda alert: alert.severity.rank)
    return f"[{worst.severity.upper()}] {notification.service}: {worst.name}{_more(len(firing) - 1)}"


def body(notification: Notification) -> str:
    """Return what there is to know, one paragraph an alert."""
    shown = notification.alerts[:MOST_LINES]
    hidden = len(notification.alerts) - len(shown) + notification.truncated
    parts = [_paragraph(alert) for alert in shown]
    if hidden:
        parts.append(f"…and {hidden} more.")
    return "\n\n".join(parts)


def line(alert: Alert) -> str:
    """Return one line about *alert*; of a label's value, which may come from a request, nothing can begin another."""
    return one_line(f"{_word(alert)} {alert.name}: {alert.message}{_labels(alert)}", most=2_000)


def one_line(text: str, *, most: int = 200) -> str:
    """Return *text* without what would end a line or steer a terminal, and at most so many characters of it."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:most])


def _paragraph(alert: Alert) -> str:
    lines = [line(alert), f"since {timestamp(alert.started_at or alert.at)}"]
    if not alert.is_firing:
        lines[-1] += f", over at {timestamp(alert.at)}"
    if alert.acknowledged_by:
        lines.append(f"taken care of by {alert.acknowledged_by}")
    lines += [f"{name}: {value}" for name, value in alert.annotations.items() if value]
    return "\n".join(lines)


def _word(alert: Alert) -> str:
    if alert.is_flapping:
        return "FLAPPING"
    return "FIRING" if alert.is_firing else "RESOLVED"


def _labels(alert: Alert) -> str:
    shown = [f"{name}={value}" for name, value in alert.labels.items() if value and name not in HIDDEN_LABELS]
    return f" ({', '.join(shown)})" if shown else ""


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
