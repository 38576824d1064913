"""The metrics of the event-loop watch."""

from __future__ import annotations

from perfkit.core.families import Definition, MetricType

__all__ = ["BLOCKED_SECONDS", "BLOCKS", "LOOP_LAG", "SUSPENDED"]

MAX_LOOPS = 16

LOOP_LAG = Definition(
    name="perfkit_event_loop_lag_seconds",
    type=MetricType.HISTOGRAM,
    description="How long what is ready to run waits for its event loop.",
    labels=("loop",),
    unit="seconds",
    boundaries=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    detailed=True,
    max_series=MAX_LOOPS,
)

BLOCKED_SECONDS = Definition(
    name="perfkit_event_loop_blocked_seconds_total",
    type=MetricType.COUNTER,
    description="Time for which single calls blocked an event loop, from performance.blocking.threshold on.",
    labels=("loop",),
    unit="seconds",
    max_series=MAX_LOOPS,
)

BLOCKS = Definition(
    name="perfkit_event_loop_blocks_total",
    type=MetricType.COUNTER,
    description="Calls that blocked an event loop for performance.blocking.threshold or longer.",
    labels=("loop",),
    max_series=MAX_LOOPS,
)

SUSPENDED = Definition(
    name="perfkit_process_suspended_seconds_total",
    type=MetricType.COUNTER,
    description="Time for which whole workers stood still: stopped, or on a sleeping or overloaded machine.",
    unit="seconds",
)
