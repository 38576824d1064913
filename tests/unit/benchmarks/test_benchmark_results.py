from __future__ import annotations

import random
import statistics

import pytest

from benchmarks.harness.results import Budget, Result, Sample, interval, scale_to_twin, verdict


def result(name: str, cpus: list[float], budget: Budget | None = None) -> Result:
    return Result(name=name, cpus=cpus, budget=budget)


def test_what_is_added_does_not_depend_on_the_speed_of_the_machine() -> None:
    """The contestant adds half of its twin's work; the clock halves in the middle of the race."""
    fast, slow = Sample(1.5, 1.5, 1.0, 1.0), Sample(3.0, 3.0, 2.0, 2.0)
    contestant = Result(name="layer", samples=[fast] * 4 + [slow] * 4)
    scale_to_twin([contestant])
    assert contestant.cpus == [0.75] * 8
    assert contestant.twin_cpu == 1.5


def test_a_whole_is_scaled_but_nothing_is_subtracted() -> None:
    contestant = Result(name="scrape", samples=[Sample(8.0, 6.0, 2.0, 2.0)], is_difference=False)
    scale_to_twin([contestant])
    assert (contestant.wall, contestant.cpu) == (8.0, 6.0)


def test_all_contestants_of_a_race_are_scaled_to_one_twin() -> None:
    quick = Result(name="quick", samples=[Sample(2.0, 2.0, 1.0, 1.0)])
    late = Result(name="late", samples=[Sample(6.0, 6.0, 3.0, 3.0)])
    scale_to_twin([quick, late])
    assert quick.cpu == late.cpu == 2.0


def test_a_race_without_samples_stays_empty() -> None:
    absent = Result(name="gone", absent="no such module")
    scale_to_twin([absent])
    assert absent.cpus == []


def test_the_interval_encloses_the_true_median_about_19_times_in_20() -> None:
    chance = random.Random(5)
    hits = 0
    for _ in range(1000):
        low, high = interval([chance.gauss(0.0, 1.0) for _ in range(30)])
        hits += low <= 0.0 <= high
    assert 920 <= hits <= 990


def test_with_few_rounds_the_interval_is_the_whole_range() -> None:
    assert interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        ([0.2] * 10, "pass"),
        ([0.6] * 10, "short"),
        ([0.3] * 6 + [0.5] * 5, "pass?"),
        ([0.3] * 5 + [0.5] * 6, "short?"),
    ],
)
def test_a_budget_is_judged_by_the_median_and_doubted_inside_the_interval(cpus: list[float], expected: str) -> None:
    reference = result("hand", [1.0] * 10)
    ours = result("ours", cpus, Budget(0.4, "hand"))
    assert verdict(ours, [reference, ours]) == expected


def test_there_is_no_verdict_without_the_reference() -> None:
    ours = result("ours", [1.0], Budget(0.4, "hand"))
    assert verdict(ours, [ours]) == ""
    assert verdict(result("other", [1.0]), [ours]) == ""


def test_the_median_is_the_figure() -> None:
    assert result("ours", [1.0, 9.0, 2.0]).cpu == statistics.median([1.0, 9.0, 2.0])
