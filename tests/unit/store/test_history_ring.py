"""The history: one file of fixed size, read by range, sound where it was torn."""

from __future__ import annotations

import math
import os
import threading
from array import array
from pathlib import Path

import pytest

from perfkit.core.errors import ErrorLog
from perfkit.store.history import ring
from perfkit.store.history.columns import COLUMNS, OTHER_COLUMN, TOTAL_COLUMN
from perfkit.store.history.ring import FIELDS, MONTH, RECORD_BYTES, TIERS, Column, History

NOW = 1_700_000_100.0


def cells(**counts: float) -> array[float]:
    """Return the columns of a record; keywords are ``c<index>=count``."""
    record = array("f", (0.0, 0.0, 0.0, math.nan, math.nan, math.nan) * COLUMNS)
    for key, count in counts.items():
        at = int(key[1:]) * FIELDS
        record[at : at + FIELDS] = array("f", (count, 1.0, count * 0.5, 0.25, 0.5, 1.0))
    return record


def begin(history: History, started_at: float, *routes: str) -> None:
    columns = history.columns().copy()
    columns.started_at = started_at
    columns.assign(dict.fromkeys(routes, 1.0), started_at)
    history.save(columns)


def put(history: History, tier: int, at: float, **counts: float) -> None:
    step = history.tiers[tier].step
    history.append(tier, at, step, cells(**counts), int(at // step))


@pytest.fixture(params=["memory", "file"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> History:
    history = History()
    if request.param == "file":
        history.open(tmp_path)
    return history


def test_a_record_has_the_promised_size_and_all_tiers_take_eight_megabytes(tmp_path: Path) -> None:
    assert RECORD_BYTES == 1552
    history = History()
    history.open(tmp_path)
    put(history, 0, NOW, c0=1.0)
    status = (tmp_path / "history.ring").stat()
    assert 7_700_000 < status.st_size < 7_900_000
    assert status.st_blocks * 512 >= status.st_size


def test_what_was_appended_is_read(history: History) -> None:
    begin(history, NOW - 10.0, "GET /a")
    put(history, 0, NOW, c0=4.0, c2=3.0, c1=1.0)
    (tick,) = history.read(60.0, NOW)
    assert (tick.at, tick.duration) == (NOW, 1.0)
    assert tick.columns == {
        "total": Column(4.0, 1.0, 2.0, 0.25, 0.5, 1.0),
        "GET /a": Column(3.0, 1.0, 1.5, 0.25, 0.5, 1.0),
        "_other": Column(1.0, 1.0, 0.5, 0.25, 0.5, 1.0),
    }


def test_no_data_is_none_and_silent_routes_are_left_out(history: History) -> None:
    begin(history, NOW - 10.0, "GET /a")
    put(history, 0, NOW)
    (tick,) = history.read(60.0, NOW)
    assert tick.columns == {"total": Column(0.0, 0.0, 0.0, None, None, None)}


def test_only_the_columns_asked_for_are_read(history: History) -> None:
    begin(history, NOW - 10.0, "GET /a", "GET /b")
    put(history, 0, NOW, c0=4.0, c2=3.0, c3=1.0)
    (tick,) = history.read(60.0, NOW, names={"GET /b"})
    assert set(tick.columns) == {"GET /b"}


def test_an_empty_history_reads_as_nothing(history: History) -> None:
    assert history.read(3600.0, NOW) == []


def test_ticks_come_oldest_first_and_none_is_older_than_asked(history: History) -> None:
    begin(history, NOW - 1000.0)
    for second in range(400):
        put(history, 0, NOW - 400 + second, c0=1.0)
    ats = [tick.at for tick in history.read(120.0, NOW)]
    assert ats == [NOW - 120 + second for second in range(1, 120)]


def test_a_ring_keeps_its_last_records_only(history: History) -> None:
    begin(history, NOW - 1000.0)
    for second in range(1000):
        put(history, 0, NOW - 999 + second, c0=1.0)
    assert [tick.at for tick in history.read(300.0, NOW)] == [NOW - 299 + second for second in range(300)]


@pytest.mark.parametrize(
    ("seconds", "tier"), [(60.0, 0), (300.0, 0), (301.0, 1), (3600.0, 1), (86400.0, 2), (MONTH, 3)]
)
def test_the_range_decides_which_ring_is_read(tmp_path: Path, seconds: float, tier: int) -> None:
    history = History()
    history.open(tmp_path)
    begin(history, NOW - 2 * MONTH)
    for index in range(len(TIERS)):
        put(history, index, NOW, c0=float(index + 1))
    (tick,) = history.read(seconds, NOW)
    assert tick.columns["total"].count == tier + 1
    assert tick.duration == TIERS[tier].step


def test_a_young_service_is_read_from_the_ring_that_reaches_back_to_its_start(history: History) -> None:
    begin(history, NOW - 200.0)
    put(history, 0, NOW, c0=1.0)
    put(history, 1, NOW, c0=2.0)
    assert [tick.columns["total"].count for tick in history.read(MONTH, NOW)] == [1.0]


@pytest.mark.parametrize(
    ("retention", "steps"),
    [
        (60.0, (1.0,)),
        (300.0, (1.0,)),
        (3600.0, (1.0, 10.0)),
        (86_400.0, (1.0, 10.0, 60.0)),
        (7 * 86_400.0, (1.0, 10.0, 60.0, 900.0)),
        (MONTH, (1.0, 10.0, 60.0, 900.0)),
    ],
)
def test_retention_decides_which_rings_there_are(tmp_path: Path, retention: float, steps: tuple[float, ...]) -> None:
    history = History(retention=retention)
    history.open(tmp_path)
    assert tuple(tier.step for tier in history.tiers) == steps
    put(history, 0, NOW, c0=1.0)
    assert (tmp_path / "history.ring").stat().st_size >= sum(t.cells for t in history.tiers) * RECORD_BYTES


def test_nothing_older_than_the_retention_is_shown(tmp_path: Path) -> None:
    history = History(retention=100.0)
    history.open(tmp_path)
    begin(history, NOW - 1000.0)
    put(history, 0, NOW - 150.0, c0=1.0)
    put(history, 0, NOW, c0=1.0)
    assert [tick.at for tick in history.read(300.0, NOW)] == [NOW]


def test_memory_has_three_rings_and_grows_as_they_fill() -> None:
    history = History()
    assert len(history.tiers) == 3
    begin(history, NOW)
    put(history, 0, NOW, c0=1.0)
    assert sum(len(body) for ring in history._memory for _, _, body in ring) < 100


def test_another_process_reads_the_same(tmp_path: Path) -> None:
    leader, reader = History(), History()
    leader.open(tmp_path)
    reader.open(tmp_path)
    begin(leader, NOW - 10.0, "GET /a")
    put(leader, 0, NOW - 1.0, c0=1.0, c2=1.0)
    assert reader.read(60.0, NOW) == leader.read(60.0, NOW)
    begin(leader, NOW - 10.0, "GET /a", "GET /b")
    put(leader, 0, NOW, c0=1.0, c3=1.0)
    assert set(reader.read(60.0, NOW)[-1].columns) == {"total", "GET /b"}


def test_history_survives_a_restart(tmp_path: Path) -> None:
    history = History()
    history.open(tmp_path)
    begin(history, NOW - 10.0, "GET /a")
    put(history, 3, NOW, c0=5.0, c2=5.0)
    history.close()
    assert history.read(60.0, NOW) == []
    again = History()
    again.open(tmp_path)
    assert again.last_at(3) == NOW
    assert again.columns().index_of("GET /a") == 2
    begin(again, NOW - MONTH)
    assert again.read(MONTH, NOW)[0].columns["GET /a"].count == 5.0


def test_records_from_before_a_column_changed_hands_are_not_shown_under_its_new_name(
    tmp_path: Path,
) -> None:
    history = History()
    history.open(tmp_path)
    begin(history, NOW - 10.0)
    put(history, 0, NOW - 5.0, c0=1.0, c2=1.0)
    columns = history.columns().copy()
    columns.assign({"GET /new": 1.0}, NOW - 2.0)
    history.save(columns)
    put(history, 0, NOW, c0=1.0, c2=1.0)
    assert [set(tick.columns) for tick in history.read(60.0, NOW)] == [{"total"}, {"total", "GET /new"}]


def test_a_torn_record_is_skipped(tmp_path: Path) -> None:
    history = History()
    history.open(tmp_path)
    begin(history, NOW - 10.0)
    for second in range(3):
        put(history, 0, NOW - second, c0=1.0)
    place = int(NOW - 1) % 300
    with (tmp_path / "history.ring").open("r+b") as file:
        file.seek(4096 + 65536 + place * RECORD_BYTES + 40)
        file.write(b"\xee" * 8)
    assert [tick.at for tick in history.read(60.0, NOW)] == [NOW - 2, NOW]


def test_a_torn_column_table_falls_back_to_the_one_before(tmp_path: Path) -> None:
    history = History()
    history.open(tmp_path)
    begin(history, NOW - 10.0, "GET /a")
    begin(history, NOW - 10.0, "GET /a", "GET /b")
    with (tmp_path / "history.ring").open("r+b") as file:
        file.seek(4096 + 20)
        file.write(b"\xee" * 8)
    reader = History()
    reader.open(tmp_path)
    assert [name for _, name, _ in reader.columns().named()] == ["total", "_other", "GET /a"]


def test_a_foreign_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "history.ring").write_bytes(b"something else" * 100)
    history = History()
    history.open(tmp_path)
    assert history.read(60.0, NOW) == []
    begin(history, NOW - 10.0)
    put(history, 0, NOW, c0=1.0)
    assert len(history.read(60.0, NOW)) == 1


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    history = History()
    history.open(tmp_path)
    begin(history, NOW - 10.0, "GET /a")
    os.unlink(tmp_path / "history.ring")
    assert history.columns().started_at == 0.0
    begin(history, NOW)
    put(history, 0, NOW, c0=1.0)
    assert len(history.read(60.0, NOW)) == 1


def test_a_file_that_cannot_be_read_is_reported_and_reads_as_nothing(tmp_path: Path) -> None:
    counted: list[str] = []
    history = History(errors=ErrorLog(count=lambda component, kind: counted.append(kind)))
    (tmp_path / "history.ring").mkdir()
    history.open(tmp_path)
    assert history.read(60.0, NOW) == []
    assert set(counted) == {"IsADirectoryError"}
    with pytest.raises(IsADirectoryError):
        put(history, 0, NOW, c0=1.0)


def test_column_numbers_are_what_the_file_says() -> None:
    assert (TOTAL_COLUMN, OTHER_COLUMN) == (0, 1)


def test_a_reader_with_the_columns_of_before_does_not_hide_the_next_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, other = History(), History()
    for each in (leader, other):
        each.open(tmp_path)
    begin(leader, NOW, "GET /a")
    pread, has_read, may_go_on = ring._pread, threading.Event(), threading.Event()
    reader = threading.Thread(target=leader.columns)

    def pread_late(path: Path, size: int, offset: int) -> bytes:
        data = pread(path, size, offset)
        if threading.current_thread() is reader and offset != ring.PAGE:
            has_read.set()
            # Or until whoever writes the next ones has waited long enough for this reader.
            may_go_on.wait(0.5)
        return data

    monkeypatch.setattr(ring, "_pread", pread_late)
    reader.start()
    assert has_read.wait(20)
    begin(leader, NOW, "GET /a", "GET /b")
    columns = leader.columns().copy()
    assert [name for _, name, _ in other.columns().named()][-1] == "GET /b"
    may_go_on.set()
    reader.join(20)
    columns.assign(dict.fromkeys(["GET /c"], 1.0), NOW)
    leader.save(columns)
    assert [name for _, name, _ in other.columns().named()][-1] == "GET /c"
