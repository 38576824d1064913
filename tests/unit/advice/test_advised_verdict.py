"""The verdict takes what to do from the findings, and is no better than the score."""

from __future__ import annotations

import msgspec

from perfkit.advice import Load, Targets, rank, summarize
from perfkit.advice.score import Cause, score
from perfkit.advice.verdict import bounded
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


def test_failing_requests_are_traced_to_the_service_that_fails_them() -> None:
    failing = msgspec.structs.replace(a_finding(), kind="failing_dependency", route="GET /a", message="17 % failed.")
    routes = (a_route("/a", errors=15), a_route("/b", errors=2))
    failed = performance(errors=17, routes=routes)
    verdict = summarize(failed, health(), Targets(), [failing])
    assert verdict.cause.startswith("GET /a has 15 of the 17 errors. 17 % failed.")
    assert verdict.action.startswith(failing.action)
    elsewhere = summarize(failed, health(), Targets(), [msgspec.structs.replace(failing, route="GET /b")])
    assert elsewhere.action.startswith("Read the app's log for GET /a")


def test_with_an_urgent_finding_there_is_something_to_do() -> None:
    verdict = summarize(performance(), health(), Targets(), [an_n_plus_one(requests=1)])
    assert (verdict.status, verdict.headline) == ("healthy", "p95 is 100 ms, within its target of 300 ms")
    assert verdict.cause.startswith("214 queries in one request")
    assert verdict.action == "Do it. See shop/views.py:48."


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
