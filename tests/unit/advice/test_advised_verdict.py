"""The verdict takes what to do from the findings, and is no better than the score."""

from __future__ import annotations

import msgspec
import pytest

from perfkit.advice import Load, Targets, rank, summarize
from perfkit.advice.ranking import led_by
from perfkit.advice.score import Cause, score
from perfkit.advice.verdict import bounded
from perfkit.core.findings import Priority
from perfkit.performance.blocking.report import BlockedLoop, BlockedSite
from tests.unit.advice.reports import a_finding, an_n_plus_one
from tests.unit.advice.test_verdict import a_route, health, performance


def test_what_saves_a_good_part_of_the_time_is_what_to_do_about_latency() -> None:
    finding = an_n_plus_one(requests=900, action="Load them with the products.")
    ranked = rank([finding], Load(requests=1000, seconds=20.0))
    verdict = summarize(performance(p95=0.5, routes=(a_route("/a", share=0.7),)), health(), Targets(), ranked)
    assert verdict.cause == f"GET /a holds 70 % of all request time; its own p95 is 100 ms. {finding.message}"
    assert verdict.action == "Load them with the products. See shop/views.py:48."


def test_what_saves_little_is_no_answer_to_what_is_slow() -> None:
    ranked = rank([an_n_plus_one(requests=900)], Load(requests=1000, seconds=2000.0))
    verdict = summarize(performance(p95=0.5, routes=(a_route("/a", share=0.7),)), health(), Targets(), ranked)
    assert verdict.action.startswith("Start with GET /a")


def test_what_is_to_be_done_about_latency_is_the_first_of_the_list_also_where_it_saves_little() -> None:
    ranked = rank([an_n_plus_one(requests=900)], Load(requests=1000, seconds=300.0))
    verdict = summarize(performance(p95=0.5, routes=(a_route("/a", share=0.7),)), health(), Targets(), ranked)
    assert (verdict.action, verdict.finding) == ("Do it. See shop/views.py:48.", "n1")
    assert verdict.cause.startswith("GET /a holds 70 % of all request time")


@pytest.mark.parametrize(("route", "said"), [("GET /b", "GET /b: 214 queries"), ("GET /a", "100 ms. 214 queries")])
def test_a_finding_of_another_route_than_the_busiest_says_of_which(route: str, said: str) -> None:
    ranked = rank([an_n_plus_one(requests=900, route=route)], Load(requests=1000, seconds=20.0))
    verdict = summarize(performance(p95=0.5, routes=(a_route("/a", share=0.7),)), health(), Targets(), ranked)
    assert said in verdict.cause


def test_of_a_critical_finding_and_one_that_saves_more_time_both_name_the_critical_one() -> None:
    urgent = msgspec.structs.replace(a_finding("urgent", Priority.CRITICAL), action="Stop the leak.")
    ranked = rank([an_n_plus_one(requests=900), urgent], Load(requests=1000, seconds=20.0))
    verdict = summarize(performance(p95=0.5, routes=(a_route("/a", share=0.7),)), health(), Targets(), ranked)
    assert (ranked[0].fingerprint, verdict.finding, verdict.action) == ("urgent", "urgent", "Stop the leak.")


def test_what_is_no_finding_is_told_as_that_of_none() -> None:
    failing = performance(errors=200, routes=(a_route("/a", errors=20),))
    verdict = summarize(failing, health(), Targets(), [an_n_plus_one(requests=900)])
    assert (verdict.action.partition(" for ")[0], verdict.finding) == ("Read the app's log", "")


def test_failing_requests_are_traced_to_the_service_that_fails_them() -> None:
    failing = msgspec.structs.replace(a_finding(), kind="failing_dependency", route="GET /a", message="17 % failed.")
    routes = (a_route("/a", errors=15), a_route("/b", errors=2))
    failed = performance(errors=17, routes=routes)
    verdict = summarize(failed, health(), Targets(), [failing])
    assert verdict.cause.startswith("GET /a has 15 of the 17 errors. 17 % failed.")
    assert verdict.action.startswith(failing.action)
    ranked = [an_n_plus_one(requests=900), failing]
    assert led_by(summarize(failed, health(), Targets(), ranked).finding, ranked) == [failing, ranked[0]]
    assert led_by("", ranked) == led_by("gone", ranked) == ranked
    elsewhere = summarize(failed, health(), Targets(), [msgspec.structs.replace(failing, route="GET /b")])
    assert elsewhere.action.startswith("Read the app's log for GET /a")


def test_with_an_urgent_finding_there_is_something_to_do() -> None:
    verdict = summarize(performance(), health(), Targets(), [an_n_plus_one(requests=1)])
    assert (verdict.status, verdict.headline) == ("healthy", "p95 is 100 ms, within its target of 300 ms")
    assert verdict.cause.startswith("214 queries in one request")
    assert verdict.action == "Do it. See shop/views.py:48."


def test_a_route_that_fails_now_and_then_comes_not_before_an_urgent_finding() -> None:
    seen = performance(errors=6, routes=(a_route("/a", errors=6),))
    verdict = summarize(seen, health(), Targets(), [an_n_plus_one(requests=1)])
    assert (verdict.finding, verdict.action) == ("n1", "Do it. See shop/views.py:48.")
    assert "GET /a fails 6 % of its 100 requests." in verdict.cause
    assert summarize(seen, health(), Targets(), [a_finding()]).finding == ""


def test_a_call_that_blocks_the_loop_is_told_once_as_the_finding_that_it_is() -> None:
    last = BlockedLoop(at=990.0, loop="main", seconds=0.12, site="shop/sales.py:99")
    site = BlockedSite(
        site="shop/sales.py:99", function="daily", count=14, seconds=1.7, longest=0.125,
        last_at=last.at, waiting=3, arrived=2, last=last,
    )  # fmt: skip
    blocked = msgspec.structs.replace(performance(routes=(a_route("/home"),)), at=1000.0, blocked=(site,))
    found = msgspec.structs.replace(a_finding("b", kind="blocked_loop"), site="shop/sales.py:99", action="Await it.")
    for priority in (Priority.MEDIUM, Priority.HIGH):
        ranked = [msgspec.structs.replace(found, priority=priority)]
        verdict = summarize(blocked, health(), Targets(), ranked)
        assert (verdict.action, verdict.finding) == ("Await it. See shop/sales.py:99.", "b")
        assert verdict.cause.count("shop/sales.py:99") == 1


def test_a_finding_that_can_wait_leaves_nothing_to_do() -> None:
    assert summarize(performance(), health(), Targets(), [a_finding()]).headline.startswith("Nothing to do: ")


def test_a_healthy_service_is_no_better_than_its_score() -> None:
    verdict = summarize(performance(), health())
    made = score({"speed": [], "database": [Cause("N+1 at x.py:3.", 1.0, "PK101", "n")]})
    bound = bounded(verdict, made)
    assert (bound.status, bound.headline) == (
        "warning",
        "Score 73 of 100, though p95 is 100 ms, within its target of 300 ms",
    )
    assert bound.cause.startswith("27 points lost: N+1 at x.py:3.")
    assert bounded(verdict, score({"speed": []})) == verdict
    assert bounded(verdict, None) == verdict


def test_a_critical_alert_is_what_keeps_a_full_score_from_being_healthy() -> None:
    bound = bounded(summarize(performance(), health()), score({"speed": []}, is_alerting=True))
    assert (bound.status, bound.headline.split(",")[0]) == ("warning", "A critical alert fires")


def test_a_score_makes_no_bad_verdict_better_or_other() -> None:
    failing = summarize(performance(errors=200), health())
    assert bounded(failing, score({"speed": []})) == failing
    assert bounded(failing, score({"speed": [Cause("x", 1.0)]})) == failing
