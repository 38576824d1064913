"""The recorder: columns by route, errors, resets, handing over, and a bound on its own cost."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from pathlib import Path

import pytest

from perfkit.core.errors import ErrorLog
from perfkit.core.families import Histogram, Point
from perfkit.core.names import CLIENT_DISCONNECTED, OTHER
from perfkit.store.boundaries import FINE
from perfkit.store.history.recorder import HistoryRecorder
from perfkit.store.history.ring import History
from perfkit.store.history.snapshots import Snapshots

UNIX = 1_700_000_040.0


class Service:
    """A service's request durations, a recorder of them and the time, all by hand."""

    def __init__(self, directory: Path | None = None) -> None:
        self.series: dict[tuple[str, ...], Histogram] = {}
        self.counted: list[str] = []
        self.now = 1000.0
        self.cpu = 0.0
        self.cost = 0.0
        self.directory = directory
        self.lead()

    def lead(self) -> None:
        """Let a new worker lead."""
        errors = ErrorLog(count=lambda component, kind: self.counted.append(kind))
        self.history, self.snapshots = History(errors=errors), Snapshots(errors=errors)
        if self.directory is not None:
            self.history.open(self.directory)
            self.snapshots.open(self.directory)
        self.recorder = HistoryRecorder(self.history, self.snapshots, self.read, errors=errors, cpu=lambda: self.cpu)

    def request(
        self, route: str = "/a", seconds: float = 0.01, status: str = "200", error: str = "", method: str = "GET"
    ) -> None:
        labels = (method, route, status, "http", error)
        old = self.series.get(labels) or Histogram(FINE, array("d", bytes(8 * (len(FINE) + 1))), 0.0)
        counts = array("d", old.counts)
        counts[bisect_left(FINE, seconds)] += 1.0
        self.series[labels] = Histogram(FINE, counts, old.sum + seconds)

    def read(self) -> list[Point]:
        self.cpu += self.cost
        return [Point(labels, histogram) for labels, histogram in self.series.items()]

    @property
    def unix(self) -> float:
        return UNIX + self.now - 1000.0

    def tick(self, seconds: float = 1.0, *, may_write: bool = True) -> None:
        self.now += seconds
        self.recorder.tick(self.now, self.unix, born=1000.0, may_write=lambda: may_write)

    def ticks(self, seconds: float = 300.0) -> list[tuple[float, dict[str, float]]]:
        return [
            (tick.duration, {name: column.count for name, column in tick.columns.items()})
            for tick in self.history.read(seconds, self.unix)
        ]


def test_the_first_record_of_a_new_store_has_what_was_counted_before_it() -> None:
    service = Service()
    service.request()
    service.tick()
    assert service.ticks() == [(1.0, {"total": 1.0, "GET /a": 1.0})]


def test_a_record_has_what_happened_since_the_last_one() -> None:
    service = Service()
    service.tick()
    service.request("/a")
    service.request("/a", method="POST")
    service.tick()
    service.tick()
    assert [columns for _, columns in service.ticks()] == [
        {"total": 0.0},
        {"total": 2.0, "GET /a": 1.0, "POST /a": 1.0},
        {"total": 0.0},
    ]


def test_statuses_of_one_route_are_one_column() -> None:
    service = Service()
    service.request(status="200")
    service.request(status="404")
    service.tick()
    assert service.ticks()[0][1] == {"total": 2.0, "GET /a": 2.0}


def test_errors_are_those_with_an_error_type_but_not_clients_that_left() -> None:
    service = Service()
    service.request()
    service.request(status="500", error="500")
    service.request(status="500", error="ValueError")
    service.request(status="200", error=CLIENT_DISCONNECTED)
    service.tick()
    total = service.history.read(60.0, service.unix)[0].columns["total"]
    assert (total.count, total.errors) == (4.0, 2.0)


def test_the_stores_own_rest_goes_to_the_rest() -> None:
    service = Service()
    service.request(OTHER, method=OTHER, status=OTHER, error=OTHER)
    service.tick()
    (tick,) = service.history.read(60.0, service.unix)
    assert set(tick.columns) == {"total", "_other"}
    assert tick.columns["_other"].errors == 0.0


def test_more_routes_than_columns_share_the_rest() -> None:
    service = Service()
    for n in range(70):
        for _ in range(2 if n < 62 else 1):
            service.request(f"/{n}")
    service.tick()
    ((_, columns),) = service.ticks()
    assert len(columns) == 64
    assert columns["_other"] == 8.0
    assert columns["total"] == 62 * 2 + 8
    assert sum(count for name, count in columns.items() if name != "total") == columns["total"]


def test_quantiles_and_sum_are_of_the_interval_alone() -> None:
    service = Service()
    for _ in range(1000):
        service.request(seconds=5.0)
    service.tick()
    for _ in range(100):
        service.request(seconds=0.01)
    service.tick()
    column = service.history.read(60.0, service.unix)[-1].columns["GET /a"]
    assert column.sum == pytest.approx(1.0)
    assert column.p50 == pytest.approx(0.01, rel=0.06)
    assert column.p99 == pytest.approx(0.01, rel=0.06)


def test_a_coarse_ring_has_quantiles_of_its_own() -> None:
    service = Service()
    service.tick()
    for second in range(20):
        for _ in range(100 if second % 10 == 9 else 1):
            service.request(seconds=1.0 if second % 10 == 9 else 0.001)
        service.tick()
    service.now += 400.0
    (*_, tick) = [t for t in service.history.read(600.0, service.unix) if t.columns["total"].count]
    assert tick.duration == pytest.approx(10.0)
    assert tick.columns["total"].p50 == pytest.approx(1.0, rel=0.06)


def test_each_ring_counts_every_request_once() -> None:
    service = Service()
    for second in range(181):
        service.request(f"/{second % 3}")
        service.tick()
    for tier in range(3):
        records = service.history._load(tier)
        covered = sum(duration for _, duration, _ in records)
        counted = sum(int(array("f", body)[0]) for _, _, body in records)
        assert counted == pytest.approx(covered)


def test_a_late_tick_has_a_long_duration() -> None:
    service = Service()
    service.tick()
    service.tick(3.5)
    assert service.ticks()[-1][0] == 3.5


def test_ticks_that_tremble_around_a_second_lose_none() -> None:
    service = Service()
    service.now = 1000.0
    service.tick(0.9995)
    for n in range(50):
        service.request()
        service.tick(1.001 if n % 2 == 0 else 0.999)
    ticks = service.ticks()
    assert len(ticks) == 51
    assert sum(columns["total"] for _, columns in ticks) == 50.0


def test_a_second_tick_within_the_same_second_waits() -> None:
    service = Service()
    service.tick()
    service.request()
    service.tick(0.01)
    assert len(service.ticks()) == 1
    service.tick(0.99)
    assert service.ticks()[-1] == (1.0, {"total": 1.0, "GET /a": 1.0})


def test_numbers_that_went_back_reset_the_base() -> None:
    service = Service()
    for _ in range(5):
        service.request()
    service.tick()
    service.series.clear()
    service.request()
    service.tick()
    service.request()
    service.tick()
    assert [columns["total"] for _, columns in service.ticks()] == [5.0, 1.0]
    assert service.counted == []


def test_who_may_not_write_writes_nothing(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.request()
    service.tick(may_write=False)
    assert list(tmp_path.iterdir()) == []


def test_a_round_that_costs_much_puts_off_the_next() -> None:
    service = Service()
    service.cost = 0.05
    for _ in range(31):
        service.tick()
    durations = [duration for duration, _ in service.ticks()]
    assert durations == [1.0, 5.0, 8.0, 8.0, 8.0]


def test_one_round_that_costs_more_than_usual_puts_off_nothing() -> None:
    service = Service()
    for second in range(60):
        service.cost = 0.015 if second % 20 == 0 else 0.003
        service.tick()
    assert [duration for duration, _ in service.ticks()] == [1.0] * 60


def test_a_round_that_costs_little_puts_off_nothing() -> None:
    service = Service()
    service.cost = 0.006
    for _ in range(5):
        service.tick(0.999)
    assert len(service.ticks()) == 5


def test_a_full_disk_is_reported_and_what_was_counted_is_written_later(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.tick()
    (tmp_path / "history.ring").unlink()
    (tmp_path / "history.ring").mkdir()
    service.request()
    service.tick()
    assert "IsADirectoryError" in service.counted
    (tmp_path / "history.ring").rmdir()
    service.tick()
    assert service.ticks()[-1] == (2.0, {"total": 1.0, "GET /a": 1.0})


def test_a_read_that_fails_is_reported() -> None:
    service = Service()
    service.recorder = HistoryRecorder(
        service.history,
        service.snapshots,
        lambda: [][1],
        errors=ErrorLog(count=lambda component, kind: service.counted.append(kind)),
    )
    service.tick()
    assert service.counted == ["IndexError"]


def test_a_new_leader_does_not_count_the_past_again(tmp_path: Path) -> None:
    service = Service(tmp_path)
    for _ in range(100):
        service.request()
        service.tick()
    service.lead()
    service.tick()
    service.request()
    service.tick()
    totals = [columns["total"] for _, columns in service.ticks()]
    assert totals[:100] == [1.0] * 100
    assert totals[-1] == 1.0
    assert max(totals) == 1.0


def test_a_new_leader_goes_on_with_the_minute_that_the_old_one_began(tmp_path: Path) -> None:
    service = Service(tmp_path)
    for second in range(400):
        service.request()
        service.tick()
        if second % 90 == 89:
            service.lead()
    records = service.history._load(2)
    assert sum(array("f", body)[0] for _, _, body in records) == pytest.approx(
        sum(duration for _, duration, _ in records)
    )
    ends = sorted(at for at, _, _ in records)
    assert ends[-1] - ends[0] == 300.0
    for at, duration, _ in records:
        assert duration <= 61.0, at


def test_the_first_snapshot_is_the_empty_one_of_the_birth() -> None:
    service = Service()
    service.request()
    service.tick(2.0)
    birth = service.snapshots.nearest(0.0)
    assert birth is not None
    assert (birth.at, birth.series) == (UNIX, {})


def test_a_snapshot_is_taken_each_half_minute() -> None:
    service = Service()
    for _ in range(120):
        service.tick()
    assert [at - UNIX for at in service.snapshots.times()] == [0.0, 30.0, 60.0, 90.0, 120.0]


def test_a_busy_newcomer_gets_a_column_in_time() -> None:
    service = Service()
    for n in range(62):
        service.request(f"/{n}")
    service.tick()
    assert service.history.columns().index_of("GET /new") == 1
    for _ in range(90):
        service.request("/new")
        service.tick()
    assert service.history.columns().index_of("GET /new") > 1
    assert service.ticks()[-1][1] == {"total": 1.0, "GET /new": 1.0}


def test_silence_has_no_quantiles() -> None:
    service = Service()
    service.tick()
    total = service.history.read(60.0, service.unix)[0].columns["total"]
    assert (total.p50, total.p95, total.p99) == (None, None, None)
    assert not math.isnan(total.sum)
