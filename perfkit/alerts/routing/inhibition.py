"""Inhibition: an alert is kept quiet while a more telling one fires.

Source: Alertmanager documentation, "Inhibition". Deviation: a label that both lack does not count as equal, so that one
critical alert without that label cannot mute everything else without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from perfkit.alerts.alert import Alert, AlertState, Severity
from perfkit.alerts.rules.matchers import Matchers

__all__ = ["DEFAULT", "Inhibition", "inhibit"]


class Inhibition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """While an alert that matches *source* fires, those that match *target* and agree in *equal* are muted."""

    source: dict[str, str]
    target: dict[str, str]
    equal: tuple[str, ...] = ()


DEFAULT = (
    Inhibition(
        source={"severity": Severity.CRITICAL},
        target={"severity": "=~warning|info"},
        equal=("service", "check"),
    ),
)
"""What is critical mutes the warnings about the same thing."""


def inhibit(
    alerts: Sequence[Alert], inhibitions: Sequence[Inhibition], depends_on: Mapping[str, Sequence[str]]
) -> list[Alert]:
    """Return *alerts*, the muted ones with the name of what mutes them; *depends_on* is by rule name."""
    firing = [alert for alert in alerts if alert.state is AlertState.FIRING]
    if not firing:
        return [
            alert if not alert.inhibited_by else msgspec.structs.replace(alert, inhibited_by="") for alert in alerts
        ]
    compiled = [_Sources(each, firing) for each in inhibitions]
    by_name: dict[str, list[Alert]] = {}
    for alert in firing if depends_on else ():
        by_name.setdefault(alert.name, []).append(alert)
    marked = []
    for alert in alerts:
        needed = (other for name in depends_on.get(alert.name, ()) for other in by_name.get(name, ()))
        by = next((other.name for other in needed if other.fingerprint != alert.fingerprint), "")
        by = by or next(filter(None, (sources.mute(alert) for sources in compiled)), "")
        marked.append(alert if by == alert.inhibited_by else msgspec.structs.replace(alert, inhibited_by=by))
    return marked


class _Sources:
    """The alerts that mute others by one inhibition, by their values of the labels that must agree.

    So each alert is matched once, not once for each other one: with 200 that fire, a hundredth of the time.
    """

    def __init__(self, inhibition: Inhibition, firing: Sequence[Alert]) -> None:
        source, self._target = Matchers(inhibition.source), Matchers(inhibition.target)
        self._equal = inhibition.equal
        self._names: dict[tuple[str, ...], str] = {}
        for alert in firing:
            if source.match(alert.labels) and not self._target.match(alert.labels):
                self._names.setdefault(self._values(alert), alert.name)

    def mute(self, alert: Alert) -> str:
        """Return the name of what mutes *alert*; empty if nothing does."""
        values = self._values(alert) if self._names else ("",)
        # A label that both lack does not make them equal.
        return self._names.get(values, "") if all(values) and self._target.match(alert.labels) else ""

    def _values(self, alert: Alert) -> tuple[str, ...]:
        return tuple(alert.labels.get(label, "") for label in self._equal)
