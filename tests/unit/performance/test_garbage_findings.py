"""What the monitor makes of the pauses of the garbage collector."""

from __future__ import annotations

import pytest

from perfkit.performance import Latency, PerformanceMonitor
from perfkit.performance.findings import collected
from perfkit.performance.runtime.metrics import GC_PAUSE
from perfkit.testing import FakeClock


@pytest.mark.parametrize(
    ("longest", "share", "priority"),
    [
        (None, None, None),
        (0.01, 0.001, None),
        (0.049, 0.049, None),
        (0.05, 0.001, "medium"),
        (0.5, 0.001, "high"),
        (0.01, 0.06, "medium"),
        (None, 0.06, "medium"),
    ],
)
def test_long_pauses_and_many_are_worth_a_finding(
    longest: float | None, share: float | None, priority: str | None
) -> None:
    found = [finding.priority for finding in collected(Latency(max=longest), share)]
    assert found == ([] if priority is None else [priority])


def test_pauses_of_the_window_are_in_the_summary() -> None:
    clock = FakeClock()
    monitor = PerformanceMonitor(clock=clock)
    monitor.start()
    monitor.stop()  # only the test counts
    store, row = monitor._store, monitor._store.row(GC_PAUSE, ("2",))
    before = monitor.get_performance_summary().gc_share
    assert before is None, "nothing is known of the past"
    monitor._pauses.tick(clock.monotonic())
    for _ in range(50):
        store.observe(row, 0.2)
    clock.advance(100.0)
    summary = monitor.get_performance_summary()
    assert summary.gc_share == pytest.approx(0.1)
    assert summary.gc_pause.mean == pytest.approx(0.2)
    assert (summary.gc_pause.max or 0.0) >= 0.2
    (finding,) = [each for each in monitor.findings() if each.code == "PK404"]
    assert "10.0 % of the time" in finding.message
