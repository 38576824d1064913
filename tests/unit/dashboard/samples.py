"""One `OverviewData` for each state a page can be in: made up, always the same."""

from __future__ import annotations

import math
from datetime import timedelta, timezone

import msgspec

from perfkit.advice import Verdict, summarize
from perfkit.advice.ledger import Release
from perfkit.advice.verdict import bounded
from perfkit.core.findings import Priority
from perfkit.core.status import Status
from perfkit.dashboard import Entry, Given, OverviewData
from perfkit.dashboard.pages.overview import OverviewFound
from perfkit.dashboard.pages.request import RequestFound
from perfkit.dashboard.pages.route import Outcome, RouteFound
from perfkit.dashboard.pages.routes import RoutesFound
from perfkit.dashboard.pages.service.settings import SettingRow, SettingsFound
from perfkit.dashboard.timeline.comparison import Comparison, Period
from perfkit.dashboard.timeline.releases import ByRelease
from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot
from perfkit.performance.blocking.report import BlockedLoop, BlockedSite
from perfkit.performance.requests import Total
from perfkit.performance.snapshot import Latency, PerformanceSnapshot, RouteSnapshot, Trend, WorkerSnapshot
from perfkit.recorder.estimate import Estimate
from perfkit.recorder.kept import KeptError, KeptExchange, KeptFrame, KeptSpan
from perfkit.store.history.slices import Slice
from tests.unit.dashboard.advice_samples import (
    FINE,
    HOSTILE,
    HOSTILE_SCORE,
    SCORE,
    SCRIPTED,
    SHORT,
    a_cache,
    a_database,
    a_load_balancer,
    findings,
    hostile_findings,
)

AT = 1_767_279_130.0
WINDOW = 300.0

_SHOP = (
    ("GET", "/products", 31.2, 0.041, 0.0, 0.71),
    ("GET", "/products/{product_id}", 24.9, 0.022, 0.001, 0.09),
    ("POST", "/cart/items", 9.8, 0.031, 0.004, 0.07),
    ("GET", "/search", 6.1, 0.088, 0.0, 0.06),
    ("POST", "/checkout", 1.9, 0.21, 0.039, 0.05),
    ("GET", "", 3.4, 0.0021, 0.0, 0.01),
    ("GET", "/reports/daily", 0.0167, 1.4, 0.0, 0.01),
)


def route(
    method: str, name: str, rate: float, p50: float, error_rate: float, share: float, slow: float = 4.0
) -> RouteSnapshot:
    requests = round(rate * WINDOW)
    known = requests >= 20
    return RouteSnapshot(
        method=method,
        route=name,
        requests=requests,
        rate=rate,
        errors=round(requests * error_rate),
        error_rate=error_rate,
        seconds=requests * p50 * 1.5,
        share=share,
        queries=216.0 if name == "/products" else 2.25 if name else None,
        latency=Latency(
            mean=p50 * 1.5,
            p50=p50 if known else None,
            p90=p50 * slow * 0.8 if known else None,
            p95=p50 * slow if known else None,
            p99=p50 * slow * 1.9 if known else None,
            max=p50 * slow * 3,
        ),
    )


def worker(
    number: int,
    cpu: float = 0.6,
    *,
    is_self: bool = False,
    in_flight: int = 2,
    age: float = 273_600.0,
    requests: int = 75_600,
) -> WorkerSnapshot:
    return WorkerSnapshot(
        number=number,
        pid=812 + number,
        started_at=AT - age + number,
        requests=requests - 211 * number,
        in_flight=in_flight,
        cpu=cpu,
        memory=(180 + 7.3 * number) * 1024 * 1024,
        threads=9,
        open_files=31 + number,
        is_self=is_self,
    )


def blocked(
    site: str, function: str = "daily_report", *, method: str = "GET", route: str = "/reports/daily"
) -> BlockedSite:
    last = BlockedLoop(at=AT - 12.0, loop="main", seconds=0.118, site=site, method=method, route=route)
    return BlockedSite(
        site=site,
        function=function,
        count=42,
        seconds=4.98,
        longest=0.125,
        last_at=last.at,
        waiting=31,
        arrived=12,
        last=last,
    )


HELD_UP = (
    blocked("shop/views/sales/reports.py:99"),
    blocked("shop/stock/levels.py:17", "refresh", method="", route=""),
    blocked("", ""),
)


def trend(level: float = 1.0, points: int = 60, failing: float = 0.0) -> Trend:
    """A quiet start, a step up after half of the time, some noise that is the same every time."""
    noise = [1.0 + 0.16 * math.sin(7.1 * n) * math.cos(3.3 * n) for n in range(points)]
    step = [1.0 + (level - 1.0) / (1.0 + math.exp((points * 0.55 - n) / 1.5)) for n in range(points)]
    return Trend(
        step=WINDOW / points,
        rate=tuple(84.0 * (1 + 0.08 * math.sin(n / 6)) * each for n, each in enumerate(noise)),
        errors=tuple(
            failing * (jump - 1.0) / max(level - 1.0, 1.0) + (0.02 if n % 23 == 9 else 0.0)
            for n, jump in enumerate(step)
        ),
        p50=tuple(0.036 * each for each in noise),
        p95=tuple(0.118 * a * b for a, b in zip(noise, step, strict=True)),
        p99=tuple(0.22 * a * a * b for a, b in zip(noise, step, strict=True)),
    )


def performance(**changes: object) -> PerformanceSnapshot:
    routes = tuple(route(*each) for each in _SHOP)
    values: dict[str, object] = {
        "at": AT,
        "window": WINDOW,
        "total_requests": 302_400,
        "requests": 25_200,
        "rate": 84.0,
        "errors": 30,
        "error_rate": 0.0012,
        "latency": Latency(mean=0.06, p50=0.036, p90=0.1, p95=0.121, p99=0.23, max=2.9),
        "in_flight": 7,
        "cpu": 2.41,
        "memory": 760.0 * 1024 * 1024,
        "threads": 36,
        "open_files": 130,
        "uptime": 273_600.0,
        "routes": routes,
        "workers": tuple(worker(n, (0.61, 0.64, 0.58, 0.58)[n], is_self=n == 2) for n in range(4)),
        "trend": trend(),
        **changes,
    }
    return PerformanceSnapshot(**values)  # type: ignore[arg-type]  # a sample's values are spelled above


def check(name: str, status: Status = Status.HEALTHY, message: str = "", **changes: object) -> CheckSnapshot:
    values: dict[str, object] = {
        "value": None,
        "unit": "",
        "critical": False,
        "liveness": False,
        "changed_at": AT - 11_520.0,
        "checked_at": AT - 1.0,
        **changes,
    }
    return CheckSnapshot(name=name, status=status, message=message, **values)  # type: ignore[arg-type]  # as above


def health(*checks: CheckSnapshot, **changes: object) -> HealthSnapshot:
    status = Status.worst(
        Status.WARNING if each.status is Status.CRITICAL and not each.critical else each.status for each in checks
    )
    values: dict[str, object] = {
        "status": status,
        "is_live": True,
        "is_ready": status is not Status.CRITICAL,
        "is_started": True,
        "is_draining": False,
        "uptime": 273_600.0,
        "checks": checks,
        **changes,
    }
    return HealthSnapshot(**values)  # type: ignore[arg-type]  # as above


CHECKS = (
    check("memory", message="760 MiB of 2.00 GiB used.", value=760.0 * 1024 * 1024, unit="bytes"),
    check("disk", message="41 % of /var is free.", value=0.41, unit="ratio"),
    check("event_loop", message="The loop answers within 8.10 ms.", value=0.0081, unit="seconds", liveness=True),
    check("database", message="Answered in 1.90 ms.", value=0.0019, unit="seconds", critical=True),
)


RELEASES = (
    Release(name="2.8.0", at=AT - 86_400.0),
    Release(name="2.8.1", at=AT - 140.0),
    Release(name=HOSTILE, at=AT - 20.0),
)


def data(performance: PerformanceSnapshot, health: HealthSnapshot, **changes: object) -> OverviewData:
    found = changes.get("recommendations", ())
    values: dict[str, object] = {
        "service": "shop",
        "environment": "production",
        "release": "2.8.1",
        "version": "0.1.0",
        "verdict": bounded(summarize(performance, health, None, found), changes.get("score")),  # type: ignore[arg-type]  # as above
        "at": AT,
        "timezone": timezone(timedelta(hours=1), "CET"),
        **changes,
    }
    return OverviewData(performance=performance, health=health, **values)  # type: ignore[arg-type]  # as above


def young(requests: int, failed: int = 0) -> PerformanceSnapshot:
    empty = (None,) * 57
    known = requests >= 20
    return performance(
        total_requests=requests,
        requests=requests,
        rate=requests / 42.0,
        window=42.0,
        uptime=42.0,
        errors=failed,
        error_rate=failed / requests if requests else 0.0,
        latency=Latency(
            mean=0.02, p50=0.02 if known else None, p95=0.08 if known else None, p99=0.1 if known else None
        ),
        in_flight=0,
        cpu=0.03,
        routes=(route("GET", "/", requests / WINDOW, 0.02, failed / requests, 1.0),) if requests else (),
        workers=(worker(0, 0.03, is_self=True, in_flight=0, age=42.0, requests=requests),),
        trend=Trend(
            step=5.0,
            rate=(*empty, 0.4, 0.0, 2.0) if requests else (),
            errors=(*empty, 0.0, None, 0.0) if requests else (),
            p50=(*empty, None, None, None) if requests else (),
            p95=(*empty, None, None, None) if requests else (),
            p99=(*empty, None, None, None) if requests else (),
        ),
    )


def hostile() -> OverviewData:
    routes = tuple(
        route(f"G{HOSTILE}", f"/{n}{HOSTILE}{SCRIPTED}", 1.0 / (n + 1), 0.02, 0.0, 0.5 / (n + 1)) for n in range(60)
    )
    checks = (
        check(HOSTILE, Status.CRITICAL, f"</script>{HOSTILE}", unit=HOSTILE, value=3.0, critical=True),
        check("long" * 60, Status.HEALTHY, "a very long word: " + "x" * 300),
    )
    return data(
        performance(
            routes=routes,
            latency=Latency(p95=0.488, p50=0.041, p99=0.9),
            trend=trend(4.1),
            blocked=(blocked(f"/{HOSTILE}.py:3", HOSTILE, method=HOSTILE, route=SCRIPTED), blocked("long" * 60)),
        ),
        health(*checks),
        recommendations=hostile_findings(),
        score=HOSTILE_SCORE,
        database=a_database(HOSTILE),
        cache=a_cache(HOSTILE),
        load_balancer=a_load_balancer(HOSTILE),
        service=HOSTILE,
        environment=f"<b>{SCRIPTED}",
        release="\ud800\0\u202e",
        releases=(*RELEASES, Release(name="\ud800\0\u202e", at=AT - 10.0)),
        recordings=(AT - 100.0,),
        version=HOSTILE,
        degraded=f"No space left: {HOSTILE}",
        page_url=f"http://x/{HOSTILE};rm -rf/",
        home_url=SCRIPTED,
        health_url=SCRIPTED,
        metrics_url=SCRIPTED,
    )


def states() -> dict[str, OverviewData]:
    """Every state by name."""
    slow = performance(
        latency=Latency(mean=0.13, p50=0.041, p90=0.4, p95=0.488, p99=0.871, max=2.9),
        cpu=2.96,
        routes=(route(*_SHOP[0], slow=11.9), *(route(*each) for each in _SHOP[1:])),
        trend=trend(4.1),
    )
    failing = performance(
        errors=3100,
        error_rate=0.123,
        routes=tuple(route(a, b, c, d, 0.41 if b.startswith("/products/") else e, f) for a, b, c, d, e, f in _SHOP),
        trend=trend(3.0, failing=0.123),
        cpu=3.8,
        workers=tuple(worker(n, 0.95, is_self=n == 0, in_flight=11) for n in range(4)),
    )
    broken = check("database", Status.CRITICAL, "Connection refused.", critical=True, changed_at=AT - 75.0)
    tired = check("disk", Status.WARNING, "4 % of /var is free.", value=0.04, unit="ratio")
    alone = performance(workers=(worker(0, is_self=True),), cpu=0.6, memory=180.0 * 1024 * 1024)
    crowd = performance(
        workers=tuple(worker(n, 0.2 + 0.7 * (n * 37 % 64) / 64, is_self=n == 5) for n in range(64)),
        cpu=33.0,
        routes=tuple(route("GET", f"/area/{n}", 2.0, 0.02, 0.0, 0.5 / (n + 1)) for n in range(260)),
        trend=trend(points=400),
    )
    quiet = Trend(step=5.0, rate=(0.0,) * 60, errors=(None,) * 60, p50=(None,) * 60, p95=(None,) * 60, p99=(None,) * 60)
    shared = "The directory /dev/shm/perfkit is not writable, so each worker counts for itself."
    return {
        "first-run": data(
            young(0),
            health(),
            service="app",
            environment="development",
            release="",
            is_shared=False,
            asleep=("cache", "database", "load_balancer", "recorder"),
        ),
        "collecting": data(young(12), health(*CHECKS[:2]), service="app", release=""),
        "collecting-failing": data(young(30, 21), health(*CHECKS[:2]), live=5),
        "healthy": data(performance(), health(*CHECKS), score=FINE),
        "degraded": data(slow, health(*CHECKS), live=5, score=SCORE, recommendations=findings()),
        "advised": data(
            performance(),
            health(*CHECKS),
            score=SCORE,
            recommendations=findings(
                *(msgspec.structs.replace(SHORT, fingerprint=f"s{n}", priority=Priority.LOW) for n in range(12))
            ),
            database=a_database(),
            cache=a_cache(),
            load_balancer=a_load_balancer(),
        ),
        "failing": data(failing, health(broken, tired, *CHECKS[:1])),
        "performance-off": data(
            performance(total_requests=0, workers=()),
            health(*CHECKS),
            missing=("performance",),
            verdict=Verdict(status=Status.UNKNOWN, headline="No verdict: performance is switched off"),
        ),
        "health-off": data(performance(), health(), missing=("health",), health_url=""),
        "blocked": data(performance(blocked=HELD_UP), health(*CHECKS)),
        "draining": data(performance(), health(*CHECKS, is_draining=True, is_ready=False)),
        "idle": data(
            performance(
                requests=0,
                rate=0.0,
                errors=0,
                error_rate=0.0,
                latency=Latency(),
                routes=(),
                in_flight=0,
                cpu=0.02,
                trend=quiet,
            ),
            health(*CHECKS),
        ),
        "one-worker": data(alone, health(*CHECKS)),
        "crowd": data(crowd, health(*CHECKS)),
        "not-shared": data(alone, health(*CHECKS), is_shared=False, degraded=shared),
        "hostile": hostile(),
        "recorded": data(
            slow,
            health(*CHECKS),
            score=SCORE,
            recommendations=findings(),
            releases=RELEASES,
            recordings=(AT - 5000.0, AT - 60.0),
        ),
    }


STATES_BY_NAME = states()


def route_found(name: str = "GET /products", level: float = 4.1) -> RouteFound:
    """What the page of a route has, of one that is slow and sometimes fails."""
    method, _, path = name.partition(" ")
    own = route(method, path, 31.2, 0.041, 0.02, 0.71, 11.9)
    fine = msgspec.structs.replace(own, errors=0, error_rate=0.0, requests=own.requests - 200)
    failed = msgspec.structs.replace(own, errors=190, error_rate=1.0, requests=190, seconds=9.0)
    edges = tuple(0.001 * 1.25**n for n in range(40))
    return RouteFound(
        window=WINDOW,
        method=method,
        route=path,
        summary=own,
        outcomes=(
            Outcome(status="200", error_type="", summary=fine),
            Outcome(status="500", error_type="OperationalError", summary=failed),
            Outcome(status="", error_type=HOSTILE, summary=msgspec.structs.replace(failed, requests=10, errors=10)),
        ),
        trend=trend(level),
        boundaries=edges,
        kept=tuple(kept(name, number) for number in range(3)),
        gains=(gain(name),),
        counts=(*(1000.0 * math.exp(-(((n - 17) / 4) ** 2)) // 1 for n in range(40)), 3.0),
        slices=slices(),
        comparison=comparison(),
        releases=tuple(
            ByRelease(release=each.name, at=each.at, summary=route(method, path, 20.0, 0.041, 0.0, 0.7, slow))
            for each, slow in zip(reversed(RELEASES), (12.0, 11.9, 2.9), strict=True)
        ),
    )


def slices() -> tuple[Slice, ...]:
    """Ten slices of half a minute, in which requests get slower."""
    return tuple(
        Slice(
            AT - 300.0 + 30.0 * n,
            AT - 270.0 + 30.0 * n,
            (*(900.0 * math.exp(-(((m - 17 - n) / 5) ** 2)) // 1 for m in range(40)), 1.0),
        )
        for n in range(10)
    )


def comparison() -> Comparison:
    """An hour with slow requests, and a minute without."""
    slow, fine = (tuple(route(*each, slow=factor) for each in _SHOP) for factor in (11.9, 3.0))
    total = Total(requests=9000, rate=30.0, errors=90, error_rate=0.01, latency=Latency(p50=0.041, p95=0.488))
    since = Total(requests=1700, rate=30.0, errors=0, error_rate=0.0, latency=Latency(p50=0.036, p95=0.066))
    return Comparison(
        before=Period(start=AT - 3660.0, end=AT - 60.0, total=total, routes=slow),
        since=Period(start=AT - 60.0, end=AT, total=since, routes=fine[:-1]),
    )


def gain(name: str, **changes: object) -> Estimate:
    """What the route would gain if one line took no time."""
    fields: dict[str, object] = {
        "route": name,
        "subject": f"shop/views.py:48{HOSTILE}",
        "requests": 9360,
        "exchanges": 31,
        "affected": 0.98,
        "p50": 0.041,
        "p95": 0.488,
        "p50_after": 0.012,
        "p95_after": 0.066,
        "seconds_saved": 0.12,
        "share_saved": 0.74,
        "basis": "31 kept requests and the histogram of all",
    }
    return Estimate(**{**fields, **changes})  # type: ignore[arg-type]  # of its fields


def kept(name: str = "GET /products", number: int = 0) -> KeptExchange:
    """A request with an N+1, two calls at once, and an error in every third."""
    method, _, path = name.partition(" ")
    many = tuple((0.05 + 0.002 * n, 0.0019) for n in range(214))
    spans = (
        KeptSpan(
            kind="sql",
            name="SELECT * FROM product LIMIT ?",
            site="shop/views/products.py:44",
            min=0.038,
            median=0.038,
            max=0.038,
            total=0.038,
            intervals=((0.01, 0.038),),
        ),
        KeptSpan(
            kind="sql",
            name="SELECT * FROM review WHERE product_id = ?",
            site="shop/views/products.py:48",
            count=214,
            min=0.0004,
            median=0.0009,
            max=0.0031,
            total=0.4066,
            intervals=many,
            details={"4 rows": 200, "3 rows": 14},
        ),
        KeptSpan(
            kind="outbound",
            name="GET stock.internal",
            site="shop/stock/levels.py:17",
            min=0.072,
            median=0.072,
            max=0.072,
            total=0.072,
            intervals=((0.48, 0.072),),
        ),
        KeptSpan(
            kind="cache",
            name="SET products",
            total=0.0021,
            min=0.0021,
            median=0.0021,
            max=0.0021,
            intervals=((0.5, 0.0021),),
        ),
        KeptSpan(
            kind=HOSTILE,
            name=HOSTILE,
            site=f"{HOSTILE}.py:1",
            details={HOSTILE: 1},
            intervals=((0.56, 0.004),),
            total=0.004,
        ),
    )
    failed = number % 3 == 1
    return KeptExchange(
        id=f"{number:016x}",
        at=AT - 10.0 * number,
        seconds=0.612 + 0.01 * number,
        reason="error" if failed else "slow",
        method=method,
        route=path,
        status=500 if failed else 200,
        error="ValueError" if failed else "",
        worker=2,
        pid=814,
        release="2.8.1",
        query="category=█",
        headers={"accept": "text/html", "user-agent": HOSTILE},
        exception=KeptError(type="ValueError", message=HOSTILE, frames=(KeptFrame("shop/views.py", 48, HOSTILE),))
        if failed
        else None,
        spans=spans,
        span_count=218,
    )


def found(entry: Entry, shown: OverviewData, given: Given) -> object:
    """What `Routes` gathers for one view of a page, made up."""
    if not entry.name and shown.performance.requests:
        edges = tuple(0.001 * 1.25**n for n in range(40))
        compared = comparison() if shown.recordings else None
        return OverviewFound(boundaries=edges, slices=slices(), comparison=compared)
    if entry.name == "routes":
        return RoutesFound(window=WINDOW, routes=shown.performance.routes)
    if entry.name == "settings":
        row = SettingRow(name="cache.max_size", value=HOSTILE, source=HOSTILE, meaning="Entries.")
        return SettingsFound(settings=(row,), directory=HOSTILE)
    if entry.name == "requests":
        return tuple(kept(number=number) for number in range(6))
    if entry.name == "request":
        lines = tuple((n, f"    line {n} {HOSTILE}") for n in range(43, 54))
        return RequestFound(kept=kept(number=1), excerpts={"shop/views/products.py:48": lines})
    return route_found(given.text("r") or "GET /products") if entry.name == "route" else None
