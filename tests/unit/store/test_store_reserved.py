"""What has its place on the disk from the opening on, and what is let go of at the closing."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from perfkit.core.errors import ErrorLog
from perfkit.core.families import Definition, MetricType
from perfkit.core.names import ERRORS
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock

HITS = Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",))


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it and the disk is full: no file can grow any more."""
    taken, written = os.posix_fallocate, os.pwrite

    def posix_fallocate(descriptor: int, offset: int, length: int) -> None:
        if offset + length > os.fstat(descriptor).st_blocks * 512:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken(descriptor, offset, length)

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        # A block that a file has begun is its own.
        room = os.fstat(descriptor).st_blocks * 512 - offset
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written(descriptor, data[:room], offset)

    def fill() -> None:
        monkeypatch.setattr(os, "posix_fallocate", posix_fallocate)
        monkeypatch.setattr(os, "pwrite", pwrite)

    return fill


def value_of(store: Store, name: str) -> float:
    return sum(
        point.value for family in store.families({name}) for point in family.points if isinstance(point.value, float)
    )


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="needs posix_fallocate")
def test_the_first_error_is_counted_though_it_is_that_the_disk_is_full(
    tmp_path: Path, full: Callable[[], None]
) -> None:
    errors = ErrorLog()
    store = Store(StoreSettings(directory=str(tmp_path)), errors=errors)
    errors.count = lambda *labels: store.add(store.row(ERRORS, labels), 1.0)
    store.open()
    fill_key_log(store)
    full()
    errors.report("store", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert value_of(store, ERRORS.name) == 1.0
    store.close()


def fill_key_log(store: Store) -> None:
    """Let the log of series end where its block on the disk ends, so that not one line more fits."""
    assert store.directory is not None
    log = store.directory / "keys.log"
    block = os.statvfs(log).f_frsize
    number = 0
    while (left := block - log.stat().st_size % block) > 200:
        store.row(HITS, (f"{number:0100}",))
        number += 1
    assert 0 < left <= 200


def test_no_errors_show_until_there_is_one(tmp_path: Path) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)))
    store.open()
    assert store.families({ERRORS.name}) == []
    store.close()


def test_somebody_can_lead_on_a_disk_that_was_full_before_the_first_second_was_over(
    tmp_path: Path, full: Callable[[], None]
) -> None:
    clock = FakeClock()
    store = Store(StoreSettings(directory=str(tmp_path)), clock=clock)
    store.open()
    full()
    store.tick(clock.advance(1.0))
    assert store.lease.is_still_mine(clock.monotonic())
    assert store.is_leader
    store.close()


def test_a_lease_that_is_held_survives_the_opening_of_another_worker(tmp_path: Path) -> None:
    clock = FakeClock()
    settings = StoreSettings(directory=str(tmp_path))
    first, second = Store(settings, clock=clock), Store(settings, clock=clock)
    first.open()
    first.tick(clock.advance(1.0))
    second.open()
    second.tick(clock.advance(1.0))
    assert first.lease.is_still_mine(clock.monotonic())
    assert not second.is_leader
    first.close()
    second.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_closed_store_holds_no_file_of_its_directory(tmp_path: Path) -> None:
    clock = FakeClock()
    store = Store(StoreSettings(directory=str(tmp_path)), service="shop", origin="app.py", clock=clock)
    twin = Store(StoreSettings(directory=str(tmp_path)), service="shop", origin="app.py", clock=clock)
    row = store.row(HITS, ("home",))
    for each in (store, twin):
        each.open()
        each.add(row, 1.0)
        each.control.append("clear", {})
        each.texts.append("sql", {"n": 1})
    store.tick(clock.advance(1.0))
    twin.close()
    assert descriptors_in(tmp_path)
    store.close()
    assert descriptors_in(tmp_path) == []


def descriptors_in(directory: Path) -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the descriptor of this very listing
            continue
        if path.startswith(str(directory)):
            found.append(path)
    return sorted(found)
