"""The overview's tables: workers, health checks, what blocked an event loop, and the charts in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import tzinfo

from perfkit.advice.wording import (
    NOTHING,
    age,
    count,
    percent,
    rate,
    route_name,
    seconds,
    significant,
    size,
)
from perfkit.core.status import Status
from perfkit.dashboard.editor import Editor
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import breakable, cell, empty, site_code, status_mark, table
from perfkit.dashboard.timeline.moments import Moment
from perfkit.dashboard.times import clock_time
from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot
from perfkit.performance.blocking.report import BlockedSite
from perfkit.performance.snapshot import PerformanceSnapshot, Trend, WorkerSnapshot

__all__ = ["blocked_table", "checks_table", "trend_table", "workers_table"]

MOST_WORKERS = 16


def workers_table(performance: PerformanceSnapshot, at: float) -> list[Markup]:
    """Return one row per live worker."""
    if not performance.workers:
        return [empty("No worker has reported yet; the first numbers come within a second.")]
    columns = [
        ("Worker", ""),
        ("PID", "number"),
        ("Requests", "number"),
        ("In flight", "number"),
        ("CPU", "number"),
        ("Memory", "number"),
        ("Threads", "number"),
        ("Files", "number"),
        ("Up", "number"),
    ]
    ordered = sorted(performance.workers, key=lambda worker: worker.number)
    rows = [_worker(worker, at) for worker in ordered]
    parts = [table("Workers", columns, rows[:MOST_WORKERS], "workers")]
    if rest := rows[MOST_WORKERS:]:
        summary = h("summary", None, f"Show the other {count(len(rest), 'worker')}")
        parts.append(h("details", None, summary, table("Other workers", columns, rest, "workers")))
    return parts


def _worker(worker: WorkerSnapshot, at: float) -> list[Child]:
    return [
        h("span", None, str(worker.number), _tag("this page") if worker.is_self else None),
        cell(str(worker.pid)),
        cell(count(worker.requests)),
        cell(count(worker.in_flight)),
        cell(percent(worker.cpu)),
        cell(size(worker.memory)),
        cell(_maybe(worker.threads)),
        cell(_maybe(worker.open_files)),
        cell(age(at - worker.started_at)),
    ]


def blocked_table(performance: PerformanceSnapshot, editor: Editor | None = None) -> list[Markup]:
    """Return one row per call that blocked an event loop, the dearest first; calls open in the *editor*."""
    columns = [
        ("Call", ""),
        ("Serving", ""),
        ("Times", "number"),
        ("Longest", "number"),
        ("In all", "number"),
        ("Others waited", "number"),
        ("Last", "number"),
    ]
    rows = [_blocked(site, performance.at, editor) for site in performance.blocked]
    advice = (
        "While one of these ran, its worker answered nobody else. Await an async call there, or run it in a thread."
    )
    return [table("Blocked event loop", columns, rows, "blocked"), h("p", {"class": "footnote"}, advice)]


def _blocked(site: BlockedSite, at: float, editor: Editor | None) -> list[Child]:
    last = site.last
    where = site_code(site.site, editor) if site.site else "a call that was not seen"
    inside = h("span", {"class": "note"}, f" in {site.function}") if site.function else None
    return [
        h("span", None, where, inside),
        cell(h("code", None, breakable(route_name(last.method, last.route))) if last.method else NOTHING, ""),
        cell(count(site.count)),
        cell(seconds(site.longest)),
        cell(seconds(site.seconds)),
        cell(count(site.waiting)),
        cell(f"{age(at - site.last_at)} ago"),
    ]


def checks_table(health: HealthSnapshot, at: float) -> list[Markup]:
    """Return one row per health check, the worst first."""
    if not health.checks:
        return [empty("No health check is registered.")]
    columns = [("Check", ""), ("Status", ""), ("Says", "text"), ("Value", "number"), ("Since", "number")]
    order = (Status.CRITICAL, Status.WARNING, Status.UNKNOWN, Status.HEALTHY)
    ordered = sorted(health.checks, key=lambda check: order.index(check.status))
    return [table("Health checks", columns, [_check(check, at) for check in ordered], "checks")]


def _check(check: CheckSnapshot, at: float) -> list[Child]:
    probes = [word for word, is_so in (("critical", check.critical), ("liveness", check.liveness)) if is_so]
    ran = check.checked_at is not None
    return [
        h("span", None, check.name, [_tag(word) for word in probes]),
        cell(status_mark(check.status), ""),
        cell(check.message or (NOTHING if ran else "Not run yet."), "text"),
        cell(_value(check)),
        cell(age(at - check.changed_at) if ran else NOTHING),
    ]


def _value(check: CheckSnapshot) -> str:
    if check.value is None or not math.isfinite(check.value):
        return NOTHING
    value = float(check.value)
    if check.unit == "seconds" and value >= 120.0:
        return age(value)
    say = {"seconds": seconds, "bytes": size, "ratio": percent}.get(check.unit)
    if say:
        return say(value)
    number = f"{value:,.0f}" if value.is_integer() else significant(value)
    return f"{number} {check.unit}".strip()


def trend_table(trend: Trend, at: float, timezone: tzinfo, moments: Sequence[Moment] = ()) -> Markup:
    """Return both charts in numbers, newest first, behind a button that needs no script; *moments* in their rows."""
    columns = [("Time", ""), *((title, "number") for title in ("req/s", "Errors", "p50", "p95", "p99"))]
    length = max(map(len, (trend.rate, trend.errors, trend.p50, trend.p95, trend.p99)))
    rows: list[list[Child]] = []
    for index in range(length - 1, -1, -1):

        def value(values: Sequence[float | None], index: int = index) -> float | None:
            return values[index] if index < len(values) else None

        end = at - trend.step * (length - 1 - index)
        told = [_tag(each.name) for each in moments if end - trend.step < each.at <= end]
        cells: list[Child] = [[clock_time(end, timezone), told]]
        cells += [cell(rate(value(trend.rate))), cell(percent(value(trend.errors)))]
        cells += [cell(seconds(value(values))) for values in (trend.p50, trend.p95, trend.p99)]
        rows.append(cells)
    shown = table("The charts in numbers", columns, rows, "numbers")
    return h("details", {"class": "as-table"}, h("summary", None, "Show as table"), shown)


def _tag(word: str) -> Child:
    return [" ", h("span", {"class": "tag"}, word)]


def _maybe(value: int | None) -> str:
    return NOTHING if value is None else count(value)
