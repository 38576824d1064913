"""What happens when there is no space: the app goes on, the numbers say so."""

from __future__ import annotations

import errno
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perfkit.core.errors import ErrorLog
from perfkit.core.families import Definition, MetricType
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock

HITS = Definition(name="hits_total", type=MetricType.COUNTER, labels=("page",))
KIB = 1024


def histogram(number: int) -> Definition:
    return Definition(name=f"t{number}_seconds", type=MetricType.HISTOGRAM, labels=("a",), detailed=True)


def value(store: Store, name: str) -> float:
    (family,) = store.families({name})
    return sum(point.value for point in family.points if isinstance(point.value, float))


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Set the largest size that a file may reach, as the kernel sees it (EFBIG instead of ENOSPC).

    It holds for the whole process, so for no longer than must be: the report of the tests may go into a file as well.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full_from(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    """Let the disk be full behind *allowed* bytes of each file."""
    real = os.posix_fallocate

    def fallocate(descriptor: int, offset: int, length: int) -> None:
        if offset + length > allowed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", fallocate)


def test_without_space_for_the_first_step_the_store_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full_from(monkeypatch, 0)
    counted: list[tuple[str, str]] = []
    store = Store(StoreSettings(directory=str(tmp_path)), errors=ErrorLog(count=lambda *kind: counted.append(kind)))
    row = store.row(HITS, ("home",))
    store.add(row, 1)
    with caplog.at_level(logging.WARNING):
        store.open()
    store.add(row, 1)
    assert (store.is_open, store.is_shared) == (True, False)
    assert os.strerror(errno.ENOSPC) in store.degraded
    assert value(store, "perfkit_store_degraded") == 1.0
    assert value(store, "hits_total") == 2.0
    assert counted == [("store", "degraded")]
    assert len(caplog.records) == 1
    store.close()


def test_a_real_limit_degrades_as_well(tmp_path: Path) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)))
    with files_up_to(32 * KIB):
        store.open()
    assert not store.is_shared
    assert os.strerror(errno.EFBIG) in store.degraded
    store.close()


def test_when_space_ends_later_new_series_go_to_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)))
    store.open()
    early = store.row(HITS, ("early",))
    full_from(monkeypatch, 0)
    rows = [store.row(histogram(number), ("x",)) for number in range(200)]
    for row in rows:
        store.observe(row, 0.2)
    store.add(early, 1)
    assert store.is_shared
    assert value(store, "hits_total") == 1.0
    assert value(store, "perfkit_store_overflow_total") > 100
    fitting = [row for row in rows if row.labels == ("x",)]
    assert 0 < len(fitting) < 64
    counted = store.families({row.definition.name for row in fitting})
    assert all(family.points[0].value.count == 1.0 for family in counted)  # type: ignore[union-attr]
    store.close()


def test_when_space_comes_back_new_series_fit_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)))
    store.open()
    with monkeypatch.context() as patch:
        full_from(patch, 0)
        for number in range(100):
            store.row(histogram(number), ("x",))
        assert store.row(histogram(99), ("y",)).labels != ("y",)
    assert store.row(histogram(99), ("z",)).labels == ("z",)
    store.close()


def test_a_key_log_that_cannot_grow_leaves_the_app_alone(tmp_path: Path) -> None:
    clock = FakeClock()
    counted: list[tuple[str, str]] = []
    settings = StoreSettings(directory=str(tmp_path), max_slots=4096)
    store = Store(settings, clock=clock, errors=ErrorLog(count=lambda *kind: counted.append(kind)))
    store.open()
    store.add(store.row(HITS, ("early",)), 1)
    log = tmp_path / "keys.log"
    with files_up_to(log.stat().st_size + 60):
        for number in range(20):
            store.add(store.row(HITS, (f"page-{number:040}",)), 1)
    whole = log.read_bytes()
    assert whole.endswith(b"\n")
    assert value(store, "hits_total") == 21.0
    points = {point.labels: point.value for point in store.families({"hits_total"})[0].points}
    assert points["_other",] >= 19.0
    clock.advance(2)
    store.tick(clock.monotonic())
    assert store.row(HITS, ("late",)).labels == ("late",)
    assert log.read_bytes().startswith(whole)
    store.close()


def test_a_directory_that_cannot_be_made_degrades(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(StoreSettings(directory=str(tmp_path / "file" / "below")))
    store.open()
    assert "cannot be made" in store.degraded
    store.close()
    assert store.is_open is False
