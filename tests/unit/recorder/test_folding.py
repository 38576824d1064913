"""Equal spans are one row, with all of their time; whatever was recorded, the rows are few."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.recorder.folding import MAX_INTERVALS, MAX_ROWS, busy, by_kind, fold


def span(name: str, start: float, seconds: float, *, kind: str = "sql", site: str = "", detail: str = "") -> Any:
    return (kind, name, start, seconds, site, detail, ())


def test_equal_spans_are_one_row() -> None:
    spans = [span("SELECT review", 10.0 + each * 0.01, 0.001 * (each + 1), site="views.py:48") for each in range(5)]
    spans.append(span("SELECT product", 9.9, 0.05, site="views.py:44"))
    product, review = fold(spans, 9.0)
    assert (product.name, product.count, product.intervals) == ("SELECT product", 1, ((0.9, 0.05),))
    assert (review.count, review.site) == (5, "views.py:48")
    assert (review.min, review.median, review.max, review.total) == (0.001, 0.003, 0.005, 0.015)
    assert [start for start, _ in review.intervals] == [1.0, 1.01, 1.02, 1.03, 1.04]


def test_a_first_span_without_its_site_belongs_to_those_with() -> None:
    (row,) = fold([span("q", 0.0, 0.1), span("q", 0.2, 0.1, site="a.py:1"), span("q", 0.4, 0.1, site="a.py:1")], 0.0)
    assert (row.site, row.count, row.intervals[0]) == ("a.py:1", 3, (0.0, 0.1))


def test_a_span_without_a_site_stays_alone_where_there_are_two_sites() -> None:
    rows = fold([span("q", 0.0, 0.1), span("q", 0.2, 0.1, site="a.py:1"), span("q", 0.4, 0.1, site="b.py:1")], 0.0)
    assert [(row.site, row.count) for row in rows] == [("", 1), ("a.py:1", 1), ("b.py:1", 1)]


def test_details_are_counted() -> None:
    (row,) = fold(
        [span("home", float(each), 0.0, kind="cache", detail="hit" if each else "miss") for each in range(4)], 0
    )
    assert row.details == {"miss": 1, "hit": 3}


def test_what_a_user_gave_is_written_whatever_it_is() -> None:
    (row,) = fold([("python", 7, 0.0, 0.1, None, b"x", ())], 0.0)
    assert (row.name, row.site) == ("7", "None")
    (row,) = fold([span("\ud800" + "x" * 9_999, 0.0, -1.0)], 0.0)
    assert row.name.startswith("?x")
    assert len(row.name) == 300
    assert row.total == 0.0


@given(
    st.lists(
        st.tuples(st.sampled_from(["sql", "cache", "odd"]), st.integers(0, 200), st.floats(0, 10), st.floats(0, 2)),
        min_size=1,
        max_size=600,
    )
)
def test_no_time_and_no_span_is_lost(raw: list[tuple[str, int, float, float]]) -> None:
    spans = [span(f"q{number}", start, seconds, kind=kind) for kind, number, start, seconds in raw]
    rows = fold(spans, 0.0)
    assert len(rows) <= MAX_ROWS
    assert sum(row.count for row in rows) == len(spans)
    assert sum(row.total for row in rows) == pytest.approx(sum(each[3] for each in spans), abs=1e-3)
    assert sum(len(row.intervals) for row in rows) <= MAX_INTERVALS + len(rows)
    for row in rows:
        assert sum(seconds for _, seconds in row.intervals) == pytest.approx(row.total, abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=20))
def test_busy_is_the_time_in_which_any_ran(intervals: list[tuple[int, int]]) -> None:
    seconds = {at for start, length in intervals for at in range(start, start + length)}
    assert busy(intervals) == len(seconds)


def test_kinds_are_counted_and_concurrent_ones_take_their_time_once() -> None:
    found = by_kind([span("a", 0.0, 2.0), span("b", 1.0, 2.0), span("c", 0.0, 0.5, kind="cache")])
    assert found == {"sql": (2, 3.0), "cache": (1, 0.5)}
