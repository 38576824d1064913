"""Writes `perfkit.json`, the dashboard for Grafana: what it shows stands here, Grafana's words are put around it.

    python docs/grafana/make.py

The file is Grafana's classic model, which every version imports. Each panel says what its figures mean and when to act;
the queries are run against a real Prometheus in the tests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["TARGET", "dashboard", "text"]

TARGET = Path(__file__).with_name("perfkit.json")

SCHEMA = 42
"""The last version of Grafana's classic model."""

WIDTH = 24
"""Columns of Grafana's grid."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
OF = 'job=~"$job", instance=~"$instance"'
REQUESTS = f'{OF}, http_route=~"$route"'
RATE = "[$__rate_interval]"
DURATION = "http_server_request_duration_seconds"
FAILED = 'error_type!="", error_type!="client_disconnected"'


@dataclass(frozen=True)
class Query:
    """A question in PromQL, and how its lines are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        kind: Grafana's word: stat, timeseries, heatmap or table.
        about: What the figures mean and when to act, shown behind the i.
        unit: Grafana's word: s, reqps, percentunit, bytes, short.
        limits: Colour from a value on; the first has no value.
        words: What is shown in place of a value.
    """

    title: str
    about: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    limits: tuple[tuple[str, float | None], ...] = (("green", None),)
    words: dict[str, tuple[str, str]] = field(default_factory=dict)
    is_stacked: bool = False
    decimals: int | None = None


def requests(suffix: str, more: str = "") -> str:
    return f"{DURATION}_{suffix}{{{REQUESTS}{', ' + more if more else ''}}}"


def quantile(q: float, metric: str, labels: str, by: str = "") -> str:
    grouped = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({grouped}) (rate({metric}_bucket{{{labels}}}{RATE})))"


def rate(metric: str, by: str = "", labels: str = OF) -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{labels}}}{RATE}))"


def ratio(part: str, whole: str) -> str:
    return f"{part} / {whole}"


def most(query: str, count: int = 10) -> str:
    return f"topk({count}, {query})"


ALL = f"sum(rate({requests('count')}{RATE}))"
BROKEN = f"sum(rate({requests('count', FAILED)}{RATE}))"

ROWS: dict[str, tuple[Panel, ...]] = {
    "Is it healthy?": (
        Panel(
            "Requests",
            "Finished requests a second, of all workers.",
            (Query(ALL),),
            "reqps",
            "stat",
            4,
            4,
        ),
        Panel(
            "p95",
            "95 of 100 requests took less. Interpolated between the buckets, so good to about a bucket's width; "
            "the service's own page has it within 6 %.",
            (Query(quantile(0.95, DURATION, REQUESTS)),),
            "s",
            "stat",
            4,
            4,
            (("green", None), ("orange", 0.5), ("red", 1.0)),
        ),
        Panel(
            "Errors",
            "Answers with 5xx and exceptions as a part of all. A 404 is none, and neither is a client that left.",
            (Query(f"(({BROKEN}) or vector(0)) / ({ALL} > 0)"),),
            "percentunit",
            "stat",
            4,
            4,
            (("green", None), ("orange", 0.01), ("red", 0.05)),
            decimals=2,
        ),
        Panel(
            "In flight",
            "Requests that are being answered now.",
            (Query(f"sum(http_server_active_requests{{{OF}}})"),),
            "short",
            "stat",
            4,
            4,
        ),
        Panel(
            "Health",
            "The worst check of the worst worker. The row below /health says which.",
            (Query(f"max(perfkit_health_status{{{OF}}})"),),
            "short",
            "stat",
            4,
            4,
            (("text", None), ("green", 0.0), ("orange", 1.0), ("red", 2.0)),
            {
                "-1": ("unknown", "text"),
                "0": ("healthy", "green"),
                "1": ("warning", "orange"),
                "2": ("critical", "red"),
            },
        ),
        Panel(
            "Alerts firing",
            "Alerts of perfkit itself, muted ones included. Those of Prometheus are not in here.",
            (Query(f"sum(perfkit_alerts_firing{{{OF}}}) or vector(0)"),),
            "short",
            "stat",
            4,
            4,
            (("green", None), ("red", 1.0)),
        ),
    ),
    "What is slow, and what fails": (
        Panel(
            "Latency",
            "Half, 95 and 99 of 100 requests took less. When p99 moves alone, look at single requests.",
            tuple(Query(quantile(q, DURATION, REQUESTS), f"p{q * 100:.0f}") for q in (0.5, 0.95, 0.99)),
            "s",
        ),
        Panel(
            "Requests by route",
            "The ten busiest. A route is the template, never the path; the one without a name holds what matched none.",
            (
                Query(
                    most(f"sum by (http_request_method, http_route) (rate({requests('count')}{RATE}))"),
                    "{{http_request_method}} {{http_route}}",
                ),
            ),
            "reqps",
            is_stacked=True,
        ),
        Panel(
            "Where the time goes",
            "Seconds of requests a second, by route: the order in which work pays. The top of the pile first.",
            (
                Query(
                    most(f"sum by (http_request_method, http_route) (rate({requests('sum')}{RATE}))"),
                    "{{http_request_method}} {{http_route}}",
                ),
            ),
            "short",
            is_stacked=True,
        ),
        Panel(
            "p95 by route",
            "The ten slowest. Look beside it at how often they are asked.",
            (
                Query(
                    most(
                        f"histogram_quantile(0.95, sum by (le, http_request_method, http_route) "
                        f"(rate({requests('bucket')}{RATE})))"
                    ),
                    "{{http_request_method}} {{http_route}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Errors by route and kind",
            "Exceptions by their class, other failures by their status.",
            (
                Query(
                    most(f"sum by (http_route, error_type) (rate({requests('count', FAILED)}{RATE}))"),
                    "{{http_route}} {{error_type}}",
                ),
            ),
            "reqps",
            is_stacked=True,
        ),
        Panel(
            "Answers by status",
            "499 is not among them: a client that left before a status was sent has none.",
            (
                Query(
                    f"sum by (http_response_status_code) (rate({requests('count')}{RATE}))",
                    "{{http_response_status_code}}",
                ),
            ),
            "reqps",
            is_stacked=True,
        ),
        Panel(
            "How long requests take",
            "Each column shows how many requests fell into each bucket. Two bands mean two kinds of requests.",
            (Query(f"sum by (le) (increase({requests('bucket')}{RATE}))", "{{le}}"),),
            "s",
            "heatmap",
            WIDTH,
        ),
    ),
    "Workers": (
        Panel(
            "CPU",
            "Cores in use and those there are: the container's quota, or the machine's. One worker's Python runs on "
            "one core at a time, so a single worker is full at 1.",
            (
                Query(f"sum by (instance) (perfkit_process_cpu_cores{{{OF}}})", "{{instance}}"),
                Query(f"min(perfkit_cpu_quota_cores{{{OF}}})", "quota"),
            ),
        ),
        Panel(
            "Memory",
            "Resident bytes of all workers, and the limit. Memory that only grows is a leak.",
            (
                Query(f"sum by (instance) (process_resident_memory_bytes{{{OF}}})", "{{instance}}"),
                Query(f"min(perfkit_memory_limit_bytes{{{OF}}})", "limit"),
            ),
            "bytes",
        ),
        Panel(
            "Event loop: how late it is",
            "What is ready to run waits so long, 99 of 100 times less. From 0.1 s on somebody blocks it; the service's "
            "page names the line.",
            (Query(quantile(0.99, "perfkit_event_loop_lag_seconds", OF, "instance"), "{{instance}}"),),
            "s",
        ),
        Panel(
            "Event loop: blocked",
            "Part of the time for which single calls held it up.",
            (Query(rate("perfkit_event_loop_blocked_seconds_total", "instance"), "{{instance}}"),),
            "percentunit",
        ),
        Panel(
            "Garbage collection",
            "Part of the time for which the collector stopped a worker, summed over the workers.",
            (Query(rate("perfkit_gc_pause_seconds_sum", "generation"), "generation {{generation}}"),),
            "percentunit",
        ),
        Panel(
            "Open files and threads",
            "Of all workers.",
            (
                Query(f"sum(process_open_fds{{{OF}}})", "open files"),
                Query(f"sum(process_threads{{{OF}}})", "threads"),
                Query(f"sum(perfkit_stuck_requests{{{OF}}}) or vector(0)", "stuck requests"),
            ),
        ),
    ),
    "Database": (
        Panel(
            "Statements by kind",
            "The ten that are sent most often. Many of one kind for each request are an N+1.",
            (
                Query(
                    most(rate("db_client_operation_duration_seconds_count", "db_query_summary")), "{{db_query_summary}}"
                ),
            ),
            "ops",
            is_stacked=True,
        ),
        Panel(
            "Time in the database, by kind",
            "Seconds of statements a second.",
            (
                Query(
                    most(rate("db_client_operation_duration_seconds_sum", "db_query_summary")), "{{db_query_summary}}"
                ),
            ),
            is_stacked=True,
        ),
        Panel(
            "Statements a request",
            "Of all statements and all requests. A step up after a release is worth a look at the service's page.",
            (
                Query(
                    ratio(
                        rate("db_client_operation_duration_seconds_count"),
                        f"(sum(rate({DURATION}_count{{{OF}}}{RATE})) > 0)",
                    ),
                    "statements a request",
                ),
            ),
        ),
        Panel(
            "Requests in which a problem was met",
            "By the code of the finding: PK101 is an N+1. The reference of findings says what each is.",
            (Query(rate("perfkit_database_findings_total", "code"), "{{code}}"),),
            "reqps",
            is_stacked=True,
        ),
        Panel(
            "Connections",
            "Of all pools of all workers, and callers that wait for one.",
            (
                Query(
                    f"sum by (db_client_connection_state) (db_client_connection_count{{{OF}}})",
                    "{{db_client_connection_state}}",
                ),
                Query(f"sum(db_client_connection_pending_requests{{{OF}}})", "waiting callers"),
            ),
        ),
        Panel(
            "Slow and failed statements",
            "Slow is `database.slow_query_threshold` or longer.",
            (
                Query(f"({rate('perfkit_database_slow_queries_total')}) or vector(0)", "slow"),
                Query(f"({rate('perfkit_database_errors_total')}) or vector(0)", "failed"),
            ),
            "ops",
        ),
    ),
    "Cache and upstreams": (
        Panel(
            "Cache: hits",
            "Part of the look-ups that were answered, by namespace.",
            (
                Query(
                    ratio(
                        rate("perfkit_cache_lookups_total", "namespace", f'{OF}, result!="miss"'),
                        f"({rate('perfkit_cache_lookups_total', 'namespace')} > 0)",
                    ),
                    "{{namespace}}",
                ),
            ),
            "percentunit",
        ),
        Panel(
            "Calls to others: p95",
            "Until the head of the answer, by host.",
            (
                Query(
                    quantile(0.95, "http_client_request_duration_seconds", OF, "server_address"), "{{server_address}}"
                ),
            ),
            "s",
        ),
        Panel(
            "Calls to others: how they end",
            "By host and outcome.",
            (
                Query(
                    rate("http_client_request_duration_seconds_count", "server_address, outcome"),
                    "{{server_address}} {{outcome}}",
                ),
            ),
            "reqps",
            is_stacked=True,
        ),
    ),
    "perfkit itself": (
        Panel(
            "Errors kept from the app",
            "Should be nothing. The log names each kind once a minute.",
            (
                Query(f"({rate('perfkit_errors_total')}) or vector(0)", "errors"),
                Query(f"({rate('perfkit_requests_lost_total')}) or vector(0)", "requests lost with a killed worker"),
            ),
            width=12,
            height=6,
        ),
        Panel(
            "Store",
            "Degraded is 1 while a worker counts alone, as it cannot use the shared files. Overflow counts series that "
            "found no room of their own.",
            (
                Query(f"max(perfkit_store_degraded{{{OF}}}) or vector(0)", "degraded"),
                Query(f"({rate('perfkit_store_overflow_total')}) or vector(0)", "overflow"),
            ),
            width=12,
            height=6,
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        place = {"h": 1, "w": WIDTH, "x": 0, "y": top}
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
        )
        top, left = top + 1, 0
        for panel in row:
            if left + panel.width > WIDTH:
                top, left = top + panel.height, 0
            place = {"h": panel.height, "w": panel.width, "x": left, "y": top}
            panels.append({"id": len(panels) + 1, "gridPos": place, **shown(panel)})
            left += panel.width
        top += row[-1].height
    return {
        "uid": "perfkit-service",
        "title": "perfkit: a service",
        "description": "Is the service healthy, what is slow, and where to look. Made of the metrics of perfkit.",
        "tags": ["perfkit", "python"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": variables()},
        "annotations": {"list": [restarts()]},
        "links": [],
        "panels": panels,
    }


def shown(panel: Panel) -> dict[str, Any]:
    """Return *panel* in Grafana's words."""
    limits = [{"color": colour, "value": value} for colour, value in panel.limits]
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        **({} if panel.words else {"min": 0}),
        "thresholds": {"mode": "absolute", "steps": limits},
        "mappings": [],
        "color": {"mode": "thresholds" if panel.kind == "stat" else "palette-classic"},
    }
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.words:
        told = {value: {"text": word, "color": colour} for value, (word, colour) in panel.words.items()}
        defaults["mappings"] = [{"type": "value", "options": told}]
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 40 if panel.is_stacked else 10,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
        }
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": OPTIONS[panel.kind],
        "targets": [asked(query, panel, "ABC"[at]) for at, query in enumerate(panel.queries)],
    }


OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    },
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
        "yAxis": {"unit": "s"},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False},
    },
}


def asked(query: Query, panel: Panel, name: str) -> dict[str, Any]:
    """Return a query in Grafana's words."""
    return {
        "refId": name,
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": "heatmap" if panel.kind == "heatmap" else "time_series",
        "range": True,
        "instant": False,
    }


def variables() -> list[dict[str, Any]]:
    """Return what is chosen at the top: the data source, and which services, instances and routes."""
    return [
        {
            "type": "datasource",
            "name": "datasource",
            "label": "Prometheus",
            "query": "prometheus",
            "regex": "",
            "refresh": 1,
            "hide": 0,
            "multi": False,
            "includeAll": False,
        },
        chosen("job", "Job", "label_values(perfkit_build_info, job)"),
        chosen("instance", "Instance", 'label_values(perfkit_build_info{job=~"$job"}, instance)'),
        chosen("route", "Route", f"label_values({DURATION}_count{{{OF}}}, http_route)"),
    ]


def chosen(name: str, label: str, query: str) -> dict[str, Any]:
    """Return a variable that lists the values of a label, with *All*, which requests without that label are part of."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def restarts() -> dict[str, Any]:
    """Return the marks at which a service started anew."""
    return {
        "name": "Starts",
        "enable": True,
        "iconColor": "blue",
        "datasource": SOURCE,
        "expr": f"changes(process_start_time_seconds{{{OF}}}[2m]) > 0",
        "titleFormat": "started anew",
        "textFormat": "{{instance}}",
        "step": "1m",
    }


def text() -> str:
    """Return the file."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
