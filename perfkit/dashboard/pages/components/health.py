"""Is the service well: its probes, each check with its latest changes, each worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from perfkit.advice.wording import NOTHING, age, count, seconds
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Given
from perfkit.dashboard.parts import Columns, cell, empty, section, state, status_mark, table
from perfkit.dashboard.sections.found import found_card
from perfkit.dashboard.sections.tables import checks_table
from perfkit.dashboard.times import stamp
from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import HealthDocument

__all__ = ["HEALTH"]

MOST = 40
"""Changes of one list."""


class Health(Page[None]):
    """Probes, checks, changes, workers."""

    def content(self, shown: OverviewData, found: None, given: Given) -> Child:
        """Return the cards."""
        health = shown.health
        return [
            h("h1", {"class": "hidden"}, "Health"),
            _probes(shown, health),
            found_card(shown, given, "health"),
            section("checks", "Health checks", checks_table(health, shown.at), note="the worst first"),
            _runs(health.checks, shown.at),
            _changes(shown, health.checks),
            _workers(shown, health),
        ]

    def document(self, shown: OverviewData, found: None, given: Given) -> HealthDocument:
        """Return the component's snapshot."""
        return {"health": shown.health}


def _probes(shown: OverviewData, health: HealthSnapshot) -> Markup:
    said = (
        ("ready", health.is_ready, "takes traffic", "draining" if health.is_draining else "takes no traffic"),
        ("live", health.is_live, "needs no restart", "should be restarted"),
        ("startup", health.is_started, "the start is over", "still starting"),
    )
    columns: Columns = [("Probe", ""), ("Answers", ""), ("That is", "text")]
    rows: list[list[Child]] = [
        [
            h("a", {"href": f"{shown.health_url}/{name}"}, h("code", None, name)) if shown.health_url else name,
            cell(state("ok" if fine else "bad", "200" if fine else "503"), ""),
            cell(meaning if fine else otherwise, "text"),
        ]
        for name, fine, meaning, otherwise in said
    ]
    status = status_mark(health.status, pill=True)
    return section("probes", "Probes", table("Probes", columns, rows), note=["The service is ", status])


def _runs(checks: Sequence[CheckSnapshot], at: float) -> Markup | None:
    timed = [check for check in checks if check.duration is not None]
    if not timed:
        return None
    columns: Columns = [
        ("Check", ""),
        ("Took", "number"),
        ("p95", "number"),
        ("Failures in a row", "number"),
        ("Took too long", "number"),
        ("Ran", "number"),
        ("Needs", "text"),
    ]
    rows: list[list[Child]] = [
        [
            check.name,
            cell(seconds(check.duration)),
            cell(seconds(check.p95)),
            cell(count(check.failures)),
            cell(count(check.timeouts)),
            cell(NOTHING if check.checked_at is None else f"{age(at - check.checked_at)} ago"),
            cell(", ".join(check.depends_on) or NOTHING, "text"),
        ]
        for check in timed
    ]
    return section("runs", "How they run", table("How the checks run", columns, rows))


def _changes(shown: OverviewData, checks: Sequence[CheckSnapshot]) -> Markup:
    changes = sorted(
        ((change, check.name) for check in checks for change in check.history), key=lambda each: -each[0].at
    )
    if not changes:
        return section("changes", "Changes", empty("No check has changed its status yet."))
    columns: Columns = [("When", ""), ("Check", ""), ("Became", ""), ("Said", "text")]
    rows: list[list[Child]] = [
        [
            stamp(change.at, shown.timezone),
            cell(name, ""),
            cell(status_mark(change.status), ""),
            cell(change.message or NOTHING, "text"),
        ]
        for change, name in changes[:MOST]
    ]
    return section("changes", "Changes", table("Changes of status", columns, rows), note="the last first")


def _workers(shown: OverviewData, health: HealthSnapshot) -> Markup | None:
    if not health.workers:
        return None
    columns: Columns = [
        ("Worker", ""),
        ("PID", "number"),
        ("Status", ""),
        ("Is", "text"),
        ("Said", "number"),
    ]
    rows: list[list[Child]] = [
        [
            str(worker.number),
            cell(str(worker.pid)),
            cell(status_mark(worker.status), ""),
            cell(
                ", ".join(
                    word
                    for word, is_so in (
                        ("live", worker.is_live),
                        ("not live", not worker.is_live),
                        ("starting", not worker.is_started),
                        ("draining", worker.is_draining),
                    )
                    if is_so
                ),
                "text",
            ),
            cell(f"{age(max(0.0, shown.at - worker.reported_at))} ago"),
        ]
        for worker in health.workers
    ]
    return section("workers", "Workers", table("Health of the workers", columns, rows))


HEALTH = Health()
