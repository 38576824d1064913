"""The state machine against a table: one line a timeline, one letter every ten seconds.

Readings: a number is a value, ``-`` is no data, ``n`` is NaN, ``~9`` is the value 9 with too little traffic, ``.`` is a
slot in which nobody evaluated; ``?`` behind one: too little is known of the time before. States: ``i`` inactive, ``p``
pending, ``F`` firing, ``R`` resolved, ``.`` not asked.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from perfkit.alerts.alert import AlertState
from perfkit.alerts.numbers.past import Past
from perfkit.alerts.states.flapping import Flaps
from perfkit.alerts.states.machine import RESOLVED_FOR, Policy, Reading, Standing, step
from perfkit.core.families import Definition, Family, MetricType, Point

STEP = 10.0
LETTERS = {
    AlertState.INACTIVE: "i",
    AlertState.PENDING: "p",
    AlertState.FIRING: "F",
    AlertState.RESOLVED: "R",
}

TIMELINES: list[tuple[str, dict[str, Any], str, str]] = [
    # Name, policy over a threshold of 5, readings, states.
    ("all is well", {}, "1 1 1 1", "i i i i"),
    ("the threshold itself is well", {}, "5 5", "i i"),
    ("without hold it fires at once", {}, "1 6 6 1", "i F F R"),
    ("hold must pass whole", {"hold": 30}, "6 6 6 6 6", "p p p F F"),
    ("hold of one evaluation", {"hold": 10}, "6 6", "p F"),
    ("hold shorter than an evaluation", {"hold": 1}, "6 6", "p F"),
    ("one good value ends pending", {"hold": 30}, "6 6 6 1 6 6 6 6", "p p p i p p p F"),
    ("a short spike never fires", {"hold": 30}, "1 6 6 1 1", "i p p i i"),
    ("alternating values never fire", {"hold": 20}, "6 1 6 1 6 1", "p i p i p i"),
    ("it resolves at the first good value", {"hold": 10}, "6 6 1 1", "p F R R"),
    ("keep_firing_for bridges a dip", {"keep_firing_for": 30}, "6 1 1 6 1", "F F F F F"),
    ("keep_firing_for must pass whole", {"keep_firing_for": 30}, "6 1 1 1 1 1", "F F F F R R"),
    ("a bad value begins keep_firing_for anew", {"keep_firing_for": 20}, "6 1 1 6 1 1 1", "F F F F F F R"),
    ("keep_firing_for of one evaluation", {"keep_firing_for": 10}, "6 1 1", "F F R"),
    ("it fires again at once after it was over", {}, "6 1 6 1", "F R F R"),
    ("it waits again after it was over", {"hold": 20}, "6 6 6 1 6 6 6", "p p F R p p F"),
    ("what was over and pending ends quietly", {"hold": 20}, "6 6 6 1 6 1", "p p F R p i"),
    ("below: fires under the threshold", {"is_upper": False}, "9 5 4 4 6", "i i F F R"),
    ("below: with hold", {"is_upper": False, "hold": 20}, "4 4 4 9", "p p F R"),
    ("hysteresis: between the two it goes on", {"clear": 3}, "6 4 4 3", "F F F R"),
    ("hysteresis: between the two it does not begin", {"clear": 3}, "4 4 5 6", "i i i F"),
    ("hysteresis: clear itself is well", {"clear": 3}, "6 3", "F R"),
    ("hysteresis: pending needs the threshold", {"clear": 3, "hold": 20}, "6 4 6 6 6", "p i p p F"),
    ("hysteresis with keep_firing_for", {"clear": 3, "keep_firing_for": 20}, "6 4 2 4 2 2 2", "F F F F F F R"),
    ("hysteresis below", {"is_upper": False, "clear": 8}, "4 6 7 8", "F F F R"),
    ("no data is well", {}, "6 - -", "F R R"),
    ("no data is well only after keep_firing_for", {"keep_firing_for": 20}, "6 - - -", "F F F R"),
    ("no data ends pending", {"hold": 20}, "6 - 6 6 6", "p i p p F"),
    ("NaN is no data", {}, "6 n", "F R"),
    ("never any data", {"hold": 10}, "- - - -", "i i i i"),
    ("keep: no data changes nothing when well", {"no_data": "keep"}, "1 - - 1", "i i i i"),
    ("keep: no data changes nothing when firing", {"no_data": "keep"}, "6 - - - 1", "F F F F R"),
    ("keep: pending goes on, but does not fire blind", {"no_data": "keep", "hold": 20}, "6 - - - 6", "p p p p F"),
    ("alert: no data is an alert", {"no_data": "alert", "hold": 20}, "1 - - - 1", "i p p F R"),
    ("alert: from the very beginning", {"no_data": "alert"}, "- 1", "F R"),
    ("too little traffic begins nothing", {"minimum_traffic": 50}, "~9 ~9 ~9", "i i i"),
    ("too little traffic ends an alert", {"minimum_traffic": 50}, "9 ~9", "F R"),
    ("too little traffic ends pending", {"minimum_traffic": 50, "hold": 20}, "9 ~9 9 9 9", "p i p p F"),
    ("keep: too little traffic is no recovery", {"minimum_traffic": 50, "no_data": "keep"}, "9 ~1 ~1 1", "F F F R"),
    ("alert: too little traffic is no alert", {"minimum_traffic": 50, "no_data": "alert"}, "~9 - ~1 1", "i F F R"),
    ("a short gap does not matter", {"hold": 40}, "6 6 . . 6", "p p . . F"),
    ("after a long gap hold begins anew", {"hold": 40, "max_gap": 25}, "6 6 . . 6 6 6 6 6", "p p . . p p p p F"),
    ("a long gap does not end what fires", {"max_gap": 25}, "6 . . . . 6 1", "F . . . . F R"),
    ("over during a gap", {"max_gap": 25, "keep_firing_for": 20}, "6 . . . . 1 1 1", "F . . . . F F R"),
    ("too little is known: what fires goes on", {}, "6 -? 1? 1", "F F F R"),
    ("too little is known: pending goes on", {"hold": 30}, "6 -? 1? 6 6", "p p p F F"),
    ("too little is known: wrong is wrong", {}, "6 1 6? 1?", "F R F F"),
    ("too little is known: nothing begins by it", {"no_data": "alert"}, "1 1? 1", "i i i"),
    ("infinity is above everything", {}, "inf 1", "F R"),
    ("negative infinity is below everything", {"is_upper": False}, "-inf 9", "F R"),
]


def reading(text: str) -> Reading:
    if text.endswith("?"):
        return msgspec.structs.replace(reading(text[:-1]), is_partial=True)
    if text == "-":
        return Reading()
    if text == "n":
        return Reading(math.nan)
    return Reading(float(text.lstrip("~")), 10.0 if text.startswith("~") else 100.0)


@pytest.mark.parametrize(
    ("policy", "readings", "states"), [line[1:] for line in TIMELINES], ids=[t[0] for t in TIMELINES]
)
def test_a_timeline(policy: dict[str, Any], readings: str, states: str) -> None:
    rule = Policy(threshold=5.0, **policy)
    standing, seen = Standing(), []
    for slot, text in enumerate(readings.split()):
        if text == ".":
            seen.append(".")
            continue
        standing = step(rule, standing, reading(text), 1_000.0 + slot * STEP)
        seen.append(LETTERS[standing.state])
    assert " ".join(seen) == states


def test_the_table_is_long_enough() -> None:
    assert len(TIMELINES) >= 40
    assert len({name for name, *_ in TIMELINES}) == len(TIMELINES)
    assert all(len(readings.split()) == len(states.split()) for _, _, readings, states in TIMELINES)


COUNTERS: list[tuple[str, str, str]] = [
    # Name, the counter every ten seconds (- is absent), its increase over the last 30 seconds (- is unknown).
    ("it rises", "0 5 10 15 20", "- 5 10 15 15"),
    ("it stands still", "7 7 7", "- 0 0"),
    ("it begins anew at zero", "10 15 0 5 5", "- 5 5 10 5"),
    ("it begins anew and has risen since", "10 15 3 4", "- 5 8 9"),
    ("it begins anew above its old value, which nobody can know", "10 4 12 12", "- 4 12 12"),
    ("it begins anew twice in a window", "10 2 1 3", "- 2 3 5"),
    ("it appears later, and was zero before", "- - 4 6", "- 0 4 6"),
    ("it is away for a moment", "5 - 8 9", "- 0 3 4"),
    ("it is gone", "5 6 - -", "- 1 1 1"),
]


@pytest.mark.parametrize(("values", "increases"), [line[1:] for line in COUNTERS], ids=[line[0] for line in COUNTERS])
def test_the_increase_of_a_counter(values: str, increases: str) -> None:
    definition = Definition(name="jobs_total", type=MetricType.COUNTER)
    past, seen = Past(600.0), []
    for slot, text in enumerate(values.split()):
        now = 1_000.0 + slot * STEP
        past.sample(None if text == "-" else Family(definition, (Point((), float(text)),)), now)
        found = past.increase(30.0, now)
        seen.append("-" if found is None else f"{sum(cell.total for cell in found.cells.values()):g}")
    assert " ".join(seen) == increases


def test_a_resolved_alert_is_forgotten_after_a_while() -> None:
    rule = Policy(threshold=5.0)
    standing = step(rule, Standing(), Reading(6.0), 0.0)
    standing = step(rule, standing, Reading(1.0), 10.0)
    assert step(rule, standing, Reading(1.0), 10.0 + RESOLVED_FOR - 1.0).state is AlertState.RESOLVED
    assert step(rule, standing, Reading(1.0), 10.0 + RESOLVED_FOR).state is AlertState.INACTIVE


def test_each_firing_has_its_own_beginning() -> None:
    rule = Policy(threshold=5.0)
    first = step(rule, Standing(), Reading(6.0), 10.0)
    over = step(rule, first, Reading(1.0), 20.0)
    second = step(rule, over, Reading(6.0), 30.0)
    assert (first.started_at, over.started_at, second.started_at) == (10.0, 10.0, 30.0)


def test_time_that_goes_back_ends_nothing_early() -> None:
    rule = Policy(threshold=5.0, keep_firing_for=60.0)
    standing = step(rule, Standing(), Reading(6.0), 1_000.0)
    standing = step(rule, standing, Reading(1.0), 400.0)
    assert (standing.state, standing.seen_at) == (AlertState.FIRING, 1_000.0)
    assert step(rule, standing, Reading(1.0), 1_059.0).state is AlertState.FIRING
    assert step(rule, standing, Reading(1.0), 1_060.0).state is AlertState.RESOLVED


def test_the_last_value_stays_while_there_is_none() -> None:
    rule = Policy(threshold=5.0, no_data="keep")
    standing = step(rule, Standing(), Reading(6.0), 0.0)
    assert step(rule, standing, Reading(), 10.0).value == 6.0


FLAPS = [
    ("few changes", [0, 100, 200, 300, 400], 500, False),
    ("more than five in ten minutes", [0, 50, 100, 150, 200, 250], 260, True),
    ("six, but slowly", [0, 150, 300, 450, 600, 750], 760, False),
    ("it is calm when one is left", [0, 50, 100, 150, 200, 250], 800, False),
    ("it is not calm while two are left", [0, 50, 100, 150, 200, 250], 790, True),
]


@pytest.mark.parametrize(("changes", "asked_at", "expected"), [line[1:] for line in FLAPS], ids=[f[0] for f in FLAPS])
def test_flapping(changes: list[int], asked_at: int, expected: bool) -> None:
    flaps = Flaps()
    for second in range(0, asked_at + 1, 10):
        flaps = flaps.after(float(second), changed=second in changes)
    assert flaps.is_flapping is expected
