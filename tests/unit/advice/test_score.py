"""The score: every point is somewhere, and the band does not flicker."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis.strategies import builds, dictionaries, floats, integers, lists, sampled_from

from perfkit.advice.score import WEIGHTS, Cause, Score, band, outlook, score
from perfkit.core.findings import Finding
from perfkit.core.status import Status
from tests.unit.advice.reports import a_finding

NONE: dict[str, list[Cause]] = {name: [] for name in WEIGHTS}


def scored(**causes: list[Cause]) -> Score:
    made = score({**NONE, **causes})
    assert made is not None
    return made


def test_without_a_cause_nothing_is_lost() -> None:
    made = scored()
    assert (made.value, made.status, made.version) == (100, "healthy", 1)
    assert {part.name: part.maximum for part in made.parts} == WEIGHTS


def test_a_cause_takes_its_share_of_its_part() -> None:
    made = scored(speed=[Cause("slow", 0.25), Cause("N+1", 0.5, "PK101", "n1")], database=[Cause("N+1", 0.2)])
    speed, _, database, *_ = made.parts
    assert made.value == 100 - 30 - 3
    assert (speed.points, [(loss.points, loss.code) for loss in speed.losses]) == (10, [(20, "PK101"), (10, "")])
    assert database.losses[0].reason == "N+1"
    assert made.status is Status.WARNING


def test_parts_of_which_nothing_is_known_are_left_out_and_the_rest_is_scaled() -> None:
    made = score({"speed": [Cause("slow", 1.0)], "errors": [], "runtime": []}, {"cache": "not used"})
    assert made is not None
    assert [(part.name, part.points, part.maximum) for part in made.parts] == [
        ("speed", 0, 54),
        ("errors", 33, 33),
        ("runtime", 13, 13),
    ]
    assert (made.value, made.left_out) == (46, {"cache": "not used"})


def test_without_any_part_there_is_no_score() -> None:
    assert score({}) is None


def test_more_than_a_part_has_is_not_lost() -> None:
    made = scored(cache=[Cause("a", 3.0), Cause("b", 1.0)])
    assert made.value == 90
    assert sorted(loss.points for loss in made.parts[3].losses) == [2, 8]


def test_what_is_below_half_a_point_in_all_is_not_lost() -> None:
    assert scored(runtime=[Cause("hardly", 0.04)]).value == 100


def test_halves_of_many_parts_are_lost_together() -> None:
    made = scored(speed=[Cause("a", 0.01)], errors=[Cause("b", 0.016)], runtime=[Cause("c", 0.04)])
    assert made.value == 99
    assert sum(loss.points for part in made.parts for loss in part.losses) == 1


@given(
    dictionaries(
        sampled_from(sorted(WEIGHTS)),
        lists(
            builds(Cause, sampled_from("abc"), floats(allow_nan=True, allow_infinity=True) | floats(0, 1)), max_size=12
        ),
        min_size=1,
    )
)
def test_parts_and_lost_points_add_up_exactly(causes: dict[str, list[Cause]]) -> None:
    made = score(causes)
    assert made is not None
    assert sum(part.maximum for part in made.parts) == 100
    assert sum(part.points for part in made.parts) == made.value
    lost = sum(loss.points for part in made.parts for loss in part.losses)
    assert made.value + lost == 100
    for part in made.parts:
        assert 0 <= part.points <= part.maximum
        assert part.points + sum(loss.points for loss in part.losses) == part.maximum
        assert all(loss.points > 0 for loss in part.losses)


@given(lists(floats(0, 1), min_size=1, max_size=8), integers(0, 7))
def test_a_cause_gets_what_it_took_within_a_point(shares: list[float], at: int) -> None:
    """The obvious model: real numbers, rounded up or down; the score itself is the nearest whole number."""
    total = max(1.0, sum(shares))
    made = scored(speed=[Cause(str(index), share / total) for index, share in enumerate(shares)])
    lost = {loss.reason: loss.points for loss in made.parts[0].losses}
    wished = 40.0 * shares[at % len(shares)] / total
    assert abs(lost.get(str(at % len(shares)), 0) - wished) < 1.0 + 1e-6
    assert abs(made.value - (100.0 - 40.0 * sum(shares) / total)) <= 0.5 + 1e-6


def test_the_bands() -> None:
    assert [band(value) for value in (100, 85, 84, 60, 59, 0)] == [
        *(["healthy"] * 2),
        *(["warning"] * 2),
        *(["critical"] * 2),
    ]


def test_a_band_is_left_three_points_beyond_its_edge() -> None:
    assert [band(value, Status.HEALTHY) for value in (82, 81)] == ["healthy", "warning"]
    assert [band(value, Status.WARNING) for value in (87, 88)] == ["warning", "healthy"]
    assert [band(value, Status.WARNING) for value in (57, 56)] == ["warning", "critical"]
    assert [band(value, Status.CRITICAL) for value in (62, 63)] == ["critical", "warning"]
    assert [band(value, Status.HEALTHY) for value in (58, 30)] == ["warning", "critical"]
    assert band(95, Status.CRITICAL) == "healthy"


def test_a_critical_alert_lets_nothing_be_healthy() -> None:
    assert band(100, is_alerting=True) == "warning"
    assert band(20, is_alerting=True) == "critical"


TWO = {
    **NONE,
    "speed": [Cause("N+1", 0.5, "PK101", "n1"), Cause("slow", 0.2)],
    "database": [Cause("N+1", 0.4, "PK101", "n1"), Cause("index", 0.2, "PK201", "index")],
    "runtime": [Cause("blocked", 0.5, "PK401", "block")],
}


def without(mended: Sequence[Finding]) -> Score | None:
    gone = {each.fingerprint for each in mended}
    return score({name: [each for each in told if each.fingerprint not in gone] for name, told in TWO.items()})


def test_the_outlook_is_the_score_without_the_first_two_that_cost_points() -> None:
    made = score(TWO)
    assert made is not None
    ahead = outlook(made, [a_finding(name) for name in ("cheap", "n1", "index", "block")], without)
    assert ahead is not None
    assert (ahead.score - made.value, ahead.fingerprints) == (20 + 6 + 3, ("n1", "index"))
    assert outlook(made, [a_finding("cheap")], without) is None
    all_of_them = outlook(made, [a_finding(name) for name in ("n1", "index", "block")], without, most=3)
    assert all_of_them is not None
    assert all_of_them.score == 100 - 8


def test_where_something_else_holds_the_score_down_there_is_no_outlook() -> None:
    made = score(TWO)
    assert made is not None
    assert outlook(made, [a_finding("n1")], lambda mended: made) is None
    assert outlook(made, [a_finding("n1")], lambda mended: None) is None
