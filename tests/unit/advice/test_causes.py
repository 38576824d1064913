"""What takes points from a part: figures, and the findings that explain them."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis.strategies import builds, dictionaries, floats, integers, lists, sampled_from, tuples

from perfkit.advice import Load, Targets, causes, rank
from perfkit.advice.ranking import TIME_SHARE
from perfkit.advice.score import Cause, score
from perfkit.cache.snapshot import CacheSnapshot
from perfkit.core.families import Histogram, Point
from perfkit.core.findings import Effect, Finding, Priority
from perfkit.database.report.statistics import Caller, SlowQuery
from perfkit.database.snapshot import DatabaseSnapshot
from perfkit.performance.snapshot import Breach, Latency, PerformanceSnapshot
from perfkit.store.boundaries import FINE
from tests.unit.advice.reports import a_finding, an_n_plus_one
from tests.unit.advice.test_verdict import a_route, performance

TARGETS = Targets(p95=0.25)


def requests(*durations: float, route: str = "/", error: str = "") -> Point:
    counts = [0.0] * (len(FINE) + 1)
    for duration in durations:
        counts[bisect_left(FINE, duration)] += 1.0
    status = "500" if error else "200"
    return Point(("GET", route, status, "http", error), Histogram(FINE, counts, sum(durations)))


def speed(*points: Point, findings: tuple[Finding, ...] = (), targets: Targets = TARGETS) -> list[tuple[str, float]]:
    found = causes.speed(causes.tally(points, targets), findings)
    return [(cause.reason, pytest.approx(cause.share)) for cause in found]


def test_a_request_within_its_target_loses_nothing_one_within_four_times_half_a_later_one_all() -> None:
    assert speed(requests(0.1, 0.25)) == []
    slower = "GET / is slower than its target of 250 ms"
    assert speed(requests(0.1, 0.1, 0.1, 0.9)) == [(slower, 0.125)]
    assert speed(requests(0.1, 0.1, 0.1, 1.1)) == [(slower, 0.25)]


def test_each_route_has_its_own_target() -> None:
    targets = Targets(p95=0.25, routes={"GET /reports": 2.5})
    assert speed(requests(2.0, route="/reports"), targets=targets) == []
    assert speed(requests(2.0, route="/"), targets=targets) == [("GET / is slower than its target of 250 ms", 1.0)]


def test_a_failed_request_counts_nothing_however_fast_it_was() -> None:
    assert speed(requests(0.1, 0.1), requests(0.001, 0.001, error="500")) == [("failed requests count as slow", 0.5)]


def test_a_client_that_left_is_no_failure() -> None:
    assert speed(requests(0.1, error="client_disconnected")) == []


def test_a_finding_about_a_route_is_what_its_points_are_lost_to() -> None:
    finding = a_finding(code="PK401", object="GET /reports", message="sleep blocked the loop.")
    assert speed(requests(2.0, route="/reports"), requests(0.1), findings=(finding,)) == [
        ("sleep blocked the loop.", 0.5)
    ]


def test_of_several_findings_on_a_route_the_dearest_is_the_cause_and_a_cheap_one_never() -> None:
    def on_the_route(name: str, share: float) -> Finding:
        more = {"estimate": {"request_time_share": share}, "object": "review", "route": "GET /reports"}
        return a_finding(name, message=f"{name}.", **more)

    found = (on_the_route("cheap", 0.001), on_the_route("small", 0.05), on_the_route("large", 0.4))
    assert speed(requests(2.0, route="/reports"), findings=found) == [("large.", 1.0)]
    slower = "GET /reports is slower than its target of 250 ms"
    assert speed(requests(2.0, route="/reports"), findings=found[:1]) == [(slower, 1.0)]


def test_a_cache_that_would_help_is_the_cause_only_where_nothing_else_is() -> None:
    def on_the_route(name: str, share: float, effect: Effect) -> Finding:
        more = {"estimate": {"request_time_share": share}, "route": "GET /reports", "effect": effect}
        return a_finding(name, message=f"{name}.", **more)

    cached = on_the_route("cached", 0.9, Effect(hit_ratio=0.9))
    slow = on_the_route("slow", 0.3, Effect(variant="a1"))
    assert speed(requests(2.0, route="/reports"), findings=(cached, slow)) == [("slow.", 1.0)]
    assert speed(requests(2.0, route="/reports"), findings=(cached,)) == [("cached.", 1.0)]


def test_five_routes_are_named_and_the_others_are_one_cause() -> None:
    points = [requests(*[2.0] * number, route=f"/{number}") for number in range(1, 9)]
    told = speed(*points)
    assert [reason.split()[1] for reason, _ in told] == ["/8", "/7", "/6", "/5", "/4", "routes"]
    assert told[-1][1] == pytest.approx(6 / 36)


@given(lists(tuples(sampled_from(FINE[:-1]), sampled_from(["", "500"])), min_size=1, max_size=60))
def test_speed_agrees_with_scoring_each_request_by_itself(seen: list[tuple[float, str]]) -> None:
    """On the boundaries of the store, where histograms say all, 0.25 s and 1 s being two of them."""
    worth = [0.0 if error else 1.0 if time <= 0.25 else 0.5 if time <= 1.0 else 0.0 for time, error in seen]
    lost = sum(
        cause.share for cause in causes.speed(causes.tally([requests(t, error=e) for t, e in seen], TARGETS), ())
    )
    assert lost == pytest.approx(1.0 - sum(worth) / len(worth))


@given(lists(floats(0.0001, 20.0), min_size=1, max_size=60), floats(0.001, 5.0))
def test_with_any_target_speed_is_off_by_the_requests_in_two_buckets_at_most(seen: list[float], target: float) -> None:
    worth = [1.0 if time <= target else 0.5 if time <= 4 * target else 0.0 for time in seen]
    lost = sum(cause.share for cause in causes.speed(causes.tally([requests(*seen)], Targets(p95=target)), ()))
    places = [bisect_left(FINE, time) for time in seen]
    near = sum(place in (bisect_left(FINE, target), bisect_left(FINE, 4 * target)) for place in places)
    assert abs(len(seen) * lost - (len(seen) - sum(worth))) <= near / 2 + 1e-6


def test_errors_take_all_points_where_the_verdict_says_failing() -> None:
    def lost(errors: int) -> float:
        return sum(cause.share for cause in causes.errors(with_errors(errors), Targets(error_rate=0.01)))

    assert [lost(errors) for errors in (0, 10, 50, 900)] == [
        0.0,
        pytest.approx(0.2),
        pytest.approx(1.0),
        pytest.approx(1.0),
    ]


def with_errors(errors: int) -> PerformanceSnapshot:
    return performance(1000, errors=errors, routes=(a_route("/a", requests=500, errors=errors),))


def test_errors_are_told_by_route_and_what_no_route_has_is_told_too() -> None:
    snapshot = performance(1000, errors=10, routes=(a_route("/a", errors=6), a_route("/b", errors=3)))
    found = causes.errors(snapshot, Targets())
    assert [(cause.reason, pytest.approx(cause.share)) for cause in found] == [
        ("GET /a fails 6 % of its requests", 0.12),
        ("GET /b fails 3 % of its requests", 0.06),
        ("other routes fail", 0.02),
    ]


def test_a_target_of_no_error_at_all_is_missed_by_one() -> None:
    assert sum(each.share for each in causes.errors(with_errors(1), Targets(error_rate=0.0))) == 1.0


def a_database(*top: SlowQuery) -> DatabaseSnapshot:
    return DatabaseSnapshot(statements=10_000, seconds=9.0, errors=0, slow=0, top=top)


def a_query(slow: int) -> SlowQuery:
    return SlowQuery(
        sql="SELECT 1",
        id="a1",
        system="sqlite",
        summary="SELECT product",
        calls=900,
        slow=slow,
        total=9.0,
        mean=0.01,
        p95=0.02,
        callers=(Caller("shop/search.py:19", "search", 900),),
    )


def test_requests_with_an_n_plus_one_are_what_the_database_loses() -> None:
    (cause,) = causes.database(a_database(a_query(0)), 1000, [an_n_plus_one(requests=250), a_finding()])
    assert (cause.share, cause.code, cause.fingerprint) == (pytest.approx(0.25), "PK101", "n1")


def test_slow_statements_are_told_with_the_line_that_sends_them() -> None:
    (cause,) = causes.database(a_database(a_query(100)), 1000, [])
    assert cause == Cause("SELECT product is slow at shop/search.py:19", pytest.approx(0.1))


def test_two_problems_meet_in_a_request_by_chance() -> None:
    found = causes.database(a_database(), 1000, [an_n_plus_one("a", requests=500), an_n_plus_one("b", requests=500)])
    assert [cause.share for cause in found] == [pytest.approx(0.375)] * 2


def test_more_findings_than_requests_take_all() -> None:
    """Tasks that are looked at as if they were requests are no requests."""
    assert causes.database(a_database(), 10, [an_n_plus_one(requests=500)])[0].share == 1.0


def a_cache(ratio: float | None) -> CacheSnapshot:
    return CacheSnapshot(strategy="lru", hit_ratio=ratio, hits=1000)


def test_a_hit_ratio_below_its_target_costs_and_findings_explain_what_they_can() -> None:
    targets = Targets(hit_ratio=0.8)
    assert causes.cache(a_cache(0.9), targets, []) == []
    assert causes.cache(a_cache(None), targets, []) == []
    short = a_finding("ttl", kind="ttl_too_short", estimate={"hit_ratio_gain": 0.1})
    explained, rest = causes.cache(a_cache(0.4), targets, [short])
    assert (explained.fingerprint, explained.share) == ("ttl", pytest.approx(0.1))
    assert rest == Cause("the hit ratio is 40 %, below its target of 80 %", pytest.approx(0.3))


def test_findings_explain_no_more_than_is_lost() -> None:
    found = causes.cache(a_cache(0.7), Targets(), [a_finding("x", kind="s", estimate={"hit_ratio_gain": 0.9})])
    assert sum(cause.share for cause in found) == pytest.approx(0.1)


def test_a_stampede_costs_the_rest_of_the_cache_by_how_bad_it_is() -> None:
    def lost(*priorities: Priority) -> float:
        storms = [a_finding(str(at), each) for at, each in enumerate(priorities)]
        return sum(cause.share for cause in causes.cache(a_cache(0.95), Targets(), storms))

    assert lost(Priority.HIGH, Priority.MEDIUM) == pytest.approx(0.2)
    assert lost(Priority.MEDIUM) == pytest.approx(0.1)


def a_runtime(**changes: Any) -> PerformanceSnapshot:
    return msgspec.structs.replace(performance(), **{"cpu": 0.5, "memory": 1e8, **changes})


def runtime(snapshot: PerformanceSnapshot, *findings: Finding, has_database: bool = True) -> list[tuple[str, float]]:
    found = causes.runtime(snapshot, findings, lag=0.1, has_database=has_database)
    return [(cause.reason, pytest.approx(cause.share)) for cause in found]


def test_the_aspects_that_are_known_weigh_the_same() -> None:
    hot = (Breach(name="cpu", value=0.97, threshold=0.9, since=0.0),)
    assert runtime(a_runtime()) == []
    assert runtime(a_runtime(breaches=hot)) == [("CPU is used to 97 %", 1 / 3)]
    assert runtime(a_runtime(breaches=hot, event_loop_lag=Latency(p95=0.01))) == [("CPU is used to 97 %", 1 / 4)]
    assert runtime(a_runtime(breaches=hot), has_database=False) == [("CPU is used to 97 %", 1 / 2)]


def test_a_loop_that_answers_late_costs_half_and_four_times_later_all() -> None:
    said = "the event loop answers after {}, 100 ms is the target"
    assert runtime(a_runtime(event_loop_lag=Latency(p95=0.1))) == []
    assert runtime(a_runtime(event_loop_lag=Latency(p95=0.3))) == [(said.format("300 ms"), 1 / 8)]
    assert runtime(a_runtime(event_loop_lag=Latency(p95=0.5))) == [(said.format("500 ms"), 1 / 4)]


def test_what_blocks_the_loop_or_grows_or_waits_is_the_cause() -> None:
    late = a_runtime(event_loop_lag=Latency(p95=0.5))
    kinds = ("blocked_loop", "memory_growth", "pool_too_small")
    assert runtime(late, *(a_finding(kind, kind=kind) for kind in kinds)) == [
        (f"This is {kind}.", 1 / 4) for kind in kinds
    ]


def test_what_blocked_the_loop_while_it_answers_in_time_costs_nothing_here() -> None:
    assert runtime(a_runtime(event_loop_lag=Latency(p95=0.01)), a_finding(kind="blocked_loop")) == []


@given(
    lists(
        tuples(
            sampled_from(("/a", "/b", "/c", "/d", "/e", "/f", "/g")),
            sampled_from(FINE[:-1]),
            sampled_from(("", "", "500")),
        ),
        min_size=1,
        max_size=40,
    ),
    lists(
        builds(
            an_n_plus_one,
            sampled_from("wxyz"),
            requests=integers(0, 50),
            seconds=floats(0, 10),
            route=sampled_from((None, "GET /a", "GET /b")),
            effect=sampled_from((None, Effect(variant="a1"), Effect(hit_ratio=0.9))),
            estimate=dictionaries(sampled_from((TIME_SHARE, "seconds_saved", "p95_to")), floats(0, 1), max_size=3),
        ),
        max_size=6,
    ),
)
def test_with_whatever_is_foretold_each_lost_point_has_a_finding_or_a_named_rest(
    seen: list[tuple[str, float, str]], findings: list[Finding]
) -> None:
    """All of the way from requests and findings to points: nothing is lost twice, and nothing without a reason."""
    total = sum(seconds for _, seconds, _ in seen)
    ranked = rank(findings, Load(requests=max(50, len(seen)), seconds=total))
    tallied = causes.tally([requests(took, route=route, error=error) for route, took, error in seen], TARGETS)
    found = {
        "speed": causes.speed(tallied, ranked),
        "errors": [],
        "database": causes.database(a_database(), len(seen), ranked),
    }
    made = score(found)
    assert made is not None
    lost = [loss for part in made.parts for loss in part.losses]
    assert made.value + sum(loss.points for loss in lost) == 100
    assert all(part.points + sum(loss.points for loss in part.losses) == part.maximum for part in made.parts)
    assert all(loss.reason and loss.points > 0 for loss in lost)
    known = {each.fingerprint for each in ranked}
    assert all(loss.fingerprint in known for loss in lost if loss.code)


def mended(*findings: Finding) -> list[Finding]:
    return list(findings)


def test_a_route_that_stays_above_its_target_after_the_fix_goes_on_losing_points() -> None:
    seen = [requests(*[0.8] * 10)]
    for after, left in ((0.1, 0.0), (0.4, 0.5), (0.79, 0.5)):
        fix = mended(a_finding("n1", route="GET /", estimate={"p95_from": 0.8, "p95_to": after}))
        tallied = causes.tally(seen, TARGETS, causes.times_left(fix))
        assert sum(cause.share for cause in causes.speed(tallied, [])) == pytest.approx(left)


def test_what_nobody_foretold_or_what_is_foretold_of_another_route_makes_no_request_faster() -> None:
    seen = [requests(*[0.8] * 10), requests(0.1, route="/b")]
    unknown = (
        a_finding("a", route="GET /"),
        a_finding("b", route="GET /", estimate={TIME_SHARE: 0.9}),
        a_finding("c", estimate={"p95_from": 0.8, "p95_to": 0.1}),
        a_finding("d", route="GET /b", estimate={"p95_from": 0.8, "p95_to": 0.1}),
        a_finding("e", route="GET /", estimate={"p95_from": 0.8, "p95_to": 0.8}),
    )
    assert causes.tally(seen, TARGETS, causes.times_left(unknown)) == causes.tally(seen, TARGETS)


def test_of_two_fixes_of_one_route_each_takes_its_part_of_what_the_other_leaves() -> None:
    half = {"p95_from": 0.8, "p95_to": 0.4}
    fixes = [a_finding(each, route="GET /", estimate=half) for each in "ab"]
    assert causes.times_left(fixes) == {"GET /": 0.25}
    gone = a_finding("c", route="GET /", estimate={"p95_from": 0.8, "p95_to": 0.0})
    assert 0.0 < causes.times_left([gone])["GET /"] <= 0.001


@given(
    lists(sampled_from(FINE[:-1]), min_size=1, max_size=30),
    lists(floats(0.0, 1.0), max_size=4),
)
def test_to_take_less_time_never_costs_more(seen: list[float], left: list[float]) -> None:
    fixes = [
        a_finding(str(at), route="GET /", estimate={"p95_from": 1.0, "p95_to": each}) for at, each in enumerate(left)
    ]
    (before,) = causes.tally([requests(*seen)], TARGETS)
    (after,) = causes.tally([requests(*seen)], TARGETS, causes.times_left(fixes))
    assert after.slowness <= before.slowness + 1e-9
    assert (after.requests, after.failed, after.target) == (before.requests, before.failed, before.target)


def test_a_loop_is_on_time_again_once_nothing_that_is_known_blocks_it() -> None:
    late = a_runtime(event_loop_lag=Latency(p95=0.5))
    one, other = (a_finding(each, kind="blocked_loop") for each in "ab")
    left = causes.runtime(late, [other], lag=0.1, has_database=True, mended=[one])
    assert [(cause.fingerprint, cause.share) for cause in left] == [("b", pytest.approx(1 / 4))]
    assert causes.runtime(late, [], lag=0.1, has_database=True, mended=[one, other]) == []
    assert len(causes.runtime(late, [], lag=0.1, has_database=True, mended=[a_finding()])) == 1


def test_a_mended_cache_has_the_hit_ratio_that_was_foretold() -> None:
    targets = Targets(hit_ratio=0.8)
    longer = a_finding("ttl", kind="ttl_too_short", estimate={"hit_ratio_gain": 0.1})
    other = msgspec.structs.replace(longer, component="load_balancer")
    for fix, share in (([longer], 0.3), ([longer, longer], 0.2), ([other], 0.4), ([longer] * 4, 0.0)):
        found = causes.cache(a_cache(0.4), targets, [], fix)
        assert sum(cause.share for cause in found) == pytest.approx(share)
