"""The verdict says how the service is, with numbers, why, and what to do first."""

from __future__ import annotations

import msgspec
import pytest

from perfkit.advice import Targets, summarize
from perfkit.core.status import Status
from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot
from perfkit.performance.blocking.report import BlockedLoop, BlockedSite
from perfkit.performance.snapshot import Latency, PerformanceSnapshot, RouteSnapshot, Trend


def a_route(
    name: str, *, requests: int = 100, errors: int = 0, share: float = 0.5, p95: float | None = 0.1
) -> RouteSnapshot:
    return RouteSnapshot(
        method="GET",
        route=name,
        requests=requests,
        rate=requests / 300.0,
        errors=errors,
        error_rate=errors / requests,
        seconds=1.0,
        share=share,
        latency=Latency(p95=p95),
    )


def performance(
    requests: int = 1000,
    *,
    total: int | None = None,
    errors: int = 0,
    p95: float | None = 0.1,
    routes: tuple[RouteSnapshot, ...] = (),
    in_flight: int = 0,
) -> PerformanceSnapshot:
    return PerformanceSnapshot(
        at=0.0,
        window=300.0,
        total_requests=requests if total is None else total,
        requests=requests,
        rate=requests / 300.0,
        errors=errors,
        error_rate=errors / requests if requests else 0.0,
        latency=Latency(p95=p95),
        in_flight=in_flight,
        cpu=None,
        memory=None,
        threads=None,
        open_files=None,
        uptime=300.0,
        routes=routes,
        workers=(),
        trend=Trend(step=5.0),
    )


def a_check(name: str, status: Status, message: str = "", *, critical: bool = True) -> CheckSnapshot:
    return CheckSnapshot(
        name=name,
        status=status,
        message=message,
        value=None,
        unit="",
        critical=critical,
        liveness=False,
        changed_at=0.0,
        checked_at=0.0,
    )


def health(status: Status = Status.HEALTHY, *checks: CheckSnapshot, **changes: bool) -> HealthSnapshot:
    fine = HealthSnapshot(
        status=status,
        is_live=True,
        is_ready=status is not Status.CRITICAL,
        is_started=True,
        is_draining=False,
        uptime=300.0,
        checks=checks,
    )
    return msgspec.structs.replace(fine, **changes)


SHOP = (a_route("/products", requests=700, share=0.71, p95=0.488), a_route("/search", requests=300, share=0.29))
FAILING = (a_route("/pay", requests=310, errors=31, share=0.2), a_route("/home", requests=690, errors=9, share=0.8))


@pytest.mark.parametrize(
    ("snapshot", "status", "headline"),
    [
        (performance(0, p95=None), Status.UNKNOWN, "No request yet"),
        (performance(12, p95=None), Status.UNKNOWN, "12 requests so far, 50 needed for a verdict"),
        (performance(1, p95=None), Status.UNKNOWN, "1 request so far, 50 needed for a verdict"),
        (performance(49, p95=9.0, errors=49), Status.UNKNOWN, "49 requests so far, 50 needed for a verdict"),
        (performance(50), Status.HEALTHY, "Nothing to do: p95 is 100 ms, within its target of 300 ms"),
        (performance(p95=0.3), Status.HEALTHY, "Nothing to do: p95 is 300 ms, within its target of 300 ms"),
        (performance(p95=0.301), Status.WARNING, "p95 is 301 ms, just over the target of 300 ms"),
        (performance(p95=0.488), Status.WARNING, "p95 is 488 ms, 1.6× the target of 300 ms"),
        (performance(p95=4.5), Status.WARNING, "p95 is 4.50 s, 15× the target of 300 ms"),
        (performance(errors=10), Status.HEALTHY, "Nothing to do: p95 is 100 ms, within its target of 300 ms"),
        (performance(errors=20), Status.WARNING, "2 % of requests fail, 2.0× the target of 1 %"),
        (performance(errors=49), Status.WARNING, "4.9 % of requests fail, 4.9× the target of 1 %"),
        (performance(errors=50), Status.CRITICAL, "5 % of requests fail, 5.0× the target of 1 %"),
        (performance(errors=1000), Status.CRITICAL, "100 % of requests fail, 100× the target of 1 %"),
        (performance(0, total=90, p95=None), Status.HEALTHY, "Nothing to do: no request in the last 5 min"),
        (performance(1, total=90, p95=None), Status.HEALTHY, "Nothing to do: 1 request in the last 5 min"),
        (performance(12, total=90, p95=None, errors=2), Status.HEALTHY, "Nothing to do: 12 requests in the last 5 min"),
        (performance(12, total=90, p95=None, errors=9), Status.WARNING, "9 of 12 requests failed in the last 5 min"),
    ],
)
def test_the_headline_says_the_status_in_numbers(snapshot: PerformanceSnapshot, status: Status, headline: str) -> None:
    verdict = summarize(snapshot, health())
    assert (verdict.status, verdict.headline) == (status, headline)


@pytest.mark.parametrize(
    ("state", "status", "headline"),
    [
        (health(Status.UNKNOWN), Status.HEALTHY, "Nothing to do: p95 is 100 ms, within its target of 300 ms"),
        (
            health(Status.CRITICAL, a_check("database", Status.CRITICAL, "Connection refused.")),
            Status.CRITICAL,
            "Check database fails: Connection refused",
        ),
        (health(Status.WARNING, a_check("disk", Status.WARNING)), Status.WARNING, "Check disk warns"),
        (
            health(Status.WARNING, a_check("mail", Status.CRITICAL, critical=False)),
            Status.WARNING,
            "Check mail fails",
        ),
        (health(Status.CRITICAL), Status.CRITICAL, "Health is critical"),
        (
            health(is_draining=True, is_ready=False),
            Status.WARNING,
            "Draining: 0 requests in flight, ready for no new ones",
        ),
    ],
)
def test_health_decides_where_the_numbers_are_fine(state: HealthSnapshot, status: Status, headline: str) -> None:
    verdict = summarize(performance(), state)
    assert (verdict.status, verdict.headline) == (status, headline)


def test_a_failing_check_needs_no_fifty_requests() -> None:
    verdict = summarize(performance(0, p95=None), health(Status.CRITICAL, a_check("database", Status.CRITICAL)))
    assert verdict.status is Status.CRITICAL


def test_slowness_is_blamed_on_the_route_with_the_largest_share_of_time() -> None:
    verdict = summarize(performance(p95=0.488, routes=SHOP[::-1]), health())
    assert verdict.cause == "GET /products holds 71 % of all request time; its own p95 is 488 ms."
    assert verdict.action == "Start with GET /products: halving its time frees about 36 % of all request time."


def test_errors_are_blamed_on_the_route_with_the_most_of_them() -> None:
    verdict = summarize(performance(errors=40, routes=FAILING[::-1]), health())
    assert verdict.cause == "GET /pay has 31 of the 40 errors."
    assert verdict.action == "Read the app's log for GET /pay: 31 of its 310 requests ended in a 5xx or an exception."


def test_one_route_with_all_errors_is_said_to_have_all() -> None:
    verdict = summarize(performance(errors=31, routes=FAILING[:1]), health())
    assert verdict.cause == "GET /pay has all errors."


def test_the_worst_problem_leads_and_the_next_joins_its_cause() -> None:
    broken = health(Status.CRITICAL, a_check("database", Status.CRITICAL, "Connection refused."), is_ready=False)
    verdict = summarize(performance(p95=0.488, routes=SHOP), broken)
    assert verdict.headline == "Check database fails: Connection refused"
    assert verdict.cause.endswith("Also: p95 is 488 ms, 1.6× the target of 300 ms.")
    assert "load balancers send no requests here" in verdict.cause


def test_failing_requests_lead_before_a_failing_check() -> None:
    broken = health(Status.CRITICAL, a_check("database", Status.CRITICAL, "Connection refused."))
    verdict = summarize(performance(errors=123, routes=FAILING), broken)
    assert verdict.headline == "12 % of requests fail, 12× the target of 1 %"
    assert verdict.cause == "GET /pay has 31 of the 123 errors. Also: Check database fails: Connection refused."


def test_other_sick_checks_are_named() -> None:
    sick = [a_check(name, Status.WARNING) for name in ("disk", "memory", "files", "loop")]
    verdict = summarize(performance(), health(Status.CRITICAL, *sick, a_check("database", Status.CRITICAL)))
    assert verdict.headline == "Check database fails"
    assert verdict.cause.startswith("disk, memory, files and 1 more are not healthy either.")
    assert verdict.action == "Mend what check database watches."


def test_a_process_that_wants_a_restart_says_so() -> None:
    dying = health(Status.CRITICAL, a_check("loop", Status.CRITICAL), is_live=False, is_ready=False)
    assert "asks to be restarted" in summarize(performance(), dying).cause


def test_failures_are_told_while_still_collecting() -> None:
    verdict = summarize(performance(30, errors=21, p95=0.1, routes=(a_route("/", requests=30, errors=21),)), health())
    assert verdict.status is Status.UNKNOWN
    assert verdict.cause == "21 of the last 30 requests failed. GET / has all errors."
    assert verdict.action.startswith("Read the app's log for GET /")


def test_a_healthy_service_still_names_its_slowest_route() -> None:
    quick = (a_route("/search", p95=0.096), a_route("/home", p95=0.02), a_route("/rare", p95=None))
    verdict = summarize(performance(routes=quick), health())
    assert (verdict.cause, verdict.action) == ("Slowest route: GET /search, p95 96.0 ms.", "")


def test_a_slow_but_rare_route_is_named_and_nothing_to_do_is_not_claimed() -> None:
    routes = (a_route("/home", requests=980, p95=0.02), a_route("/report", requests=20, p95=2.9))
    verdict = summarize(performance(routes=routes), health())
    assert verdict.headline == "p95 is 100 ms, within its target of 300 ms"
    assert verdict.cause == (
        "Slowest route: GET /report, p95 2.90 s, 9.7× the target of 300 ms; it answers 2 % of requests."
    )


def test_a_route_that_fails_often_is_named_though_the_service_is_within_its_target() -> None:
    routes = (a_route("/home", requests=890), a_route("/pay", requests=110, errors=9), a_route("/rare", errors=2))
    verdict = summarize(performance(errors=9, routes=routes), health())
    assert (verdict.status, verdict.headline) == (Status.HEALTHY, "p95 is 100 ms, within its target of 300 ms")
    assert verdict.cause == "GET /pay fails 8.2 % of its 110 requests. Slowest route: GET /home, p95 100 ms."
    assert verdict.action == "Read the app's log for GET /pay."


def test_a_failure_or_two_are_no_reason_to_do_something() -> None:
    verdict = summarize(performance(errors=2, routes=(a_route("/pay", requests=110, errors=2),)), health())
    assert verdict.headline.startswith("Nothing to do: ")


@pytest.mark.parametrize(("ago", "is_said"), [(10.0, True), (301.0, False)])
def test_a_call_that_blocked_the_loop_lately_is_named_with_its_line(ago: float, is_said: bool) -> None:
    last = BlockedLoop(at=1000.0 - ago, loop="main", seconds=0.12, site="shop/sales.py:99")
    site = BlockedSite(
        site="shop/sales.py:99", function="daily", count=14, seconds=1.7, longest=0.125,
        last_at=last.at, waiting=3, arrived=2, last=last,
    )  # fmt: skip
    blocked = msgspec.structs.replace(performance(routes=(a_route("/home"),)), at=1000.0, blocked=(site,))
    verdict = summarize(blocked, health())
    assert ("shop/sales.py:99 blocked the event loop 14 times, 125 ms at most." in verdict.cause) == is_said
    assert (verdict.action == "Await an async call at shop/sales.py:99, or run it in a thread.") == is_said
    assert verdict.headline.startswith("Nothing to do: ") != is_said


def test_a_route_is_judged_by_its_own_target() -> None:
    targets = Targets(routes={"GET /report": 3.0, "GET /home": 0.01})
    routes = (a_route("/home", requests=980, p95=0.02), a_route("/report", requests=20, p95=2.9))
    verdict = summarize(performance(routes=routes), health(), targets)
    assert verdict.headline.startswith("Nothing to do: ")
    assert verdict.cause == "Slowest route: GET /report, p95 2.90 s."


def test_targets_are_settable() -> None:
    strict = Targets(p95=0.05, error_rate=0.0, requests=10)
    verdict = summarize(performance(20, errors=1, p95=0.1), health(), strict)
    assert verdict.headline == "5 % of requests fail, just over the target of 0 %"
    assert verdict.cause == "Also: p95 is 100 ms, 2.0× the target of 50.0 ms."


@pytest.mark.parametrize("errors", [0, 20, 60])
@pytest.mark.parametrize("p95", [None, 0.1, 0.5])
@pytest.mark.parametrize("status", list(Status))
def test_no_words_that_weigh_nothing(errors: int, p95: float | None, status: Status) -> None:
    verdict = summarize(performance(errors=errors, p95=p95, routes=FAILING), health(status))
    said = f"{verdict.headline} {verdict.cause} {verdict.action}"
    assert not any(word in said.lower() for word in ("may ", "potential", "!", "please", "very"))
    assert not verdict.headline.endswith(".")
