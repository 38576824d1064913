"""Grouping: what to tell one receiver now, so that it learns of each change once and of many in one message.

Source: Alertmanager documentation, "Grouping" (``group_wait``, ``group_interval``, ``repeat_interval``), and its
notification log. Deviations: what is over is told even while a silence mutes it, if its beginning was told; and what
counts across a restart is what was delivered, not what was queued: better twice than never.

Pure: time is passed in. It looks at what is, not at what happened, so nothing is lost by looking late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from perfkit.alerts.alert import Alert, AlertState
from perfkit.alerts.routing.route import Route
from perfkit.alerts.rules.matchers import Matchers

__all__ = ["Group", "Grouping", "Message", "Told"]


class Told(msgspec.Struct, frozen=True):
    """What a receiver knows of one alert: ``firing``, ``flapping`` or ``resolved``, and of which firing."""

    status: str
    started_at: float


class Group(msgspec.Struct):
    """What a receiver knows of one group.

    Attributes:
        first_at: Unix seconds at which there was something to tell.
        flushed_at: Unix seconds of the last message; None before the first.
    """

    first_at: float
    flushed_at: float | None = None
    told: dict[str, Told] = msgspec.field(default_factory=dict)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one receiver is to be told of one group.

    Attributes:
        known: Fingerprints of the alerts that it takes for firing already.
    """

    key: str
    labels: dict[str, str]
    alerts: tuple[Alert, ...]
    at: float
    known: frozenset[str] = frozenset()


class Grouping:
    """The groups of one receiver. Not thread-safe: the evaluating thread owns it."""

    def __init__(self, route: Route) -> None:
        """Tell by *route*."""
        self.route = route
        self._matchers = Matchers(route.where)
        self._groups: dict[str, Group] = {}
        self._delivered: dict[str, Group] = {}

    def flush(self, alerts: Iterable[Alert], now: float) -> list[Message]:
        """Return what is due at *now* (Unix seconds); *alerts* are all that fire, and those that are over."""
        present: dict[str, list[Alert]] = {}
        labels: dict[str, dict[str, str]] = {}
        for alert in alerts:
            if alert.started_at is not None and self.route.accepts(alert, self._matchers):
                key, labels[key] = self.route.key(alert)
                present.setdefault(key, []).append(alert)
        for key in set(self._groups) - set(present):
            self._forget(key)
        messages = []
        for key, members in present.items():
            told = self._flush(key, members, now)
            if told:
                known = self._known(key)
                messages.append(Message(key=key, labels=dict(labels[key]), alerts=tuple(told), at=now, known=known))
        return messages

    def _known(self, key: str) -> frozenset[str]:
        delivered = self._delivered.get(key)
        told = delivered.told if delivered is not None else {}
        return frozenset(each for each, known in told.items() if known.status != "resolved")

    def _flush(self, key: str, members: list[Alert], now: float) -> list[Alert]:
        group = self._groups.get(key)
        known: Mapping[str, Told] = group.told if group is not None else {}
        news = [alert for alert in members if self._is_news(alert, known.get(alert.fingerprint))]
        steady = [alert for alert in members if self._is_steady(alert, known.get(alert.fingerprint))]
        if not news and not steady and not any(alert.is_firing and alert.fingerprint in known for alert in members):
            self._forget(key)
            return []
        if group is None:
            group = self._groups[key] = Group(now)
        self._prune(key, {alert.fingerprint for alert in members})
        if now < self._due(group, steady, is_news=bool(news)):
            return []
        group.flushed_at = now
        told = news + [alert for alert in steady if alert not in news]
        group.told.update({alert.fingerprint: _told(alert) for alert in told})
        return told

    def _due(self, group: Group, steady: list[Alert], *, is_news: bool) -> float:
        if group.flushed_at is None:
            return group.first_at + self.route.group_wait
        if is_news:
            return group.flushed_at + self.route.group_interval
        if any(not alert.acknowledged_by for alert in steady):
            return group.flushed_at + self.route.repeat_interval
        return float("inf")

    def _is_news(self, alert: Alert, told: Told | None) -> bool:
        if told == _told(alert):
            return False
        if alert.is_firing:
            return not alert.is_muted
        is_known = told is not None and told.status != "resolved" and alert.state is AlertState.RESOLVED
        return is_known and self.route.send_resolved

    def _is_steady(self, alert: Alert, told: Told | None) -> bool:
        """Return whether *alert* was told as it is and belongs into the next message all the same."""
        if told != _told(alert):
            return False
        return not alert.is_muted if alert.is_firing else self.route.repeat_resolved

    def _prune(self, key: str, present: set[str]) -> None:
        for groups in (self._groups, self._delivered):
            group = groups.get(key)
            if group is not None and not group.told.keys() <= present:
                group.told = {each: told for each, told in group.told.items() if each in present}

    def _forget(self, key: str) -> None:
        self._groups.pop(key, None)
        self._delivered.pop(key, None)

    def confirm(self, key: str, alerts: Iterable[Alert], at: float) -> None:
        """Note that the receiver got *alerts* of a group in a message of *at*."""
        known = self._groups.get(key)
        if known is None:
            return
        group = self._delivered.setdefault(key, Group(known.first_at))
        group.flushed_at = max(at, group.flushed_at or 0.0)
        group.told.update({alert.fingerprint: _told(alert) for alert in alerts})

    def dump(self) -> dict[str, Group]:
        """Return what was delivered, to be given to `load` of the next leader."""
        return _copies(self._delivered)

    def load(self, delivered: Mapping[str, Group]) -> None:
        """Go on from what another leader delivered."""
        self._groups, self._delivered = _copies(delivered), _copies(delivered)


def _copies(groups: Mapping[str, Group]) -> dict[str, Group]:
    return {key: Group(each.first_at, each.flushed_at, dict(each.told)) for key, each in groups.items()}


def _told(alert: Alert) -> Told:
    started_at = alert.started_at or 0.0
    if alert.is_flapping:
        return Told("flapping", 0.0)
    return Told("firing" if alert.is_firing else "resolved", started_at)
