"""The watch over threads that requests hold: when it looks, what it tells and how often."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

import pytest

from perfkit.core.context import Context
from perfkit.core.loops import SeenExchange
from perfkit.performance import PerformanceMonitor, StuckRequest
from perfkit.performance.settings import PerformanceSettings, Stuck
from perfkit.performance.stuck.report import KIND, told
from perfkit.performance.stuck.watch import MOST_TOLD, STUCK, StuckWatch
from perfkit.store import Store, StoreSettings
from perfkit.store.layout import FINISHED, STARTED
from perfkit.testing import FakeClock

THRESHOLD = 30.0


class Serving:
    """A process that serves: threads that stand still in `serve`, and the watch over them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = Store(StoreSettings(mode="memory"), clock=self.clock)
        self.context = Context(store=self.store, clock=self.clock)
        self.context.loops.describe_with(self.describe)
        self.watch = StuckWatch(self.context, Stuck(threshold=THRESHOLD))
        self.began: dict[int, float] = {}
        self.looks = 0

    def describe(self, frame: FrameType) -> SeenExchange | None:
        if frame.f_code is not serve.__code__:
            return None
        self.looks += 1
        number = frame.f_locals["number"]
        return SeenExchange(number, "GET", "/hold", self.clock.monotonic() - self.began[number])

    @contextmanager
    def request(self, number: int) -> Iterator[None]:
        """Serve request *number* in a thread that stands still meanwhile."""
        entered, released = threading.Event(), threading.Event()
        self.began[number] = self.clock.monotonic()
        thread = threading.Thread(target=serve, args=(number, entered, released), name=f"worker-{number}")
        self.store.values[STARTED] += 1.0
        thread.start()
        entered.wait(30.0)
        try:
            yield
        finally:
            released.set()
            thread.join(30.0)
            self.store.values[FINISHED] += 1.0

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.watch.tick(self.clock.advance(1.0))

    @property
    def texts(self) -> list[dict[str, Any]]:
        return list(self.store.texts.read(KIND))

    @property
    def shown(self) -> float | None:
        (family,) = self.store.families({STUCK.name}) or (None,)
        value = None if family is None else family.points[0].value
        assert value is None or isinstance(value, float)
        return value


class Luggage:
    """What a request works with."""


LUGGAGE: list[weakref.ref[Luggage]] = []


def serve(number: int, entered: threading.Event, released: threading.Event) -> None:
    luggage = Luggage()
    LUGGAGE.append(weakref.ref(luggage))
    entered.set()
    released.wait(30.0)


@pytest.fixture
def serving() -> Serving:
    return Serving()


def test_it_is_told_once_at_the_threshold_and_once_ten_times_later(serving: Serving) -> None:
    serving.pass_seconds(1)
    with serving.request(1):
        serving.pass_seconds(29)
        assert serving.texts == []
        serving.pass_seconds(11)
        assert len(serving.texts) == 1
        serving.pass_seconds(200)
        assert len(serving.texts) == 1
        serving.pass_seconds(200)
        assert len(serving.texts) == 2
    (stuck,) = told(serving.texts, serving.clock.time())
    assert (stuck.method, stuck.route, stuck.thread) == ("GET", "/hold", "worker-1")
    assert stuck.seconds >= 300.0
    assert stuck.function == "serve"
    assert stuck.code == "released.wait(30.0)"
    assert "wait" in stuck.waits_in
    assert stuck.stack[0] == stuck.waits_in


def test_how_many_are_stuck_is_a_gauge_that_falls_again(serving: Serving) -> None:
    serving.pass_seconds(1)
    with serving.request(1), serving.request(2):
        serving.pass_seconds(60)
        assert serving.shown == 2.0
    serving.pass_seconds(1)
    assert serving.shown == 0.0


def test_no_stack_is_looked_at_while_nothing_can_be_stuck(serving: Serving) -> None:
    for number in range(5):
        with serving.request(number):
            serving.pass_seconds(20)
        serving.pass_seconds(1)
    assert serving.looks == 0
    assert serving.shown is None


def test_a_busy_worker_without_a_stuck_request_tells_nothing(serving: Serving) -> None:
    serving.pass_seconds(1)
    serving.store.values[STARTED] += 1.0  # there is always one under way
    for number in range(10):
        with serving.request(number):
            serving.pass_seconds(20)
    assert serving.looks > 0
    assert serving.texts == []
    assert not serving.shown


def test_a_place_is_logged_once_a_minute_and_the_listeners_hear_of_each(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[StuckRequest] = []
    serving.context.events.on("stuck_request", heard.append)
    caplog.set_level(logging.WARNING, logger="perfkit.performance")
    serving.pass_seconds(1)
    with serving.request(1), serving.request(2), serving.request(3):
        serving.pass_seconds(60)
    assert len(heard) == 3
    (record,) = caplog.records
    assert "GET /hold has held the thread" in record.getMessage()
    assert "Give what it waits for a timeout." in record.getMessage()


def test_of_very_many_some_are_told_and_all_are_counted(serving: Serving) -> None:
    serving.pass_seconds(1)
    with ExitStack() as held:
        for number in range(MOST_TOLD + 5):
            held.enter_context(serving.request(number))
        serving.pass_seconds(100)
        assert serving.shown == MOST_TOLD + 5
        assert len(serving.texts) == MOST_TOLD


def test_nothing_that_a_request_works_with_is_kept(serving: Serving) -> None:
    serving.pass_seconds(1)
    with serving.request(1):
        serving.pass_seconds(60)
        kept = LUGGAGE[-1]
        assert kept() is not None
    assert kept() is None


def test_what_was_told_an_hour_ago_and_what_cannot_be_read_is_left_out() -> None:
    def record(**changes: Any) -> dict[str, Any]:
        return {"at": 1000.0, "seconds": 40.0, "site": "app.py:3", "pid": 1, "request": 7, **changes}

    records = [record(seconds=400.0), record(), record(pid=2), record(at="never"), record(at=-3000.0, request=9)]
    found = told(records, 1100.0)
    assert [(each.pid, each.request, each.seconds) for each in found] == [(1, 7, 400.0), (2, 7, 40.0)]


def test_a_finding_sums_up_a_place() -> None:
    clock = FakeClock()
    monitor = PerformanceMonitor(clock=clock)
    for number in range(3):
        stuck = {
            "at": clock.time(),
            "seconds": 40.0 + number,
            "site": "app.py:3",
            "function": "view",
            "request": number,
        }
        monitor._store.texts.append(KIND, {**stuck, "method": "GET", "route": "/hold"})
    (finding,) = [each for each in monitor.findings() if each.code == "PK403"]
    assert (finding.site, finding.object, finding.evidence["count"]) == ("app.py:3", "GET /hold", 3)
    assert "3 requests held a thread in view for up to 42 s" in finding.message


def test_it_can_be_switched_off() -> None:
    monitor = PerformanceMonitor(settings=PerformanceSettings(stuck=Stuck(enabled=False)))
    assert monitor._stuck_watch is None


def test_nothing_is_collected_while_frames_are_looked_at(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    import gc

    from perfkit.performance.blocking import frames

    monkeypatch.setattr(frames, "COLLECTS_ANYWHERE", True)
    seen: list[bool] = []
    serving.context.loops.describe_with(lambda frame: seen.append(gc.isenabled()))  # type: ignore[func-returns-value]
    serving.pass_seconds(1)
    with serving.request(1):
        serving.pass_seconds(60)
    assert seen
    assert not any(seen)
    assert gc.isenabled()
