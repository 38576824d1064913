"""The heat map tells where requests land, to eyes and to ears."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from hypothesis import given
from hypothesis.strategies import floats, lists

from perfkit.dashboard.sections.heat import ROWS, STEPS, heat_map, strength
from perfkit.store.history.slices import Slice
from tests.unit.dashboard.test_overview import Page

EDGES = tuple(0.001 * 1.2**n for n in range(60))


def drawn(*columns: dict[int, float], **more: Any) -> Page | None:
    slices = [
        Slice(1000.0 + 30.0 * n, 1030.0 + 30.0 * n, tuple(each.get(at, 0.0) for at in range(61)))
        for n, each in enumerate(columns)
    ]
    made = heat_map(EDGES, slices, UTC, **more)
    return None if made is None else Page("".join(made))


def test_nothing_is_drawn_of_nothing_or_of_one_slice() -> None:
    assert drawn() is None
    assert drawn({}, {}) is None
    assert drawn({3: 9.0}) is None


def test_each_cell_tells_its_time_its_durations_and_its_number() -> None:
    seen = drawn({0: 1.0}, {0: 100.0, 60: 1.0})
    assert seen is not None
    assert "until 00:17:10  0 ms to" in seen.text
    assert "1 request" in seen.text
    assert "100 requests" in seen.text
    assert "Where requests landed between 00:16:40 and 00:17:40" in seen.text
    kinds = {str(each["class"]) for each in seen.all("rect")}
    assert kinds == {"h0", "h1", f"h{STEPS}"}


def test_many_buckets_are_joined_and_none_is_lost() -> None:
    seen = drawn(dict.fromkeys(range(61), 2.0), dict.fromkeys(range(61), 2.0))
    assert seen is not None
    heights = {each["y"] for each in seen.all("rect") if each["class"] != "h0"}
    assert len(heights) <= ROWS
    assert len([each for each in seen.all("rect") if each["class"] != "h0"]) == 2 * len(heights)


def test_a_cell_leads_to_the_requests_in_it_by_pointer_and_by_table() -> None:
    seen = drawn({0: 1.0}, {3: 7.0, 60: 2.0}, route="GET /a b")
    assert seen is not None
    links = [(each["href"], each.get("tabindex")) for each in seen.all("a")]
    first = "./requests?route=GET+%2Fa+b&from=1000.000&to=1030.000"
    later = "./requests?route=GET+%2Fa+b&from=1030.000&to=1060.000"
    # Four buckets stand together as one row; the last one has no upper end.
    expected = [f"{first}&most=1.728", f"{later}&least={EDGES[59] * 1000:.3f}", f"{later}&most=1.728"]
    assert sorted(href for href, stop in links if stop == "-1") == expected
    assert sorted(href for href, stop in links if stop is None) == expected


@given(lists(floats(1.0, 1e9), min_size=1))
def test_the_scale_rises_with_the_number_and_stays_within_its_steps(numbers: list[float]) -> None:
    highest = max(numbers)
    told = [strength(each, highest) for each in sorted(numbers)]
    assert told == sorted(told)
    assert all(1 <= each <= STEPS for each in told)
    assert told[-1] == STEPS
