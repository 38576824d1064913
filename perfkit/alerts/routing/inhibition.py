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
    compiled = [(Matchers(each.source), Matchers(each.target), each.equal) for each in inhibitions]
    marked = []
    for alert in alerts:
        by = _cause(alert, firing, compiled, depends_on.get(alert.name, ()))
        marked.append(alert if by == alert.inhibited_by else msgspec.structs.replace(alert, inhibited_by=by))
    return marked


def _cause(
    alert: Alert,
    firing: Sequence[Alert],
    compiled: Sequence[tuple[Matchers, Matchers, tuple[str, ...]]],
    depends_on: Sequence[str],
) -> str:
    for other in firing:
        if other.fingerprint == alert.fingerprint:
            continue
        if other.name in depends_on:
            return other.name
        for source, target, equal in compiled:
            if target.match(alert.labels) and source.match(other.labels) and not target.match(other.labels):
                pairs = [(alert.labels.get(label, ""), other.labels.get(label, "")) for label in equal]
                if all(mine and mine == theirs for mine, theirs in pairs):
                    return other.name
    return ""
