"""The CPU of a process is counted once, however many systems run in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from perfkit.core.context import Context
from perfkit.core.names import PROCESS_CPU
from perfkit.performance import PerformanceMonitor
from perfkit.performance.runtime.reader import ProcessReader
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock


class Process:
    """This process as it reads, but for the CPU seconds, which the test says."""

    def __init__(self) -> None:
        self.seconds = 5.0


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    process, read = Process(), ProcessReader.read
    monkeypatch.setattr(ProcessReader, "read", lambda reader: read(reader) | {"cpu": process.seconds})
    return process


class Systems:
    """Stores and their monitors in this process."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self._opened: list[tuple[Store, PerformanceMonitor]] = []

    def open(self, directory: object = "", *, service: str = "shop", origin: str = "app.py") -> Store:
        settings = StoreSettings(directory=str(directory)) if directory else StoreSettings()
        store = Store(settings, service=service, origin=origin, clock=self.clock)
        monitor = PerformanceMonitor(context=Context(store=store, clock=self.clock))
        store.open()
        monitor.start()
        self._opened.append((store, monitor))
        return store

    def tick(self) -> None:
        now = self.clock.advance(1.0)
        for _, monitor in self._opened:
            monitor.tick(now)

    def close(self, store: Store) -> None:
        for each, monitor in self._opened:
            if each is store:
                monitor.stop()
                each.close()
        self._opened = [pair for pair in self._opened if pair[0] is not store]

    def close_all(self) -> None:
        for store, _ in list(self._opened):
            self.close(store)


@pytest.fixture
def systems() -> Iterator[Systems]:
    systems = Systems()
    yield systems
    systems.close_all()


def cpu_of(store: Store) -> float:
    (family,) = store.families((PROCESS_CPU.name,))
    (point,) = family.points
    assert isinstance(point.value, float)
    return point.value


@pytest.mark.parametrize("origins", [("app.py", "app.py"), ("app.py", "other.py")], ids=["twins", "two origins"])
def test_two_systems_over_one_directory_count_it_once(
    tmp_path: object, process: Process, systems: Systems, origins: tuple[str, str]
) -> None:
    first, second = (systems.open(tmp_path, origin=origin) for origin in origins)
    process.seconds += 2.0
    systems.tick()
    process.seconds += 1.0
    systems.tick()
    assert cpu_of(first) == cpu_of(second) == 8.0


def test_two_systems_of_one_service_in_memory_count_it_once(process: Process, systems: Systems) -> None:
    first, second = systems.open(), systems.open()
    process.seconds += 2.0
    systems.tick()
    assert cpu_of(first) == cpu_of(second) == 7.0


def test_systems_of_two_services_count_it_once_each(process: Process, systems: Systems) -> None:
    shop, bank = systems.open(), systems.open(service="bank")
    process.seconds += 2.0
    systems.tick()
    assert cpu_of(shop) == cpu_of(bank) == 7.0


def test_the_system_that_stays_goes_on_counting(tmp_path: object, process: Process, systems: Systems) -> None:
    first, second = systems.open(tmp_path), systems.open(tmp_path)
    systems.close(first)
    process.seconds += 3.0
    systems.tick()
    assert cpu_of(second) == 8.0


def test_a_system_that_comes_later_counts_only_what_is_new(
    tmp_path: object, process: Process, systems: Systems
) -> None:
    systems.close(systems.open(tmp_path))
    process.seconds += 2.0
    assert cpu_of(systems.open(tmp_path)) == 7.0


def test_a_forked_child_counts_its_own(tmp_path: object, process: Process, systems: Systems) -> None:
    parent = systems.open(tmp_path)
    pid = os.fork()
    if pid == 0:
        try:
            process.seconds = 0.25
            child = Systems()
            store = child.open(tmp_path)
            os._exit(0 if cpu_of(store) == 5.25 else 1)
        except BaseException:
            os._exit(2)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert cpu_of(parent) == 5.25
