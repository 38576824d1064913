"""What a page is made of; whoever serves it fills this in."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec

from perfkit.advice import Outlook, Score, Targets, Verdict
from perfkit.advice.ledger import Fixed, Release, Snoozed
from perfkit.core.findings import Finding
from perfkit.dashboard.editor import Editor
from perfkit.health.snapshot import HealthSnapshot
from perfkit.performance.snapshot import PerformanceSnapshot

if TYPE_CHECKING:
    from perfkit.alerts.snapshot import AlertsSnapshot
    from perfkit.cache.snapshot import CacheSnapshot
    from perfkit.dashboard.actions.audit import Done
    from perfkit.database.snapshot import DatabaseSnapshot
    from perfkit.load_balancer.snapshot import LoadBalancerSnapshot

__all__ = ["LIVE_SECONDS", "OverviewData", "live_interval"]

LIVE_SECONDS = 5
"""How often a live page loads itself again."""


class OverviewData(msgspec.Struct, frozen=True, kw_only=True):
    """All the overview shows.

    Attributes:
        release: The app's own release; empty if it is not known.
        version: perfkit's version.
        score: None while there is nothing to score from.
        outlook: About what the score would be without the first findings; None where they cost no points.
        recommendations: The most urgent first.
        fixed: What was wrong and is gone, the latest first, with its proof.
        snoozed: What nobody wants to hear of now.
        releases: The changes of the app's release, the latest last.
        recordings: Unix seconds at which somebody began to measure anew, the latest last.
        cache, database, load_balancer: None where switched off or asleep.
        missing: Of `performance` and `health` what is switched off; its snapshot is then an empty one.
        alerts: None where switched off.
        off, asleep: The components that are switched off, and those that wait for something to do.
        at: Unix seconds of the numbers.
        timezone: The server's zone, in which times are shown.
        is_shared: True if the numbers are those of all workers, False if of this one alone.
        degraded: Why the store could not do what was wished; empty if it could.
        background_share: Part of one core that perfkit's own threads take in this worker; None if it is not known.
        live: Seconds after which the page loads itself again; None for a page that stands still.
        action_token: What the forms of this visitor bring; empty for who may not act.
        editor: What opens a line of code; None outside of development, or where nobody says.
        done: What the visitor did just now, where an action led here.
        page_url: Absolute URL of this page as the visitor reached it; only for lines to copy into a shell.
        home_url, health_url, metrics_url: Relative to the page; empty where there is none.
    """

    service: str
    environment: str
    release: str = ""
    version: str
    verdict: Verdict
    score: Score | None = None
    outlook: Outlook | None = None
    recommendations: tuple[Finding, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    snoozed: tuple[Snoozed, ...] = ()
    releases: tuple[Release, ...] = ()
    recordings: tuple[float, ...] = ()
    performance: PerformanceSnapshot
    health: HealthSnapshot
    cache: CacheSnapshot | None = None
    database: DatabaseSnapshot | None = None
    load_balancer: LoadBalancerSnapshot | None = None
    alerts: AlertsSnapshot | None = None
    missing: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    asleep: tuple[str, ...] = ()
    targets: Targets = Targets()
    at: float
    timezone: tzinfo = UTC
    is_shared: bool = True
    degraded: str = ""
    background_share: float | None = None
    live: int | None = None
    action_token: str = ""
    editor: Editor | None = None
    done: Done | None = None
    page_url: str = "http://127.0.0.1:8000/perfkit/"
    home_url: str = "../"
    health_url: str = "../health"
    metrics_url: str = "../metrics"


def live_interval(query: str) -> int | None:
    """Return the `OverviewData.live` that a query string asks for (``live=5``): 2 to 60 s, else None."""
    try:
        wished = int(parse_qs(query, max_num_fields=20).get("live", ["0"])[-1][:4])
    except ValueError:
        return None
    return wished if 2 <= wished <= 60 else None
