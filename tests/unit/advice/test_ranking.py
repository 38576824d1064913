"""Every problem once, the most urgent first; time decides where it is known."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis.strategies import builds, floats, integers, lists, none, one_of, sampled_from

from perfkit.advice import Load, rank
from perfkit.advice.ranking import TIME_SHARE
from perfkit.core.findings import Finding, Priority, State
from tests.unit.advice.reports import a_finding, an_n_plus_one

LOAD = Load(requests=1000, seconds=100.0)
URGENCY = list(Priority)


def names(findings: list[Finding]) -> list[str]:
    return [finding.fingerprint for finding in findings]


def test_the_priority_of_the_component_orders_what_has_no_time() -> None:
    found = [a_finding(each.value, each) for each in (Priority.LOW, Priority.CRITICAL, Priority.MEDIUM, Priority.HIGH)]
    assert names(rank(found, LOAD)) == ["critical", "high", "medium", "low"]


def test_of_the_same_priority_what_saves_more_time_comes_first() -> None:
    small, large = an_n_plus_one("small", requests=300, seconds=0.05), an_n_plus_one("large", requests=800, seconds=0.1)
    ranked = rank([a_finding("no time", Priority.HIGH), small, large], LOAD)
    assert names(ranked) == ["large", "small", "no time"]
    assert [finding.estimate.get(TIME_SHARE) for finding in ranked] == [0.8, 0.15, None]


def test_of_the_same_priority_what_has_no_estimate_comes_last_however_sure_it_is() -> None:
    nothing = an_n_plus_one("next to nothing", requests=900, seconds=0.0, confidence="guess")
    early = an_n_plus_one("early", requests=3, seconds=0.1, confidence="guess")
    sure = a_finding("no estimate", Priority.HIGH, code="PK001")
    assert names(rank([sure, nothing], LOAD)) == ["next to nothing", "no estimate"]
    assert names(rank([sure, early])) == ["early", "no estimate"]
    assert names(rank([msgspec.structs.replace(sure, priority=Priority.CRITICAL), early])) == ["no estimate", "early"]


def test_what_is_rare_and_cheap_as_a_whole_is_no_advice_however_bad_it_is_in_one_request() -> None:
    rare = an_n_plus_one("rare", requests=2, seconds=0.4)
    frequent = an_n_plus_one("frequent", requests=900, seconds=0.04, priority=Priority.MEDIUM)
    ranked = rank([rare, frequent], LOAD)
    assert [(each.fingerprint, each.priority) for each in ranked] == [("frequent", "high")]


def test_without_evidence_there_is_no_advice() -> None:
    assert rank([a_finding("proved", evidence={"count": 3}), a_finding("told", Priority.CRITICAL, evidence={})]) == [
        a_finding("proved", evidence={"count": 3})
    ]


def test_the_sum_over_all_workers_counts_more_than_the_worst_request() -> None:
    finding = an_n_plus_one(requests=1000, seconds=0.09)
    summed = msgspec.structs.replace(finding, estimate={**finding.estimate, "load_seconds_saved": 12.0})
    assert rank([finding], LOAD)[0].estimate[TIME_SHARE] == pytest.approx(0.9)
    assert rank([summed], LOAD)[0].estimate[TIME_SHARE] == pytest.approx(0.12)


def test_a_part_of_the_time_from_one_percent_on_is_of_medium_priority_at_least() -> None:
    low = an_n_plus_one(requests=100, seconds=0.01, priority=Priority.LOW)
    assert rank([low], LOAD)[0].priority == "medium"


def test_what_many_requests_meet_stays_urgent_while_the_database_is_near() -> None:
    assert rank([an_n_plus_one(requests=100, seconds=0.0001)], LOAD)[0].priority == "high"
    assert rank([an_n_plus_one(requests=9, seconds=0.0001)], LOAD) == []


def test_what_is_critical_stays_critical_whatever_time_it_saves() -> None:
    assert rank([an_n_plus_one(requests=900, seconds=0.1, priority=Priority.CRITICAL)], LOAD)[0].priority == "critical"


def test_of_a_few_requests_the_time_decides_nothing_yet() -> None:
    finding = an_n_plus_one(requests=1, seconds=0.00001)
    assert rank([finding], Load(requests=49, seconds=5.0)) == [finding]
    assert rank([finding]) == [finding]


def test_more_than_all_time_is_never_promised() -> None:
    """Where only the worst request is known, times all of them it may be more than there was."""
    assert rank([an_n_plus_one(requests=1000, seconds=5.0)], LOAD)[0].estimate[TIME_SHARE] == 1.0


def test_seconds_of_loading_saved_are_told_as_a_whole() -> None:
    finding = a_finding(estimate={"hit_ratio_gain": 0.2, "load_seconds_saved": 25.0})
    assert rank([finding], LOAD)[0].estimate[TIME_SHARE] == 0.25


def test_of_equal_ones_the_surer_comes_first() -> None:
    found = [a_finding(each, confidence=each) for each in ("guess", "likely", "sure")]
    assert names(rank(found)) == ["sure", "likely", "guess"]


def test_the_same_problem_is_told_once_by_its_most_urgent_report() -> None:
    found = [a_finding("x", Priority.LOW), a_finding("x", Priority.HIGH), a_finding("x", Priority.MEDIUM)]
    assert [finding.priority for finding in rank(found)] == ["high"]


def test_without_a_fingerprint_the_place_tells_problems_apart() -> None:
    found = [a_finding("", object="a"), a_finding("", object="b"), a_finding("", object="b")]
    assert [finding.object for finding in rank(found)] == ["a", "b"]


def test_what_is_snoozed_or_fixed_is_not_recommended() -> None:
    each = [a_finding(each, state=each) for each in State]
    assert names(rank(each)) == ["open", "returned"]
    assert names(rank(each, with_snoozed=True)) == ["open", "returned", "snoozed"]


def test_there_is_a_bound() -> None:
    assert len(rank(a_finding(str(number)) for number in range(1000))) == 100
    assert names(rank([a_finding("b"), a_finding("a", Priority.HIGH)], most=1)) == ["a"]


@given(
    lists(
        builds(
            lambda name, priority, confidence, requests, seconds: a_finding(
                name,
                priority,
                confidence=confidence,
                evidence={"count": 2} if requests is None else {"requests": requests},
                estimate={} if seconds is None else {"seconds_saved": seconds},
            ),
            sampled_from("abcdefgh"),
            sampled_from(Priority),
            sampled_from(["sure", "likely", "guess", "?"]),
            one_of(none(), integers(0, 10**9)),
            one_of(none(), floats(allow_nan=True)),
        ),
        max_size=30,
    ),
    integers(0, 99),
)
def test_whatever_is_reported_in_whatever_order_the_answer_is_one(findings: list[Finding], seed: int) -> None:
    """Priorities never rise down the list; all that is worth it is told once; the order of reports is no matter."""
    ranked = rank(findings, LOAD)
    places = [URGENCY.index(finding.priority) for finding in ranked]
    assert places == sorted(places)
    assert sorted(names(ranked)) == sorted({finding.fingerprint for finding in findings if rank([finding], LOAD)})
    assert all(0.0 <= finding.estimate.get(TIME_SHARE, 0.0) <= 1.0 for finding in ranked)
    random.Random(seed).shuffle(findings)
    again = rank(findings, LOAD)
    assert [(each.fingerprint, each.priority) for each in again] == [
        (each.fingerprint, each.priority) for each in ranked
    ]
