"""How long requests waited before the app: what proxies tell, and that no request pays for asking."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.families import Histogram
from perfkit.http.queueing import HEADERS, OFTEN, SELDOM, QueueTime, header_of, variable_of, waited
from perfkit.system import PerformanceSystem
from perfkit.testing import FakeClock

NOW = 1_700_000_000.5


@pytest.mark.parametrize(
    "text",
    [
        "t=1700000000.25",
        "1700000000.250",
        "t=1700000000250",
        "1700000000250",
        "t=1700000000250000",
        "t=1700000000250000000",
        "D=1532 t=1700000000250000",
        " t=1700000000.25 ",
        "t=1700000000250, t=1700000000400",
    ],
    ids=["nginx", "seconds", "ms", "heroku", "us", "ns", "apache", "spaces", "two proxies"],
)
def test_each_form_that_proxies_send_is_understood(text: str) -> None:
    assert waited(text, NOW) == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "t=",
        "now",
        "t=-1700000000",
        "t=12",
        "t=1e9",
        "t=nan",
        "t=1_700_000_000",
        "t=1700000000.1.2",
        "9" * 25,
        "t=" + "x" * 9999,
    ],
)
def test_what_is_no_time_tells_nothing(text: str) -> None:
    assert waited(text, NOW) is None


def test_a_clock_that_is_ahead_makes_no_negative_wait() -> None:
    assert waited("t=1700000002.0", NOW) == 0.0


@pytest.mark.parametrize("hours", [-1.01, 1.01, 30000.0])
def test_what_is_off_by_more_than_an_hour_is_not_believed(hours: float) -> None:
    assert waited(f"t={NOW - hours * 3600.0:.3f}", NOW) is None


@given(text=st.text(max_size=60) | st.from_regex(r"t=[0-9.]{0,30}"))
def test_no_text_breaks_it_or_makes_an_impossible_wait(text: str) -> None:
    seconds = waited(text, NOW)
    assert seconds is None or 0.0 <= seconds <= 3600.0


@given(
    wait=st.floats(0.0, 3599.0),
    unit=st.sampled_from([(1.0, 6), (1e3, 0), (1e6, 0), (1e9, 0)]),
)
def test_every_unit_gives_the_same_wait(wait: float, unit: tuple[float, int]) -> None:
    parts, digits = unit
    assert waited(f"t={(NOW - wait) * parts:.{digits}f}", NOW) == pytest.approx(wait, abs=2e-3)


def test_the_first_of_the_headers_counts() -> None:
    assert (
        header_of([(b"Host", b"a"), (b"X-Queue-Start", b"2"), (b"X-Request-Start", b"1"), (b"x-request-start", b"3")])
        == "1"
    )
    assert header_of([(b"x-queue-start", b"2"), (b"x-request-start", b"")]) == "2"
    assert header_of([(b"host", b"a")]) is None
    assert variable_of({"HTTP_X_QUEUE_START": "2", "HTTP_X_REQUEST_START": "1"}) == "1"
    assert variable_of({"HTTP_X_QUEUE_START": "2", "HTTP_X_REQUEST_START": ""}) == "2"
    assert variable_of({"PATH_INFO": "/"}) is None
    assert len(HEADERS) == 2


class Adapter:
    """An adapter whose hot path is taken away."""

    def __init__(self) -> None:
        self.cooled = 0

    def cool(self) -> None:
        self.cooled += 1


def run(system: PerformanceSystem, clock: FakeClock, seconds: float, step: float = 0.05) -> None:
    """Let *seconds* pass for the scheduler of *system*, whose thread does not run."""
    for _ in range(round(seconds / step)):
        clock.advance(step)
        system.scheduler.run_due()


def make(queue_time: bool = True) -> tuple[PerformanceSystem, FakeClock, QueueTime]:
    clock = FakeClock(unix=NOW)
    settings = {"store": {"mode": "memory"}, "http": {"queue_time": queue_time}, "alerts": {"enabled": False}}
    system = PerformanceSystem(settings, clock=clock)
    return system, clock, QueueTime(system)


def observed(system: PerformanceSystem) -> float:
    families = system.store.families({"perfkit_request_queue_seconds"})
    histograms = [point.value for family in families for point in family.points]
    return sum(value.count for value in histograms if isinstance(value, Histogram))


def test_without_a_header_one_request_a_second_is_looked_at() -> None:
    system, clock, queue_time = make()
    adapter = Adapter()
    queue_time.watch(adapter, Adapter.cool)
    queue_time.watch(adapter, Adapter.cool)
    run(system, clock, 5.0)
    assert 4 <= adapter.cooled <= 5
    assert queue_time.period(clock.monotonic()) == SELDOM
    assert observed(system) == 0.0


def test_with_headers_ten_requests_a_second_are_looked_at_until_there_are_none_any_more() -> None:
    system, clock, queue_time = make()
    adapter = Adapter()
    queue_time.watch(adapter, Adapter.cool)
    queue_time.look(f"t={clock.time() - 0.2:.3f}")
    run(system, clock, 3.0)
    assert adapter.cooled >= 15
    assert observed(system) == 1.0
    assert queue_time.period(clock.monotonic()) == OFTEN
    assert queue_time.period(clock.monotonic() + 61.0) == SELDOM


@pytest.mark.parametrize("text", [None, "", "rubbish", "t=1"])
def test_a_header_that_tells_nothing_counts_nothing(text: str | None) -> None:
    system, clock, queue_time = make()
    queue_time.look(text)
    assert observed(system) == 0.0
    assert queue_time.period(clock.monotonic()) == SELDOM


def test_switched_off_nobody_is_looked_at_and_no_header_counts() -> None:
    system, clock, queue_time = make(queue_time=False)
    adapter = Adapter()
    queue_time.watch(adapter, Adapter.cool)
    queue_time.look(f"t={clock.time() - 0.2:.3f}")
    run(system, clock, 3.0)
    assert adapter.cooled == 0
    assert observed(system) == 0.0


def test_an_adapter_that_is_gone_is_forgotten() -> None:
    system, clock, queue_time = make()
    cooled: list[object] = []
    cool: Callable[[Adapter], object] = cooled.append
    queue_time.watch(Adapter(), cool)
    gc.collect()
    jobs = len(system.scheduler.jobs())
    run(system, clock, 2.0)
    assert cooled == []
    assert len(system.scheduler.jobs()) == jobs - 1
