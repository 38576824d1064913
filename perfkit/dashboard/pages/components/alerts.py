"""What fires, what fired, and the rules behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from perfkit.advice.wording import NOTHING, age, count, percent, significant
from perfkit.alerts.alert import Alert, AlertState, Severity
from perfkit.alerts.snapshot import AlertRecord, AlertsSnapshot
from perfkit.alerts.watch import figure
from perfkit.dashboard.actions.forms import action_form
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Given
from perfkit.dashboard.parts import Columns, breakable, cell, empty, route_link, section, state, table
from perfkit.dashboard.sections.found import found_card
from perfkit.dashboard.times import stamp

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import AlertsDocument
    from perfkit.system import PerformanceSystem

__all__ = ["ALERTS", "AlertsFound"]

MOST = 100
"""Rows of one table."""

_TONES = {Severity.CRITICAL: "bad", Severity.WARNING: "warn", Severity.INFO: "unknown"}
_STATES = {
    AlertState.FIRING: "bad",
    AlertState.PENDING: "warn",
    AlertState.RESOLVED: "ok",
    AlertState.INACTIVE: "ok",
}


class AlertsFound(msgspec.Struct, frozen=True):
    """The history, the last first."""

    history: tuple[AlertRecord, ...] = ()


class Alerts(Page[AlertsFound]):
    """Alerts with their buttons; history, rules, objectives, silences, receivers."""

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> AlertsFound:
        """Return the history."""
        return AlertsFound(tuple(system.alerts.get_alert_history(MOST)))

    def content(self, shown: OverviewData, found: AlertsFound | None, given: Given) -> Child:
        """Return the cards."""
        alerts = shown.alerts
        if alerts is None:
            return empty("Alerts were not evaluated yet.")
        quiet = [*alerts.pending, *alerts.resolved]
        return [
            h("h1", {"class": "hidden"}, "Alerts"),
            _active(shown, given, alerts),
            found_card(shown, given, "alerts"),
            section("soon", "Pending and just over", _table(shown, given, quiet, "Pending and just over"))
            if quiet
            else None,
            _history(shown, (found or AlertsFound()).history),
            _rules(shown, given, alerts),
            _objectives(alerts),
            _silences(shown, given, alerts),
            _receivers(shown, alerts),
        ]

    def document(self, shown: OverviewData, found: AlertsFound | None, given: Given) -> AlertsDocument:
        """Return the component's snapshot and the history."""
        return {"alerts": shown.alerts, "history": (found or AlertsFound()).history}


def _active(shown: OverviewData, given: Given, alerts: AlertsSnapshot) -> Markup:
    if alerts.evaluated_at is None:
        when = "not evaluated yet"
    else:
        when = f"evaluated {age(max(0.0, shown.at - alerts.evaluated_at))} ago"
    if not alerts.active:
        return section("active", "Firing", empty("Nothing fires."), note=when)
    return section("active", "Firing", _table(shown, given, alerts.active, "Firing", may_act=True), note=when)


def _table(shown: OverviewData, given: Given, alerts: Sequence[Alert], label: str, *, may_act: bool = False) -> Markup:
    columns: Columns = [
        ("Alert", ""),
        ("State", ""),
        ("Says", "text"),
        ("Value", "number"),
        ("Limit", "number"),
        ("For", "number"),
        ("About", ""),
    ]
    units = {rule.name: rule.unit for rule in shown.alerts.rules} if shown.alerts is not None else {}
    is_acting = may_act and bool(shown.action_token)
    if is_acting:
        columns.append(("", ""))
    rows = [
        [
            *_alert(each, shown.at, units.get(each.name, "")),
            *([cell(_buttons(shown, given, each), "")] if is_acting else []),
        ]
        for each in alerts[:MOST]
    ]
    return table(label, columns, rows, "alerts")


def _alert(alert: Alert, at: float, unit: str) -> list[Child]:
    marks = [
        word
        for word, is_so in (
            ("flapping", alert.is_flapping),
            ("silenced", alert.is_silenced),
            (f"muted by {alert.inhibited_by}", bool(alert.inhibited_by)),
            (f"acknowledged by {alert.acknowledged_by}", bool(alert.acknowledged_by)),
        )
        if is_so
    ]
    tone = _TONES[alert.severity] if alert.state is AlertState.FIRING else _STATES[alert.state]
    return [
        h("span", None, alert.name, [[" ", h("span", {"class": "tag"}, mark)] for mark in marks]),
        cell(state(tone, f"{alert.severity} {alert.state}"), ""),
        cell(alert.message, "text"),
        cell(_number(alert.value, unit)),
        cell(_number(alert.threshold, unit)),
        cell(age(max(0.0, at - alert.at))),
        cell(_about(alert.source, alert.labels), ""),
    ]


def _about(source: str, labels: Mapping[str, str]) -> Child:
    """Return what an alert is about: its route where it has one, a link to the numbers behind it.

    What is about all requests leads to what was found, ranked, each with its line of code.
    """
    route = labels.get("route") or labels.get("http_route", "")
    method = labels.get("method") or labels.get("http_request_method", "")
    if route and method:
        return route_link(method, route, h("code", None, breakable(f"{method} {route}")))
    if labels.get("check") in ("latency", "errors"):
        return h("a", {"href": "./advice"}, source)
    pages = {"database": "database", "cache": "cache", "load_balancer": "upstreams", "health": "health"}
    return h("a", {"href": f"./{pages.get(source.partition('.')[0], 'runtime')}"}, source)


def _number(value: float | None, unit: str) -> str:
    """Return *value* in its *unit*, as the alert's own message says it."""
    if value is None:
        return NOTHING
    return figure(value, unit) if unit in ("seconds", "ratio", "bytes") else significant(value)


def _buttons(shown: OverviewData, given: Given, alert: Alert) -> Child:
    note = f"the alert {alert.name}"
    return [
        None
        if alert.acknowledged_by
        else action_form(
            shown, given, "alert-acknowledge", "Acknowledge", says={"alert": alert.fingerprint}, note=note
        ),
        None if alert.is_silenced else _silence(shown, given, alert.name),
    ]


def _silence(shown: OverviewData, given: Given, rule: str) -> Markup | None:
    """Return the button that mutes all alerts of a rule for an hour; None for who may not act."""
    note = f"the rule {rule}"
    return action_form(shown, given, "alert-silence", "Silence for an hour", says={"rule": rule}, note=note)


def _history(shown: OverviewData, history: Sequence[AlertRecord]) -> Markup:
    if not history:
        return section("history", "History", empty("No alert has fired yet."))
    columns: Columns = [
        ("When", ""),
        ("Alert", ""),
        ("Became", ""),
        ("Says", "text"),
        ("Fired for", "number"),
    ]
    rows: list[list[Child]] = [
        [
            stamp(each.at, shown.timezone),
            cell(each.name, ""),
            cell(state(_STATES[each.state], str(each.state)), ""),
            cell(each.message, "text"),
            cell(NOTHING if each.duration is None else age(each.duration)),
        ]
        for each in history[:MOST]
    ]
    return section("history", "History", table("History of alerts", columns, rows), note="the last first")


def _rules(shown: OverviewData, given: Given, alerts: AlertsSnapshot) -> Markup:
    columns: Columns = [
        ("Rule", ""),
        ("Severity", ""),
        ("State", ""),
        ("Value", "number"),
        ("Limit", "number"),
    ]
    may_act = bool(shown.action_token)
    columns += [("", "")] if may_act else []
    order = list(_STATES)
    rules = sorted(alerts.rules, key=lambda rule: (order.index(rule.state), -rule.severity.rank, rule.name))[:MOST]
    rows: list[list[Child]] = [
        [
            rule.name,
            cell(str(rule.severity), ""),
            cell(state(_STATES[rule.state], str(rule.state)), ""),
            cell(_number(rule.value, rule.unit)),
            cell(_number(rule.threshold, rule.unit)),
            *([cell(_silence(shown, given, rule.name), "")] if may_act else []),
        ]
        for rule in rules
    ]
    body = (
        table("Rules", columns, rows)
        if rows
        else empty("There are no rules. They are set by alerts.rules, or added by system.alerts.add_rule.")
    )
    return section("rules", "Rules", body, note=count(len(alerts.rules), "rule"))


def _objectives(alerts: AlertsSnapshot) -> Markup | None:
    if not alerts.slos:
        return None
    columns: Columns = [
        ("Objective", ""),
        ("Goal", "number"),
        ("Over", "number"),
        ("Events", "number"),
        ("Bad", "number"),
        ("Budget left", "number"),
    ]
    rows: list[list[Child]] = [
        [
            each.name,
            cell(f"{each.objective:.5g}"),
            cell(age(each.period)),
            cell(count(round(each.events))),
            cell(count(round(each.bad))),
            cell(percent(each.budget_left)),
        ]
        for each in alerts.slos
    ]
    return section("objectives", "Objectives", table("Objectives", columns, rows))


def _silences(shown: OverviewData, given: Given, alerts: AlertsSnapshot) -> Markup | None:
    if not alerts.silences:
        return None
    may_act = bool(shown.action_token)
    columns: Columns = [("Mutes", ""), ("Until", ""), ("By", ""), ("Why", "text")]
    columns += [("", "")] if may_act else []
    rows: list[list[Child]] = []
    for each in alerts.silences[:MOST]:
        where = ", ".join(f"{name}={value}" for name, value in each.where.items())
        row: list[Child] = [
            h("code", None, where),
            cell(stamp(each.ends_at, shown.timezone), ""),
            cell(each.author or NOTHING, ""),
            cell(each.comment or NOTHING, "text"),
        ]
        if may_act:
            form = action_form(
                shown, given, "alert-unsilence", "End", says={"silence": each.id}, note=f"the silence of {where}"
            )
            row.append(cell(form, ""))
        rows.append(row)
    return section("silences", "Silences", table("Silences", columns, rows))


def _receivers(shown: OverviewData, alerts: AlertsSnapshot) -> Markup | None:
    if not alerts.receivers:
        return None
    told = [msgspec.to_builtins(each) for each in alerts.receivers]
    titles = [name for name in told[0] if name != "name"]
    kinds = {title: "number" if isinstance(told[0][title], int) else "text" for title in titles}
    columns: Columns = [
        ("Receiver", ""),
        *((title.replace("_", " ").capitalize(), kinds[title]) for title in titles),
    ]
    rows: list[list[Child]] = [
        [each["name"], *(cell(_said(shown, title, each[title]), kinds[title]) for title in titles)] for each in told
    ]
    return section("receivers", "Receivers", table("Receivers", columns, rows))


def _said(shown: OverviewData, title: str, value: object) -> Child:
    if value in (None, ""):
        return NOTHING
    if title.endswith(("_at", "_since")) and isinstance(value, int | float):
        return stamp(float(value), shown.timezone)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


ALERTS = Alerts()
