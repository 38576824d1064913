"""The contract of the JSON beside each page: one type for each document, from which the OpenAPI document is made.

`Page.document` of a page returns the type of its own, so the type checker keeps what is sent and what is promised
alike. Only who makes the OpenAPI document imports this: it brings in the snapshots of all components. A field may join
within a version; one that goes or changes its meaning raises `perfkit.snapshot.SCHEMA_VERSION`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

from perfkit.advice import Outlook, Score, Targets, Verdict
from perfkit.advice.codes import Meaning
from perfkit.advice.ledger import Fixed, Release, Snoozed
from perfkit.alerts.snapshot import AlertRecord, AlertsSnapshot
from perfkit.cache.snapshot import CacheSnapshot
from perfkit.core.findings import Finding
from perfkit.dashboard.actions.audit import Done
from perfkit.dashboard.exchange.handler import Handler
from perfkit.dashboard.pages.components.database import PoolRow
from perfkit.dashboard.pages.components.upstreams import HostRow
from perfkit.dashboard.pages.route import Outcome
from perfkit.dashboard.pages.service.settings import SettingRow
from perfkit.dashboard.timeline.comparison import Comparison
from perfkit.dashboard.timeline.releases import ByRelease
from perfkit.database.report.statistics import SlowQuery
from perfkit.database.snapshot import DatabaseSnapshot
from perfkit.health.snapshot import HealthSnapshot
from perfkit.load_balancer.explanation import Explanation
from perfkit.load_balancer.snapshot import LoadBalancerSnapshot
from perfkit.performance.blocking.report import BlockedSite
from perfkit.performance.snapshot import (
    Breach,
    Latency,
    PerformanceSnapshot,
    RouteSnapshot,
    Trend,
    WorkerSnapshot,
)
from perfkit.recorder.estimate import Estimate

__all__ = [
    "AbsentDocument",
    "ActionsDocument",
    "AdviceDocument",
    "AlertsDocument",
    "CacheDocument",
    "CodeDocument",
    "DatabaseDocument",
    "Envelope",
    "HealthDocument",
    "OverviewDocument",
    "QueryDocument",
    "RouteComparison",
    "RouteDocument",
    "RoutesDocument",
    "RuntimeDocument",
    "SettingsDocument",
    "SliceDocument",
    "UpstreamsDocument",
]


class Envelope(TypedDict):
    """What every document has.

    Attributes:
        version: Of the documents.
        at: Unix seconds of the numbers.
        release: The app's own; empty if it is not known.
        perfkit: perfkit's version.
        is_shared: True if the numbers are those of all workers, False if of this one alone.
        degraded: Why the store could not do what was wished; empty if it could.
    """

    version: int
    at: float
    service: str
    environment: str
    release: str
    perfkit: str
    is_shared: bool
    degraded: str


class AbsentDocument(TypedDict):
    """What stands in place of a page's own fields where its component is switched off, or has nothing to do yet."""

    state: Literal["off", "asleep"]


class SliceDocument(TypedDict):
    """What ended between two moments (Unix seconds); the counts are by bucket, those above the last one at the end."""

    start: float
    end: float
    counts: Sequence[float]


class OverviewDocument(TypedDict):
    """The verdict, the score, what to do, and each component's snapshot under its word.

    Attributes:
        trend: Of the range that was asked for.
        boundaries, slices: Durations in slices of time; the boundaries are seconds.
        comparison: With what was before; null where nothing is compared.
        recordings: Unix seconds at which somebody began to measure anew, the latest last.
        score: Null while there is nothing to score from.
        outlook: About what the score would be without the first findings that cost points.
        recommendations: The most urgent first.
        performance, health, alerts, cache, database, load_balancer: Null where switched off or asleep.
        off, asleep: The components that are switched off, and those that wait for something to do.
    """

    targets: Targets
    verdict: Verdict
    trend: Trend
    boundaries: Sequence[float]
    slices: Sequence[SliceDocument]
    comparison: Comparison | None
    recordings: Sequence[float]
    score: Score | None
    outlook: Outlook | None
    recommendations: Sequence[Finding]
    fixed: Sequence[Fixed]
    snoozed: Sequence[Snoozed]
    releases: Sequence[Release]
    performance: PerformanceSnapshot | None
    health: HealthSnapshot | None
    alerts: AlertsSnapshot | None
    cache: CacheSnapshot | None
    database: DatabaseSnapshot | None
    load_balancer: LoadBalancerSnapshot | None
    off: Sequence[str]
    asleep: Sequence[str]


RoutesDocument = TypedDict(
    "RoutesDocument", {"window": float, "total": int, "from": int, "routes": Sequence[RouteSnapshot]}
)
RoutesDocument.__doc__ = """One part of the list of all routes.

Attributes:
    window: Seconds that the numbers cover; fewer than the range while the service is younger.
    total: Routes of the whole list.
    from: The first one of this part, counted from 0.
"""


class RouteComparison(TypedDict):
    """One route before and since; null where it had no request."""

    before: RouteSnapshot | None
    since: RouteSnapshot | None


class RouteDocument(TypedDict):
    """One route; where it had no request in the range, `route` is null and all else is missing.

    Attributes:
        window: Seconds that the numbers cover.
        handler: The function that answers it; null where the app does not say.
        target: Seconds that 95 of 100 of its requests should stay within.
        outcomes: The same by status and error, the most first.
        boundaries, counts: Its histogram: requests up to each boundary (seconds), those above the last one at the end.
        slices: The same in slices of time.
        comparison: With what was before; null where nothing is compared.
        releases: What it was like in each release that is remembered, the last first.
        what_if: What it would save if its dearest parts took no time.
        recommendations: The findings that name it.
    """

    route: RouteSnapshot | None
    window: NotRequired[float]
    handler: NotRequired[Handler | None]
    target: NotRequired[float]
    outcomes: NotRequired[Sequence[Outcome]]
    trend: NotRequired[Trend]
    boundaries: NotRequired[Sequence[float]]
    counts: NotRequired[Sequence[float]]
    slices: NotRequired[Sequence[SliceDocument]]
    comparison: NotRequired[RouteComparison | None]
    releases: NotRequired[Sequence[ByRelease]]
    what_if: NotRequired[Sequence[Estimate]]
    recommendations: NotRequired[Sequence[Finding]]


class DatabaseDocument(TypedDict):
    """The component's snapshot, the shapes of statements that the query asks for, and the pools."""

    database: DatabaseSnapshot | None
    queries: Sequence[SlowQuery]
    pools: Sequence[PoolRow]


class QueryDocument(TypedDict):
    """One shape of statement, null if it is not known, and the findings about it."""

    query: SlowQuery | None
    findings: Sequence[Finding]


class CacheDocument(TypedDict):
    """The component's snapshot."""

    cache: CacheSnapshot | None


class UpstreamsDocument(TypedDict):
    """The servers that are balanced over, why each is picked or not (null without servers), and the hosts called."""

    load_balancer: LoadBalancerSnapshot | None
    explanation: Explanation | None
    hosts: Sequence[HostRow]


class RuntimeDocument(TypedDict):
    """The workers: what they use, how long things wait, what blocked them.

    Attributes:
        cpu: Cores used by all workers over the last second.
        memory: Resident bytes of all workers.
        uptime: Seconds since the oldest live worker started.
        gc_share: Part of the time that the garbage collector stopped the workers, 0-1.
        unavailable: Why a metric is not told on this platform, by its name.
    """

    in_flight: int
    cpu: float | None
    memory: float | None
    threads: int | None
    open_files: int | None
    uptime: float
    workers: Sequence[WorkerSnapshot]
    event_loop_lag: Latency
    queue_time: Latency
    gc_pause: Latency
    gc_share: float | None
    breaches: Sequence[Breach]
    blocked: Sequence[BlockedSite]
    unavailable: dict[str, str]


class HealthDocument(TypedDict):
    """The component's snapshot."""

    health: HealthSnapshot


class AlertsDocument(TypedDict):
    """The component's snapshot, and what fired before, the last first."""

    alerts: AlertsSnapshot | None
    history: Sequence[AlertRecord]


class AdviceDocument(TypedDict):
    """All findings, the most urgent first; the score; what was fixed and snoozed.

    Attributes:
        score: Null while there is nothing to score from.
        outlook: About what the score would be without the first findings that cost points.
    """

    score: Score | None
    outlook: Outlook | None
    findings: Sequence[Finding]
    snoozed: Sequence[Snoozed]
    fixed: Sequence[Fixed]
    releases: Sequence[Release]


class CodeDocument(TypedDict):
    """What codes of findings mean: the one that is asked for, or all."""

    codes: Sequence[Meaning]


class ActionsDocument(TypedDict):
    """What was done from the dashboard, the last first."""

    done: Sequence[Done]


class SettingsDocument(TypedDict):
    """The settings in force."""

    settings: Sequence[SettingRow]
