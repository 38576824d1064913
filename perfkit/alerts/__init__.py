"""The alerts: what is wrong for long enough, told once, to whoever should know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.alerts.alert import Alert, AlertState, Severity
    from perfkit.alerts.delivery.receiver import Notification, Receiver
    from perfkit.alerts.delivery.receivers.alertmanager import Alertmanager
    from perfkit.alerts.delivery.receivers.mail import Email
    from perfkit.alerts.delivery.receivers.notify import Notify
    from perfkit.alerts.delivery.receivers.webhook import Webhook
    from perfkit.alerts.manager import AlertManager
    from perfkit.alerts.routing.inhibition import Inhibition
    from perfkit.alerts.routing.route import Route
    from perfkit.alerts.routing.silences import Silence
    from perfkit.alerts.rules.rule import Rule
    from perfkit.alerts.rules.slo import Slo, Spending
    from perfkit.alerts.settings import AlertsSettings
    from perfkit.alerts.snapshot import AlertRecord, AlertsSnapshot, RuleSnapshot, SloSnapshot

__all__ = [
    "Alert",
    "AlertManager",
    "AlertRecord",
    "AlertState",
    "Alertmanager",
    "AlertsSettings",
    "AlertsSnapshot",
    "Email",
    "Inhibition",
    "Notification",
    "Notify",
    "Receiver",
    "Route",
    "Rule",
    "RuleSnapshot",
    "Severity",
    "Silence",
    "Slo",
    "SloSnapshot",
    "Spending",
    "Webhook",
]

__getattr__ = lazily(
    __name__,
    {
        "Alert": "perfkit.alerts.alert",
        "AlertManager": "perfkit.alerts.manager",
        "AlertRecord": "perfkit.alerts.snapshot",
        "AlertState": "perfkit.alerts.alert",
        "Alertmanager": "perfkit.alerts.delivery.receivers.alertmanager",
        "AlertsSettings": "perfkit.alerts.settings",
        "AlertsSnapshot": "perfkit.alerts.snapshot",
        "Email": "perfkit.alerts.delivery.receivers.mail",
        "Inhibition": "perfkit.alerts.routing.inhibition",
        "Notification": "perfkit.alerts.delivery.receiver",
        "Notify": "perfkit.alerts.delivery.receivers.notify",
        "Receiver": "perfkit.alerts.delivery.receiver",
        "Route": "perfkit.alerts.routing.route",
        "Rule": "perfkit.alerts.rules.rule",
        "RuleSnapshot": "perfkit.alerts.snapshot",
        "Severity": "perfkit.alerts.alert",
        "Silence": "perfkit.alerts.routing.silences",
        "Slo": "perfkit.alerts.rules.slo",
        "SloSnapshot": "perfkit.alerts.snapshot",
        "Spending": "perfkit.alerts.rules.slo",
        "Webhook": "perfkit.alerts.delivery.receivers.webhook",
    },
)
