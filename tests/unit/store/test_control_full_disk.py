"""Commands, texts, history and snapshots without space: reported, and the app goes on."""

from __future__ import annotations

import errno
import math
import os
from array import array
from pathlib import Path

import pytest

from perfkit.core.errors import ErrorLog
from perfkit.core.names import REQUEST_DURATION
from perfkit.store import Store, StoreSettings
from perfkit.store.control import Control
from perfkit.store.history.ring import History
from perfkit.store.lock import directory_lock
from perfkit.store.texts import Texts
from perfkit.testing import FakeClock


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def fallocate(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fallocate)


@pytest.fixture
def counted() -> list[str]:
    return []


@pytest.fixture
def errors(counted: list[str]) -> ErrorLog:
    return ErrorLog(count=lambda component, kind: counted.append(kind))


@pytest.mark.usefixtures("full")
def test_without_space_for_the_page_control_stays_in_memory(tmp_path: Path) -> None:
    control = Control()
    with pytest.raises(OSError, match="No space"):
        control.open(tmp_path, 1, locked=lambda: directory_lock(tmp_path / "lock"), is_live=lambda number: True)
    heard: list[dict[str, object]] = []
    control.on("clear", heard.append)
    assert control.append("clear", {})
    assert heard == [{}]
    assert not control.is_shared


@pytest.mark.usefixtures("full")
def test_without_space_for_a_ring_texts_stay_in_this_process_but_others_are_read(
    tmp_path: Path, errors: ErrorLog, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = Texts(size=4096, errors=errors)
    poor.open(tmp_path, 1)
    poor.append("sql", {"n": 1}, at=1.0)
    poor.append("sql", {"n": 2}, at=2.0)
    assert counted == ["disk_full"]
    monkeypatch.undo()
    rich = Texts(size=4096)
    rich.open(tmp_path, 2)
    rich.append("sql", {"n": 3}, at=3.0)
    assert [record["n"] for record in poor.read("sql")] == [3, 2, 1]
    assert [record["n"] for record in rich.read("sql")] == [3]
    poor.close()
    rich.close()


@pytest.mark.usefixtures("full")
def test_without_space_for_the_history_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History()
    history.open(tmp_path)
    cells = array("f", [1.0] * 384)
    with pytest.raises(OSError, match="No space"):
        history.append(0, 1e9, 1.0, cells, 0)
    assert history.read(math.inf, 1e9) == []
    monkeypatch.undo()
    history.append(0, 1e9, 1.0, cells, 0)
    assert len(history.read(60.0, 1e9)) <= 1


def test_a_store_whose_disk_fills_up_goes_on_ticking_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: ErrorLog, counted: list[str]
) -> None:
    clock = FakeClock()
    store = Store(StoreSettings(directory=str(tmp_path)), clock=clock, errors=errors)
    store.open()
    row = store.row(REQUEST_DURATION, ("GET", "/a", "200", "http", ""))
    with monkeypatch.context() as patch:

        def fallocate(descriptor: int, offset: int, length: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(os, "posix_fallocate", fallocate)
        for _ in range(3):
            store.observe(row, 0.01)
            store.tick(clock.advance(1.0))
        assert "disk_full" in counted
        assert store.history.read(60.0, clock.time()) == []
    store.observe(row, 0.01)
    store.tick(clock.advance(1.0))
    assert sum(tick.columns["total"].count for tick in store.history.read(60.0, clock.time())) == 4.0
    store.close()
