"""What the pages behind the list say, as texts: one route, advice, database, cache, runtime, help. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perfkit.advice.wording import NOTHING, age, count, percent, rate, route_name, seconds, significant, size
from perfkit.cli.reading.overview import Overview
from perfkit.performance.snapshot import RouteSnapshot

__all__ = ["details"]

MOST = 50
HELP = (
    "↑ ↓ j k        move; page up, page down, home, end too",
    "enter          open the route",
    "esc, ←         back",
    "s              sort by share of time, rate, p95, errors, queries, name",
    "1 2 3 4        routes and small charts of 5 minutes, 1 hour, 6 hours, 24 hours",
    "/              show only routes that have a text in their name",
    "d c r a        database, cache, runtime, advice; again: back",
    "p              pause",
    "q              quit",
    "",
    "Q is the statements that a request sends, on average since the service began.",
    "All else is of the last minutes, of all workers together.",
)


def details(overview: Overview, page: str, route: RouteSnapshot | None) -> tuple[str, list[str]]:
    """Return title and lines of *page*; *route* is the one that was opened."""
    if page == "route":
        if route is None:
            return "Route", ["It is not there any more. esc goes back."]
        return route_name(route.method, route.route), list(_route(overview, route))
    makers = {"advice": _advice, "database": _database, "cache": _cache, "runtime": _runtime}
    if page in makers:
        return page.capitalize(), list(makers[page](overview))
    return "Keys", list(HELP)


def _route(overview: Overview, route: RouteSnapshot) -> Iterator[str]:
    latency = route.latency
    yield f"{count(route.requests, 'request')}, {rate(route.rate)} a second, {percent(route.share)} of all request time"
    said = [f"{name} {seconds(getattr(latency, name))}" for name in ("p50", "p95", "p99", "max")]
    target = overview.targets.of_route(route.method, route.route)
    yield f"{'   '.join(said)}   target {seconds(target)}"
    sent = f", {significant(route.queries)} statements a request" if route.queries is not None else ""
    yield f"{count(route.errors, 'error')}, {percent(route.error_rate)}{sent}"
    found = [each for each in overview.recommendations if each.route == f"{route.method} {route.route}"]
    for finding in found:
        yield ""
        yield f"{finding.code}  {finding.site or ''}"
        yield f"  {finding.message}"
        yield f"  Do: {finding.action}"
    if not found:
        yield ""
        yield "Nothing was found on this route."


def _advice(overview: Overview) -> Iterator[str]:
    if not overview.recommendations:
        yield "Nothing was found."
    for number, finding in enumerate(overview.recommendations[:MOST], 1):
        yield f"{number}  {finding.priority}  {finding.code}  {finding.site or finding.object or ''}"
        yield f"  {finding.message}"
        yield f"  Do: {finding.action}"
        yield ""


def _database(overview: Overview) -> Iterator[str]:
    told = overview.database
    if told is None:
        yield "The database component is switched off, or has nothing to do."
        return
    yield (
        f"{_count(told, 'statements')} statements, {seconds(_number(told, 'seconds'))} in all, "
        f"{_count(told, 'slow')} slow, {_count(told, 'errors')} failed"
    )
    for each in _list(told, "top"):
        yield ""
        yield str(each.get("sql"))[:300]
        times = "   ".join(f"{name} {seconds(_number(each, name))}" for name in ("total", "mean", "p95"))
        caller = next(iter(_list(each, "callers")), {})
        yield f"  {_count(each, 'calls')} calls   {times}   {caller.get('site') or ''}"


def _cache(overview: Overview) -> Iterator[str]:
    told = overview.cache
    if told is None:
        yield "The cache is switched off, or has nothing to do."
        return
    looked = f"{_count(told, 'hits')} hits, {_count(told, 'misses')} misses"
    yield f"{_ratio(told)} of look-ups found a value: {looked}"
    held = size(_number(told, "bytes")) if told.get("bytes") is not None else "size not looked at"
    yield f"{_count(told, 'entries')} entries, {held}, {told.get('strategy')}"
    spaces = told.get("namespaces")
    for name, each in list(spaces.items() if isinstance(spaces, dict) else ())[:MOST]:
        if isinstance(each, dict):
            yield f"  {name}: {_ratio(each)}, {_count(each, 'hits')} hits, {_count(each, 'misses')} misses"


def _runtime(overview: Overview) -> Iterator[str]:
    performance = overview.performance
    if performance is None:
        yield "The performance component is switched off."
        return
    for worker in performance.workers[:MOST]:
        cpu = NOTHING if worker.cpu is None else f"{worker.cpu:.2f} cores"
        yield (
            f"worker {worker.number}  pid {worker.pid}  {cpu}  {size(worker.memory)}  {worker.in_flight} in flight  "
            f"{count(worker.requests, 'request')}  up {age(performance.at - worker.started_at)}"
        )
    lag, pause = performance.event_loop_lag, performance.gc_pause
    yield ""
    yield f"event loop lag  p50 {seconds(lag.p50)}   p95 {seconds(lag.p95)}   max {seconds(lag.max)}"
    share = percent(performance.gc_share)
    yield f"garbage collector  p95 {seconds(pause.p95)}   max {seconds(pause.max)}   {share} of the time"
    for site in performance.blocked[:MOST]:
        yield f"blocked {count(site.count, 'time')}, {seconds(site.longest)} at most: {site.site}"


def _ratio(told: dict[str, Any]) -> str:
    return percent(_number(told, "hit_ratio")) if told.get("hit_ratio") is not None else NOTHING


def _number(told: dict[str, Any], name: str) -> float:
    value = told.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _count(told: dict[str, Any], name: str) -> str:
    return f"{int(_number(told, name)):,}"


def _list(told: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = told.get(name)
    return [each for each in value if isinstance(each, dict)][:MOST] if isinstance(value, list) else []
