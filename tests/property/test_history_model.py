"""History and snapshots against the obvious model: a list of every request with its time."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from pathlib import Path

import pytest
from examples import share
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.core.families import Histogram, Point
from perfkit.store.boundaries import FINE
from perfkit.store.history.recorder import HistoryRecorder
from perfkit.store.history.ring import TIERS, History
from perfkit.store.history.snapshots import LADDER, PERIOD, Buckets, Snapshots, thin
from perfkit.store.history.window import window
from perfkit.store.quantiles import quantile

UNIX = 1_700_000_000.0

steps = st.lists(
    st.tuples(
        st.floats(0.6, 40.0),
        st.lists(st.tuples(st.sampled_from(["/a", "/b", "/c"]), st.sampled_from([0.0004, 0.003, 0.07, 0.8, 12.0]))),
    ),
    min_size=1,
    max_size=40,
)


def zeros() -> array[float]:
    return array("d", bytes(8 * (len(FINE) + 1)))


class Model:
    """All requests as (Unix seconds, route, duration)."""

    def __init__(self) -> None:
        self.requests: list[tuple[float, str, float]] = []

    def add(self, at: float, requests: list[tuple[str, float]]) -> None:
        self.requests += [(at, route, seconds) for route, seconds in requests]

    def counts(self, since: float, until: float, route: str | None = None) -> array[float]:
        counts = zeros()
        for at, name, seconds in self.requests:
            if since < at <= until and route in (None, name):
                counts[bisect_left(FINE, seconds)] += 1.0
        return counts

    def points(self) -> list[Point]:
        found = []
        for route in sorted({route for _, route, _ in self.requests}):
            counts = self.counts(0.0, 1e12, route)
            total = sum(seconds for _, name, seconds in self.requests if name == route)
            found.append(Point(("GET", route, "200", "http", ""), Histogram(FINE, counts, total)))
        return found


def run(
    steps: list[tuple[float, list[tuple[str, float]]]], directory: Path | None
) -> tuple[Model, History, Snapshots, float]:
    model, history, snapshots = Model(), History(), Snapshots()
    if directory is not None:
        history.open(directory)
        snapshots.open(directory)
    recorder = HistoryRecorder(history, snapshots, model.points, cpu=lambda: 0.0)
    now = 0.0
    for pause, requests in steps:
        # Requests end between two ticks; the middle is as good as any time.
        model.add(UNIX + now + pause / 2.0, requests)
        now += pause
        recorder.tick(now, UNIX + now, born=0.0)
    return model, history, snapshots, UNIX + now


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "file"])
@settings(max_examples=share(0.2))
@given(steps=steps)
def test_each_ring_agrees_with_the_list_of_all_requests(
    tmp_path_factory: pytest.TempPathFactory, shared: bool, steps: list[tuple[float, list[tuple[str, float]]]]
) -> None:
    directory = tmp_path_factory.mktemp("history") if shared else None
    model, history, _, now = run(steps, directory)
    for tier in range(len(history.tiers)):
        ticks = history.read(1e9, now) if tier == history._tier_for(now - UNIX) else []
        records = sorted(history._load(tier))
        assert len(records) <= TIERS[tier].cells
        end = UNIX if not records or len(records) < TIERS[tier].cells else records[0][0] - records[0][1]
        for at, duration, body in records:
            # No gap and no overlap: each interval begins where the one before it ended.
            assert at - duration == pytest.approx(end, abs=1e-3)
            expected = model.counts(end, at)
            assert array("f", body)[0] == sum(expected)
            end = at
        for tick in ticks:
            begun = tick.at - tick.duration
            for route in ("/a", "/b", "/c"):
                expected = model.counts(begun + 1e-3, tick.at + 1e-3, route)
                column = tick.columns.get(f"GET {route}")
                if column is None:
                    assert sum(expected) == 0.0
                    continue
                assert column.count == sum(expected)
                for q, value in ((0.5, column.p50), (0.95, column.p95), (0.99, column.p99)):
                    assert value == pytest.approx(quantile(FINE, expected, q), rel=1e-6)


@settings(max_examples=share(0.4))
@given(steps=steps, seconds=st.floats(1.0, 4000.0))
def test_a_window_is_exact_to_the_bucket(steps: list[tuple[float, list[tuple[str, float]]]], seconds: float) -> None:
    model, _, snapshots, now = run(steps, None)
    found = window(model.points(), snapshots, seconds, now, UNIX)
    begun = now - found.duration
    assert sum(sum(point.value.counts) for point in found.points if isinstance(point.value, Histogram)) == sum(
        model.counts(begun + 1e-3, now)
    )
    for point in found.points:
        assert isinstance(point.value, Histogram)
        assert list(point.value.counts) == list(model.counts(begun + 1e-3, now, point.labels[1]))


@settings(max_examples=share(0.3))
@given(data=st.data())
def test_taking_and_finding_snapshots_agrees_with_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    snapshots = Snapshots()
    snapshots.open(tmp_path_factory.mktemp("snapshots"))
    gaps = data.draw(st.lists(st.floats(1.0, 5000.0), min_size=1, max_size=30))
    at, kept = UNIX, {}
    for number, gap in enumerate(gaps):
        at += gap
        kept[at] = {("GET", "/", "200", "http", ""): Buckets(array("d", [float(number), 1.0]), 0.5)}
        snapshots.take(at, kept[at])
        kept = {moment: kept[moment] for moment in thin(sorted(kept), at)}
    asked = data.draw(st.floats(UNIX, at))
    found = snapshots.nearest(asked)
    assert found is not None
    assert snapshots.times() == sorted(kept)
    assert abs(found.at - asked) == min(abs(moment - asked) for moment in kept)
    assert found.series == kept[found.at]


@settings(max_examples=share(1.5))
@given(gaps=st.lists(st.floats(1.0, 50_000.0), max_size=300))
def test_the_ladder_keeps_few_and_those_that_it_needs(gaps: list[float]) -> None:
    kept: list[float] = []
    everything: list[float] = []
    now = UNIX
    for gap in gaps:
        now += gap
        everything.append(now)
        kept = thin([*kept, now], now)
    assert len(kept) <= 80
    assert kept == sorted(set(kept))
    # Thinning step by step keeps what thinning all at once would: it forgets nothing that is needed later.
    assert set(thin(everything, now)) == set(kept)
    per_cell = Counter(next((step, at // step) for span, step in LADDER if now - at <= span) for at in kept)
    assert all(number == 1 for number in per_cell.values())
    assert not everything or now in kept or now - kept[-1] < PERIOD
