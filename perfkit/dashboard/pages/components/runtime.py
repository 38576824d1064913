"""What the workers do: their processor, memory and files, their event loops, the garbage collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.advice.wording import NOTHING, age, count, percent, seconds, size
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Given
from perfkit.dashboard.parts import Columns, breakable, cell, section, table
from perfkit.dashboard.sections.found import figures, found_card
from perfkit.dashboard.sections.tables import blocked_table, workers_table
from perfkit.dashboard.timeline.comparison import whole_notice
from perfkit.performance.snapshot import Latency, PerformanceSnapshot

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import RuntimeDocument

__all__ = ["RUNTIME"]


class Runtime(Page[None]):
    """Workers, waiting, what blocked, what is over its threshold."""

    def content(self, shown: OverviewData, found: None, given: Given) -> Child:
        """Return the figures, the findings, the tables."""
        performance = shown.performance
        workers = count(len(performance.workers), "worker")
        cores = NOTHING if performance.cpu is None else f"{performance.cpu:.2f} cores"
        pause = f"longest pause {seconds(performance.gc_pause.max)}"
        facts = figures(
            ("Processor", cores, f"over the last second, {workers}"),
            (
                "Memory",
                size(performance.memory),
                f"{_maybe(performance.open_files)} files, {_maybe(performance.threads)} threads",
            ),
            ("Event loop lag", seconds(performance.event_loop_lag.p99), "p99; what is ready waits so long"),
            ("Garbage collector", percent(performance.gc_share), f"of the time, {pause}"),
        )
        return [
            h("h1", {"class": "hidden"}, "Runtime"),
            whole_notice(shown, "are those of now and of late, those of blocked loops count since the start"),
            facts,
            found_card(shown, given, "performance"),
            _breaches(performance, shown.at),
            section("workers", "Workers", workers_table(performance, shown.at)),
            section("blocked", "Blocked event loop", blocked_table(performance, shown.editor))
            if performance.blocked
            else None,
            _waits(performance),
        ]

    def document(self, shown: OverviewData, found: None, given: Given) -> RuntimeDocument:
        """Return the figures of the workers, without those of the routes."""
        performance = shown.performance
        return {
            "in_flight": performance.in_flight,
            "cpu": performance.cpu,
            "memory": performance.memory,
            "threads": performance.threads,
            "open_files": performance.open_files,
            "uptime": performance.uptime,
            "workers": performance.workers,
            "event_loop_lag": performance.event_loop_lag,
            "queue_time": performance.queue_time,
            "gc_pause": performance.gc_pause,
            "gc_share": performance.gc_share,
            "breaches": performance.breaches,
            "blocked": performance.blocked,
            "unavailable": performance.unavailable,
        }


def _maybe(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _breaches(performance: PerformanceSnapshot, at: float) -> Markup | None:
    if not performance.breaches:
        return None
    columns: Columns = [
        ("Threshold", ""),
        ("Route", ""),
        ("Is", "number"),
        ("Limit", "number"),
        ("Since", "number"),
    ]
    rows: list[list[Child]] = [
        [
            h("code", None, each.name),
            cell(h("code", None, breakable(each.route)) if each.route else NOTHING, ""),
            cell(_figure(each.name, each.value)),
            cell(_figure(each.name, each.threshold)),
            cell(age(at - each.since)),
        ]
        for each in performance.breaches
    ]
    return section("breaches", "Over a threshold", table("Over a threshold", columns, rows))


def _figure(name: str, value: float) -> str:
    if "memory" in name:
        return size(value)
    if any(word in name for word in ("rate", "cpu", "share", "files")):
        return percent(value)
    return seconds(value)


def _waits(performance: PerformanceSnapshot) -> Markup:
    columns: Columns = [
        ("Wait", ""),
        *((title, "number") for title in ("Mean", "p50", "p95", "p99", "Longest")),
    ]
    rows = [
        _wait("Event loop lag", performance.event_loop_lag),
        _wait("Queue before the app", performance.queue_time),
        _wait("Pause of the collector", performance.gc_pause),
    ]
    said = [f"{name}: {why}" for name, why in performance.unavailable.items()]
    foot = h("p", {"class": "footnote"}, "Not told on this platform: ", "; ".join(said), ".") if said else None
    note = "the queue is known where a proxy tells when it sent the request on"
    return section("waits", "Waiting", table("Waiting", columns, rows), foot, note=note)


def _wait(title: str, latency: Latency) -> list[Child]:
    told = (latency.mean, latency.p50, latency.p95, latency.p99, latency.max)
    return [title, *(cell(seconds(value)) for value in told)]


RUNTIME = Runtime()
