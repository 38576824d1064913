"""A receiver's route: which alerts it gets, together with which others, and how often."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from perfkit.alerts.alert import Alert, Severity
from perfkit.alerts.rules.matchers import Matchers

__all__ = ["Route"]

Seconds = Annotated[float, Meta(ge=0, le=2_592_000)]


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times in seconds. The words are Alertmanager's.

    Attributes:
        where: Matchers of the alerts that go this way.
        minimum_severity: Those below are left out.
        group_by: Labels whose values make a group; None: each alert is a group of its own.
        group_wait: Before the first message of a group, so that what belongs together comes together.
        group_interval: Between two messages of a group about changes.
        repeat_interval: Between two messages of a group in which nothing changed; infinity: never.
        send_resolved: Tell also when it is over.
        repeat_resolved: Repeat what is over for as long as it is remembered: for Alertmanager.
        rate: Messages per second in the long run.
        burst: Messages at once; what is more is told in one digest.
    """

    where: dict[str, str] = msgspec.field(default_factory=dict)
    minimum_severity: Severity = Severity.INFO
    group_by: tuple[str, ...] | None = ("alertname", "service")
    group_wait: Seconds = 30.0
    group_interval: Annotated[float, Meta(ge=0, le=600)] = 300.0
    repeat_interval: Annotated[float, Meta(ge=0)] = 14_400.0
    send_resolved: bool = True
    repeat_resolved: bool = False
    rate: Annotated[float, Meta(gt=0)] = 1.0 / 30.0
    burst: Annotated[float, Meta(ge=1)] = 10.0

    def __post_init__(self) -> None:
        """Take a severity by its word, too."""
        msgspec.structs.force_setattr(self, "minimum_severity", Severity(self.minimum_severity))

    def key(self, alert: Alert) -> tuple[str, dict[str, str]]:
        """Return the key of the group of *alert*, as Alertmanager writes it, and its labels."""
        if self.group_by is None:
            return alert.fingerprint, alert.labels
        labels = {name: alert.labels[name] for name in self.group_by if alert.labels.get(name)}
        inside = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
        return f"{{}}:{{{inside}}}", labels

    def accepts(self, alert: Alert, matchers: Matchers) -> bool:
        """Return whether *alert* goes this way; *matchers* are those of `where`."""
        return alert.severity.rank >= self.minimum_severity.rank and matchers.match(alert.labels)
