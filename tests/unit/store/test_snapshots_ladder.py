"""Snapshots: dense for minutes, thin for a month, replaced whole, exact to the bucket."""

from __future__ import annotations

import math
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from perfkit.core.errors import ErrorLog
from perfkit.core.families import Histogram, Point
from perfkit.store.history.snapshots import LADDER, PERIOD, Buckets, Snapshots, thin
from perfkit.store.history.window import buckets_of, difference, window

T0 = 1_700_000_000.0
LABELS = ("GET", "/a", "200", "http", "")


def series(*counts: float, labels: tuple[str, ...] = LABELS) -> dict[tuple[str, ...], Buckets]:
    return {labels: Buckets(array("d", counts), sum(counts) / 2)}


def points(*counts: float, labels: tuple[str, ...] = LABELS) -> list[Point]:
    boundaries = tuple(float(n) for n in range(1, len(counts)))
    return [Point(labels, Histogram(boundaries, list(counts), sum(counts) / 2))]


@pytest.fixture(params=["memory", "file"])
def snapshots(request: pytest.FixtureRequest, tmp_path: Path) -> Snapshots:
    snapshots = Snapshots()
    if request.param == "file":
        snapshots.open(tmp_path)
    return snapshots


def test_what_was_taken_comes_back(snapshots: Snapshots) -> None:
    taken = {**series(1.0, 2.0, 0.5), **series(0.0, 7.0, labels=("POST", "/ü", "500", "http", "E"))}
    snapshots.take(T0, taken)
    nearest = snapshots.nearest(T0 + 5.0)
    assert nearest is not None
    assert nearest.at == T0
    assert nearest.series == taken


def test_without_snapshots_there_is_none(snapshots: Snapshots) -> None:
    assert snapshots.nearest(T0) is None
    assert snapshots.times() == []


def test_the_nearest_is_found_on_either_side(snapshots: Snapshots) -> None:
    for n in range(3):
        snapshots.take(T0 + 30.0 * n, series(float(n)))
    assert [snapshots.nearest(T0 + at).at - T0 for at in (-9.0, 14.0, 16.0, 44.0, 99.0)] == [0, 0, 30, 30, 60]


def test_only_those_before_a_moment_count_unless_there_are_none(snapshots: Snapshots) -> None:
    snapshots.take(T0, series(1.0))
    snapshots.take(T0 + 30.0, series(2.0))
    assert snapshots.nearest(T0 + 30.0, before=T0 + 29.0).at == T0
    assert snapshots.nearest(T0 + 30.0, before=T0 - 1.0).at == T0


def test_clearing_forgets_all(snapshots: Snapshots) -> None:
    snapshots.take(T0, series(1.0))
    snapshots.clear()
    assert snapshots.nearest(T0) is None


def ladder_after(days: float) -> tuple[list[float], float]:
    times: list[float] = []
    now = T0
    until = T0 + days * 86400.0
    while now < until:
        times = thin([*times, now], now)
        # Hours at a time once the fine rungs are known to work, minutes at the end.
        now += PERIOD if until - now < 7200.0 or now - T0 < 7200.0 else 3600.0 - (now % 3600.0)
    return times, now


def test_a_month_takes_about_seventy_snapshots() -> None:
    times, now = ladder_after(40.0)
    assert 60 <= len(times) <= 76
    assert now - times[0] > 29 * 86400.0


@pytest.mark.parametrize(("seconds", "off"), [(300.0, 16.0), (3600.0, 151.0), (86_400.0, 1801.0)])
def test_for_each_window_there_is_a_snapshot_near_enough(seconds: float, off: float) -> None:
    times, now = ladder_after(3.0)
    assert min(abs(now - seconds - at) for at in times) <= off + PERIOD / 2


def test_each_rung_divides_the_next() -> None:
    for (_, fine), (_, coarse) in pairwise(LADDER):
        assert coarse % fine == 0


def test_the_birth_is_kept_for_a_month() -> None:
    times, _ = ladder_after(25.0)
    assert times[0] == T0


def test_nothing_much_older_than_the_retention_is_kept() -> None:
    times = [T0 + 60.0 * n for n in range(200)]
    kept = thin(times, times[-1], retention=3600.0)
    assert times[-1] - kept[0] <= 3600.0 * 1.05 + PERIOD


def test_a_damaged_snapshot_is_skipped_and_the_next_nearest_taken(tmp_path: Path) -> None:
    snapshots = Snapshots()
    snapshots.open(tmp_path)
    for n in range(3):
        snapshots.take(T0 + 30.0 * n, series(float(n)))
    path = tmp_path / "snapshots.bin"
    data = bytearray(path.read_bytes())
    second = data.index(b"\xc1SN1", 4)
    data[second + 25] ^= 0xFF
    path.write_bytes(data)
    reader = Snapshots()
    reader.open(tmp_path)
    assert reader.times() == [T0, T0 + 60.0]
    assert reader.corrupt == 1
    assert reader.nearest(T0 + 40.0).at == T0 + 60.0


def test_readers_see_the_new_file_at_once_and_never_a_half_one(tmp_path: Path) -> None:
    leader, reader = Snapshots(), Snapshots()
    leader.open(tmp_path)
    reader.open(tmp_path)
    leader.take(T0, series(1.0))
    assert reader.times() == [T0]
    leader.take(T0 + 30.0, series(2.0))
    assert reader.times() == [T0, T0 + 30.0]
    assert [path.name for path in tmp_path.iterdir()] == ["snapshots.bin"]


def test_a_file_that_cannot_be_replaced_is_left_as_it_is(tmp_path: Path) -> None:
    snapshots = Snapshots()
    snapshots.open(tmp_path / "removed")
    with pytest.raises(FileNotFoundError):
        snapshots.take(T0, series(1.0))
    assert snapshots.nearest(T0) is None


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    counted: list[str] = []
    snapshots = Snapshots(errors=ErrorLog(count=lambda component, kind: counted.append(kind)))
    (tmp_path / "snapshots.bin").mkdir()
    snapshots.open(tmp_path)
    assert snapshots.nearest(T0) is None
    assert counted == ["IsADirectoryError"]


def test_a_big_snapshot_is_small_when_packed(tmp_path: Path) -> None:
    snapshots = Snapshots()
    snapshots.open(tmp_path)
    many = {
        ("GET", f"/route/{n}", "200", "http", ""): Buckets(
            [float(n * b % 17) if 30 < b < 60 else 0.0 for b in range(112)], n / 3
        )
        for n in range(200)
    }
    snapshots.take(T0, many)
    assert (tmp_path / "snapshots.bin").stat().st_size < 40_000


def test_a_window_is_now_less_then(snapshots: Snapshots) -> None:
    snapshots.take(T0, series(1.0, 2.0))
    found = window(points(4.0, 2.0), snapshots, 60.0, T0 + 60.0, T0 - 500.0)
    assert found.duration == 60.0
    (point,) = found.points
    assert point.labels == LABELS
    assert isinstance(point.value, Histogram)
    assert list(point.value.counts) == [3.0, 0.0]
    assert point.value.sum == 1.5


def test_a_window_leaves_out_where_nothing_happened(snapshots: Snapshots) -> None:
    snapshots.take(T0, series(1.0, 2.0))
    assert window(points(1.0, 2.0), snapshots, 60.0, T0 + 60.0, T0).points == []


def test_a_series_that_is_new_counts_whole(snapshots: Snapshots) -> None:
    snapshots.take(T0, series(1.0, 2.0))
    other = points(5.0, 0.0, labels=("PUT", "/", "200", "http", ""))
    (point,) = window(other, snapshots, 60.0, T0 + 60.0, T0).points
    assert list(point.value.counts) == [5.0, 0.0]


def test_a_service_younger_than_the_window_gives_its_age(snapshots: Snapshots) -> None:
    found = window(points(4.0, 2.0), snapshots, 3600.0, T0 + 10.0, T0)
    assert found.duration == 10.0
    snapshots.take(T0, {})
    assert window(points(4.0, 2.0), snapshots, 3600.0, T0 + 10.0, T0 - 99.0) == found


def test_a_window_is_never_much_shorter_than_asked(snapshots: Snapshots) -> None:
    snapshots.take(T0, series(0.0, 0.0))
    snapshots.take(T0 + 30.0, series(1.0, 0.0))
    assert window(points(1.0, 1.0), snapshots, 10.0, T0 + 31.0, T0).duration == 31.0


def test_numbers_that_began_anew_count_whole(snapshots: Snapshots) -> None:
    snapshots.take(T0, series(9.0, 9.0))
    (point,) = window(points(1.0, 10.0), snapshots, 60.0, T0 + 60.0, T0).points
    assert list(point.value.counts) == [1.0, 10.0]


def test_a_difference_refuses_counts_that_went_back() -> None:
    with pytest.raises(ValueError, match="went back"):
        difference(Buckets([1.0, 5.0], 1.0), Buckets([2.0, 4.0], 1.0))
    with pytest.raises(ValueError, match="changed"):
        difference(Buckets([1.0], 1.0), Buckets([1.0, 0.0], 1.0))


def test_only_histograms_are_buckets() -> None:
    assert buckets_of([Point(LABELS, 3.0)]) == {}
    assert not math.isnan(buckets_of(points(1.0, 2.0))[LABELS].sum)
