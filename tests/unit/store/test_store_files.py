"""Several workers with files in one directory; each store stands for a worker."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_deaths import kill

from perfkit.core.families import Definition, GaugeMode, MetricType, Point
from perfkit.core.names import ABANDONED, REQUEST_DURATION
from perfkit.store import Store, StoreSettings
from perfkit.store.backing.mapped import Header, numbers_in
from perfkit.store.layout import FINISHED, HEADER_BYTES, ROWS, STARTED
from perfkit.store.lock import directory_lock
from perfkit.testing import FakeClock

HITS = Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",))
LEVEL = Definition(name="level", type=MetricType.GAUGE)

Opener = Callable[..., Store]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def worker(tmp_path: Path, clock: FakeClock) -> Iterator[Opener]:
    """Opens one more worker of the directory."""
    opened: list[Store] = []

    def open_one(**settings: int) -> Store:
        store = Store(StoreSettings(directory=str(tmp_path), **settings), clock=clock)
        store.open()
        assert store.is_shared, store.degraded
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


def total(store: Store, name: str = "hits_total") -> float:
    return sum(
        point.value for family in store.families({name}) for point in family.points if isinstance(point.value, float)
    )


def test_any_worker_answers_for_all(worker: Opener) -> None:
    one, two = worker(), worker()
    one.add(one.row(HITS, ("home",)), 1)
    two.add(two.row(HITS, ("home",)), 2)
    two.add(two.row(HITS, ("away",)), 4)
    expected = {("home",): 3.0, ("away",): 4.0}
    for store in (one, two):
        assert {point.labels: point.value for point in store.families({"hits_total"})[0].points} == expected


def test_a_series_has_the_same_slots_in_all_workers(worker: Opener) -> None:
    one, two = worker(), worker()
    rows = [store.row(HITS, (page,)) for page in "abc" for store in (one, two)]
    assert [row.index for row in rows[::2]] == [row.index for row in rows[1::2]]


def test_what_was_counted_before_opening_goes_along(tmp_path: Path, worker: Opener) -> None:
    first = worker()
    first.row(HITS, ("other slots than in memory",))
    store = Store(StoreSettings(directory=str(tmp_path)), clock=first.clock)
    row, times = store.row(HITS, ("home",)), store.row(REQUEST_DURATION, ("GET", "/", "200", "http", ""))
    store.add(row, 2)
    store.observe(times, 0.2)
    store.set(store.row(LEVEL), 7)
    store.values[STARTED] += 1.0
    store.open()
    store.add(row, 1)
    store.observe(times, 0.2)
    for reader in (first, store):
        assert total(reader) == 3.0
        assert total(reader, "level") == 7.0
        assert reader.families({REQUEST_DURATION.name})[0].points[0].value.count == 2.0  # type: ignore[union-attr]
        assert reader.in_flight() == 1
    store.close()


def test_an_update_that_was_under_way_while_the_store_opened_is_settled_later(tmp_path: Path, clock: FakeClock) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)), clock=clock)
    row = store.row(HITS, ("home",))
    old_values, old_index = store.values, row.index
    store.add(row, 1)
    store.open()
    old_values[old_index] += 1.0
    old_values[row.index] += 1.0
    old_values[STARTED] += 1.0
    assert total(store) == 1.0
    store.tick(clock.monotonic())
    old_values[old_index] += 1.0
    store.tick(clock.monotonic() + 1)
    assert total(store) == 4.0
    assert store.in_flight() == 1
    store.close()


def test_the_next_worker_adopts_the_file_of_a_dead_one(worker: Opener, tmp_path: Path) -> None:
    one, two, three = worker(), worker(), worker()
    assert [store.number for store in (one, two, three)] == [1, 2, 3]
    for store in (one, two, three):
        store.add(store.row(HITS, ("home",)), 1)
    kill(two)
    four = worker()
    assert four.number == 2
    four.add(four.row(HITS, ("home",)), 10)
    assert total(one) == total(four) == 13.0
    assert numbers_in(tmp_path) == [1, 2, 3]


def test_the_counts_of_the_dead_stay_and_never_move(worker: Opener, clock: FakeClock) -> None:
    one, two = worker(), worker()
    two.add(two.row(HITS, ("home",)), 5)
    kill(two)
    clock.advance(2)
    assert total(one) == 5.0
    assert [(each.number, each.is_alive) for each in one.workers()] == [(1, True), (2, False)]


def test_the_gauges_of_the_dead_vanish(worker: Opener, clock: FakeClock) -> None:
    one, two = worker(), worker()
    one.set(one.row(LEVEL), 1)
    two.set(two.row(LEVEL), 10)
    assert total(one, "level") == 11.0
    kill(two)
    clock.advance(2)
    assert total(one, "level") == 1.0
    assert len(one.per_worker("level")) == 1
    three = worker()
    assert three.number == 2
    assert total(one, "level") == 1.0


def test_closing_leaves_the_counts_and_takes_the_gauges(worker: Opener) -> None:
    one, two = worker(), worker()
    two.set(two.row(LEVEL), 10)
    two.add(two.row(HITS, ("home",)), 1)
    two.close()
    assert total(one) == 1.0
    assert one.families({"level"}) == []


def test_what_was_in_flight_in_a_killed_worker_is_lost_and_counted(worker: Opener, clock: FakeClock) -> None:
    one, two = worker(), worker()
    two.values[STARTED] += 5.0
    two.values[FINISHED] += 2.0
    assert one.in_flight() == 3
    kill(two)
    clock.advance(2)
    assert one.in_flight() == 0
    three = worker()
    assert one.in_flight() == three.in_flight() == 0
    assert total(three, ABANDONED.name) == 3.0
    kill(three)
    worker()
    assert total(one, ABANDONED.name) == 3.0


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (GaugeMode.SUM, 13.0),
        (GaugeMode.MAX, 9.0),
        (GaugeMode.MIN, 1.0),
        (GaugeMode.MEAN, 13 / 3),
        (GaugeMode.LATEST, 1.0),
    ],
)
def test_gauges_of_several_workers_become_one(
    worker: Opener, clock: FakeClock, mode: GaugeMode, expected: float
) -> None:
    gauge = Definition(name="g", type=MetricType.GAUGE, mode=mode)
    for value in (3.0, 9.0, 1.0):
        store = worker()
        store.set(store.row(gauge), value)
        clock.advance(1)
    unset = worker()
    unset.row(gauge)
    assert unset.families({"g"})[0].points == [Point((), pytest.approx(expected))]


def test_workers_tell_who_they_are(worker: Opener, clock: FakeClock) -> None:
    one = worker()
    clock.advance(5)
    two = worker()
    one.values[STARTED] += 2.0
    one.values[FINISHED] += 1.0
    mine, other = two.workers()
    assert (mine.pid, mine.started, mine.finished, mine.is_self) == (os.getpid(), 2.0, 1.0, False)
    assert (other.is_self, other.started_at - mine.started_at) == (True, 5.0)


def test_a_changed_definition_is_a_new_family_and_the_newest_wins(worker: Opener) -> None:
    old, new = worker(), worker()
    changed = Definition(name="hits_total", type=MetricType.GAUGE, labels=("page",))
    old.add(old.row(HITS, ("home",)), 5)
    new.set(new.row(changed, ("home",)), 1)
    assert total(old) == total(new) == 1.0
    again = worker()
    again.add(again.row(HITS, ("home",)), 1)
    assert total(old) == total(new) == total(again) == 6.0


def test_another_description_keeps_the_family(worker: Opener, tmp_path: Path) -> None:
    one, two = worker(), worker()
    one.add(one.row(HITS, ("home",)), 1)
    size = (tmp_path / "keys.log").stat().st_size
    two.add(
        two.row(Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",), description="?"), ("home",)), 1
    )
    assert total(one) == 2.0
    assert (tmp_path / "keys.log").stat().st_size == size


def test_a_torn_last_line_of_the_key_log_is_cut_by_the_next_writer(worker: Opener, tmp_path: Path) -> None:
    one = worker()
    one.add(one.row(HITS, ("home",)), 1)
    log = tmp_path / "keys.log"
    whole = log.read_bytes()
    for cut in (b'["series",0', b'["series",0,1', b"\xff\x00"):
        log.write_bytes(log.read_bytes() + cut)
        assert total(one) == 1.0
        two = worker()
        two.add(two.row(HITS, (repr(cut),)), 0)
        assert log.read_bytes().startswith(whole)
        assert log.read_bytes().endswith(b"\n")
        assert cut not in log.read_bytes()[len(whole) :].split(b"\n")
        assert total(two) == 1.0


def test_a_line_that_cannot_be_read_costs_its_series_only(worker: Opener, tmp_path: Path) -> None:
    one = worker()
    one.add(one.row(HITS, ("home",)), 1)
    with (tmp_path / "keys.log").open("ab") as log:
        log.write(b"not json\n")
    one.add(one.row(HITS, ("away",)), 2)
    assert total(one) == total(worker()) == 3.0


def test_other_workers_series_are_seen_when_reading(worker: Opener) -> None:
    one, two = worker(), worker()
    for number in range(50):
        two.add(two.row(HITS, (f"p{number}",)), 1)
    assert len(one.families({"hits_total"})[0].points) == 50


def test_a_small_worker_beside_a_large_one_uses_other(worker: Opener) -> None:
    large, small = worker(max_slots=100_000, max_series_per_family=100_000), worker(max_slots=4096)
    for number in range(5000):
        large.row(HITS, (f"p{number}",))
    small.add(small.row(HITS, ("p4999",)), 1)
    points = {point.labels: point.value for point in large.families({"hits_total"})[0].points}
    assert points["_other",] == 1.0
    assert total(large) == 1.0


def test_files_of_another_version_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "keys.log").write_bytes(b'["layout",5,99]\n')
    store = Store(StoreSettings(directory=str(tmp_path)))
    store.open()
    assert not store.is_shared
    assert "another version" in store.degraded
    assert (tmp_path / "keys.log").read_bytes() == b'["layout",5,99]\n'
    store.close()


def test_a_file_laid_out_by_another_key_log_is_begun_anew(worker: Opener, tmp_path: Path) -> None:
    one = worker()
    one.add(one.row(HITS, ("home",)), 1)
    one.close()
    (tmp_path / "keys.log").unlink()
    two = worker()
    two.row(LEVEL)
    two.add(two.row(HITS, ("home",)), 2)
    assert (two.number, total(two)) == (1, 2.0)


def test_a_file_that_was_never_finished_is_begun_anew(worker: Opener, tmp_path: Path) -> None:
    one = worker()
    data = bytearray(Header(2, one._ground.backing.table.log_id).pack() + bytes(100_000))
    data[:8] = bytes(8)
    data[HEADER_BYTES + ROWS * 8 :] = b"\x40" * (len(data) - HEADER_BYTES - ROWS * 8)
    (tmp_path / "w-2.val").write_bytes(data)
    one.add(one.row(HITS, ("home",)), 1)
    assert total(one) == 1.0
    two = worker()
    assert (two.number, total(two)) == (2, 1.0)


def test_removed_files_are_noticed_and_made_anew(worker: Opener, tmp_path: Path, clock: FakeClock) -> None:
    one, two = worker(), worker()
    row, level = one.row(HITS, ("home",)), one.row(LEVEL)
    one.add(row, 1)
    one.set(level, 4)
    two.add(two.row(HITS, ("home",)), 2)
    for path in tmp_path.iterdir():
        path.unlink()
    tmp_path.rmdir()
    one.add(row, 1)
    assert total(one) == 2.0
    for store in (one, two):
        clock.advance(1)
        store.tick(clock.monotonic())
    one.add(row, 1)
    assert one.is_shared
    assert two.is_shared
    assert total(one) == total(two) == 5.0
    assert total(two, "level") == 4.0
    assert sorted(path.name for path in tmp_path.glob("*.val")) == ["control.val", "w-1.val", "w-2.val"]


def test_space_is_taken_before_a_slot_is_handed_out(worker: Opener, tmp_path: Path) -> None:
    one = worker()
    path = tmp_path / "w-1.val"
    before = path.stat().st_blocks * 512
    assert 64 * 1024 <= before <= 128 * 1024
    for number in range(1500):
        row = one.row(Definition(name=f"t{number}_seconds", type=MetricType.HISTOGRAM))
        assert HEADER_BYTES + (row.index + row.width) * 8 <= path.stat().st_blocks * 512
    assert path.stat().st_size == HEADER_BYTES + 262_144 * 8


def test_reading_takes_no_space_in_the_files_of_others(worker: Opener, tmp_path: Path) -> None:
    one, two = worker(), worker()
    for number in range(1500):
        one.row(Definition(name=f"t{number}_seconds", type=MetricType.HISTOGRAM))
    before = (tmp_path / "w-2.val").stat().st_blocks
    one.families()
    two.families()
    assert (tmp_path / "w-2.val").stat().st_blocks == before


def test_two_systems_of_one_app_share_one_open_store(tmp_path: Path, clock: FakeClock) -> None:
    settings = StoreSettings(directory=str(tmp_path))
    one, two = (Store(settings, origin="/app/main.py", clock=clock) for _ in range(2))
    stranger = Store(settings, origin="/app/other.py", clock=clock)
    one_row, two_row = one.row(HITS, ("home",)), two.row(HITS, ("home",))
    one.add(one_row, 1)
    two.add(two_row, 2)
    for store in (one, two, stranger):
        store.open()
    assert (one.number, two.number, stranger.number) == (1, 1, 2)
    one.add(one_row, 4)
    two.add(two_row, 8)
    assert total(one) == total(two) == total(stranger) == 15.0
    one.close()
    one.add(one_row, 16)
    two.add(two_row, 32)
    assert total(two) == 47.0
    two.close()
    assert total(stranger) == 47.0
    assert not next(worker for worker in stranger.workers() if worker.number == 1).is_alive
    one.open()
    assert (one.number, total(one)) == (1, 63.0)
    one.close()
    stranger.close()


def test_two_systems_of_one_app_share_memory_and_commands(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfkit.store.backing.identity.find_server", lambda: None)
    one, two = (Store(origin="/app/main.py", clock=clock) for _ in range(2))
    heard: list[tuple[str, object]] = []
    one.control.on("clear", lambda payload: heard.append(("one", payload)))
    two.control.on("clear", lambda payload: heard.append(("two", payload)))
    one.add(one.row(HITS, ("home",)), 1)
    two.add(two.row(HITS, ("home",)), 2)
    one.open()
    two.open()
    assert total(one) == total(two) == 3.0
    two.control.append("clear", {})
    for store in (one, two):
        store.tick(clock.monotonic())
    assert sorted(heard, key=str) == [("one", {}), ("two", {})]
    one.close()
    two.add(two.row(HITS, ("home",)), 4)
    assert (total(one), total(two)) == (0.0, 7.0)
    two.close()
    assert total(two) == 7.0


def test_the_testing_mode_shares_with_nobody(tmp_path: Path) -> None:
    settings = StoreSettings(mode="memory", directory=str(tmp_path))
    one, two = (Store(settings, origin="/app/main.py") for _ in range(2))
    one.open()
    two.open()
    one.add(one.row(HITS, ("home",)), 1)
    assert total(two) == 0.0
    assert list(tmp_path.iterdir()) == []
    one.close()
    two.close()


def test_commands_reach_the_other_workers_within_a_tick(worker: Opener, clock: FakeClock) -> None:
    one, two = worker(), worker()
    heard: list[object] = []
    two.control.on("clear", heard.append)
    one.control.append("clear", {"tag": "x"})
    two.tick(clock.monotonic())
    assert heard == [{"tag": "x"}]


def test_one_worker_leads_and_writes_the_history_all_read(worker: Opener, clock: FakeClock) -> None:
    one, two = worker(), worker()
    row = two.row(REQUEST_DURATION, ("GET", "/", "200", "http", ""))
    for _ in range(5):
        two.observe(row, 0.2)
        clock.advance(1)
        for store in (one, two):
            store.tick(clock.monotonic())
    assert [one.is_leader, two.is_leader] == [True, False]
    counts = [tick.columns["total"].count for tick in two.history.read(60, clock.time())]
    assert sum(counts) == 5.0
    window = two.window(60)
    assert sum(point.value.count for point in window.points) == 5.0  # type: ignore[union-attr]


def test_a_probe_for_life_does_not_keep_a_new_worker_from_a_free_file(
    worker: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker().close()
    probe = os.open(tmp_path / "w-1.val", os.O_RDONLY)
    fcntl.flock(probe, fcntl.LOCK_SH)
    monkeypatch.setattr("perfkit.store.backing.shared.time.sleep", lambda seconds: os.close(probe))
    assert worker().number == 1


def test_a_request_does_not_wait_for_a_stopped_holder_of_the_lock(
    worker: Opener, tmp_path: Path, clock: FakeClock
) -> None:
    one = worker()
    known = one.row(HITS, ("home",))
    with directory_lock(tmp_path / "lock"):
        began = time.monotonic()
        for number in range(100):
            one.add(one.row(HITS, (f"p{number}",)), 1)
        one.add(known, 1)
        assert time.monotonic() - began < 20.0
    assert total(one) == 101.0
    clock.advance(2)
    assert one.row(HITS, ("later",)).labels == ("later",)


def test_a_new_owner_of_a_dead_workers_file_is_seen_at_once(worker: Opener, clock: FakeClock) -> None:
    one, two = worker(), worker()
    kill(two)
    clock.advance(2)
    assert [each.is_alive for each in one.workers()] == [True, False]
    three = worker()
    three.set(three.row(LEVEL), 3)
    assert [each.is_alive for each in one.workers()] == [True, True]
    assert total(one, "level") == 3.0


def test_a_file_without_a_worker_counts_for_nothing_but_its_counts(worker: Opener) -> None:
    one, two = worker(), worker()
    two.values[STARTED] += 2.0
    two.close()
    assert (one.in_flight(), [each.pid for each in one.workers()]) == (0, [os.getpid(), 0])
