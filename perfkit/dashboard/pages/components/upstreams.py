"""Whom the service asks: the servers that it balances over, and the hosts of its own HTTP calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from perfkit.advice.wording import count, percent, seconds
from perfkit.core.families import Histogram
from perfkit.dashboard.actions.forms import action_form
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Given
from perfkit.dashboard.parts import Columns, breakable, cell, empty, marked, section, table
from perfkit.dashboard.sections.components import TONES, server_row
from perfkit.dashboard.sections.found import figures, found_card
from perfkit.load_balancer.explanation import Explanation
from perfkit.load_balancer.outbound.calls import CALLS, FAILURES
from perfkit.load_balancer.servers import ServerState
from perfkit.load_balancer.snapshot import LoadBalancerSnapshot, ServerSnapshot
from perfkit.store.quantiles import quantile

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import UpstreamsDocument
    from perfkit.system import PerformanceSystem

__all__ = ["UPSTREAMS", "HostRow", "UpstreamsFound"]

MOST = 100
"""Rows of one table."""


class HostRow(msgspec.Struct, frozen=True, kw_only=True):
    """One host that the app calls, all workers since they started.

    Attributes:
        seconds: In all, until the head of the answer.
        failures: 5xx, timeouts, and what could not be reached.
        outcomes: Calls by outcome: ``2xx``, ``timeout``…
    """

    host: str
    calls: int
    failures: int
    seconds: float
    p95: float | None
    outcomes: dict[str, int]


class UpstreamsFound(msgspec.Struct, frozen=True, kw_only=True):
    """The hosts, and why each server is picked or not; None without servers."""

    hosts: tuple[HostRow, ...] = ()
    explanation: Explanation | None = None


class Upstreams(Page[UpstreamsFound]):
    """Servers with their buttons, hosts with their outcomes."""

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> UpstreamsFound:
        """Return the hosts, and what the balancer says of its servers."""
        has_servers = shown.load_balancer is not None and bool(shown.load_balancer.servers)
        return UpstreamsFound(hosts=_hosts(system), explanation=system.load_balancer.explain() if has_servers else None)

    def content(self, shown: OverviewData, found: UpstreamsFound | None, given: Given) -> Child:
        """Return the figures, the findings, the tables."""
        balancer, found = shown.load_balancer, found or UpstreamsFound()
        parts: list[Child] = [h("h1", {"class": "hidden"}, "Upstreams")]
        if balancer is not None and balancer.servers:
            refused = f"{count(balancer.refused_retries)} refused by the budget"
            parts.append(
                figures(
                    ("Servers well", f"{balancer.healthy} of {len(balancer.servers)}", balancer.strategy),
                    ("Requests", count(balancer.picks), f"{count(balancer.in_flight)} in flight"),
                    ("Failed", count(balancer.failures), f"{count(balancer.ejections)} ejections"),
                    ("Retries", count(balancer.retries), refused),
                )
            )
        parts.append(found_card(shown, given, "load_balancer"))
        if balancer is not None and balancer.servers:
            parts.append(_servers(shown, balancer, found.explanation, given))
        parts.append(_hosts_card(found.hosts))
        return parts

    def document(self, shown: OverviewData, found: UpstreamsFound | None, given: Given) -> UpstreamsDocument:
        """Return the same."""
        found = found or UpstreamsFound()
        return {"load_balancer": shown.load_balancer, "explanation": found.explanation, "hosts": found.hosts}


def _hosts(system: PerformanceSystem) -> tuple[HostRow, ...]:
    sums: dict[str, dict[str, Any]] = {}
    for family in system.store.families({CALLS.name}):
        for point in family.points:
            if isinstance(point.value, Histogram) and point.value.count:
                host, _, outcome = point.labels
                row = sums.setdefault(host, {"outcomes": {}, "all": []})
                row["outcomes"][outcome] = row["outcomes"].get(outcome, 0) + int(point.value.count)
                row["all"].append(point.value)
    rows = [
        HostRow(
            host=host,
            calls=sum(row["outcomes"].values()),
            failures=sum(number for outcome, number in row["outcomes"].items() if outcome in FAILURES),
            seconds=sum(each.sum for each in row["all"]),
            p95=max(quantile(each.boundaries, each.counts, 0.95) for each in row["all"]),
            outcomes=dict(sorted(row["outcomes"].items())),
        )
        for host, row in sums.items()
    ]
    return tuple(sorted(rows, key=lambda row: -row.seconds)[:MOST])


def _servers(
    shown: OverviewData, balancer: LoadBalancerSnapshot, explanation: Explanation | None, given: Given
) -> Markup:
    columns: Columns = [
        ("Server", ""),
        ("State", ""),
        ("Requests", "number"),
        ("In flight", "number"),
        ("Latency", "number"),
        ("Failed", "number"),
        ("Why", "text"),
    ]
    may_act = bool(shown.action_token)
    if may_act:
        columns.append(("", ""))
    order = list(TONES)
    servers = sorted(balancer.servers.values(), key=lambda server: (order.index(server.state), server.name))[:MOST]
    why = {each.name: each.reason for each in explanation.servers} if explanation is not None else {}
    rows = [
        [*server_row(server), cell(why.get(server.name, ""), "text"), *_button(shown, given, server, may_act)]
        for server in servers
    ]
    said = h("p", {"class": "footnote"}, explanation.summary) if explanation is not None else None
    note = f"{MOST} of {len(balancer.servers)}" if len(balancer.servers) > MOST else "states as this worker sees them"
    return section("servers", "Servers", table("Servers", columns, rows, "servers"), said, note=note)


def _button(shown: OverviewData, given: Given, server: ServerSnapshot, may_act: bool) -> list[Child]:
    if not may_act:
        return []
    does, label = ("server-restore", "Restore") if server.state is ServerState.DRAINING else ("server-drain", "Drain")
    return [
        cell(action_form(shown, given, does, label, says={"server": server.name}, note=f"the server {server.name}"), "")
    ]


def _hosts_card(hosts: tuple[HostRow, ...]) -> Markup:
    note = "the app's own HTTP calls, since the start"
    if not hosts:
        said = "No call of the app over httpx, requests, urllib or aiohttp was seen yet."
        return section("hosts", "Outbound hosts", empty(said), note=note)
    columns: Columns = [
        ("Host", ""),
        ("Calls", "number"),
        ("Mean", "number"),
        ("p95", "number"),
        ("Failed", "number"),
        ("Outcomes", "text"),
    ]
    rows: list[list[Child]] = [
        [
            h("code", None, breakable(row.host)),
            cell(count(row.calls)),
            cell(seconds(row.seconds / row.calls)),
            cell(seconds(row.p95)),
            cell(marked(percent(row.failures / row.calls), over=row.failures > 0.05 * row.calls)),
            cell(", ".join(f"{outcome} {number:,}" for outcome, number in row.outcomes.items()), "text"),
        ]
        for row in hosts
    ]
    return section("hosts", "Outbound hosts", table("Outbound hosts", columns, rows), note=note)


UPSTREAMS = Upstreams()
