"""The settings of the performance monitor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, field

from perfkit.core.settings import Settings

__all__ = ["Blocking", "MemoryWatch", "PerformanceSettings", "Stuck", "Thresholds"]

Target = Annotated[str, Meta(pattern=r"^[A-Z]+ /[^?#\s]*\Z", max_length=500)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]


class Thresholds(Settings, frozen=True):
    """Where good ends: what lies above is shown as a warning."""

    response_time: Annotated[
        float,
        Meta(gt=0, le=3600, description="Slow from here on: 95 of 100 requests should take fewer seconds."),
    ] = 1.0
    error_rate: Annotated[
        float, Meta(ge=0, le=1, description="Failed requests (5xx, exceptions) as a ratio of all, 0-1.")
    ] = 0.01
    cpu: Annotated[
        float,
        Meta(gt=0, le=1, description="CPU used as a ratio of the machine or the container's quota, 0-1."),
    ] = 0.9
    memory: Annotated[
        float,
        Meta(gt=0, le=1, description="Memory used as a ratio of the machine or the container's limit, 0-1."),
    ] = 0.9
    event_loop_lag: Annotated[
        float,
        Meta(gt=0, le=60, description="Seconds that 95 of 100 callbacks at most should wait for the event loop."),
    ] = 0.1
    queue_time: Annotated[
        float,
        Meta(gt=0, le=600, description="Seconds that 95 of 100 requests at most should wait between proxy and app."),
    ] = 0.5


class Blocking(Settings, frozen=True):
    """The watch over the event loops: which call blocks one, and which requests it keeps waiting."""

    enabled: Annotated[bool, Meta(description="Measure the lag of event loops and report calls that block one.")] = True
    threshold: Annotated[
        float,
        Meta(
            ge=0.02,
            le=60,
            description="Seconds from which a call that blocks is reported; 10 % longer ones all are.",
        ),
    ] = 0.1
    max_sites: Annotated[
        int, Meta(ge=1, le=2000, description="Call sites that a worker remembers; then the oldest makes room.")
    ] = 200


class Stuck(Settings, frozen=True):
    """The watch over requests that hold a thread and do not come to an end."""

    enabled: Annotated[bool, Meta(description="Look for requests that hold a thread for long.")] = True
    threshold: Annotated[
        float,
        Meta(ge=1, le=86_400, description="Seconds from which a request that holds a thread is reported."),
    ] = 30.0


LEAST_WINDOW = 600.0
"""Seconds of a memory window from which on memory that grows is suspicious by itself."""


class MemoryWatch(Settings, frozen=True):
    """The watch over the memory of each worker: does it grow without end?"""

    enabled: Annotated[bool, Meta(description="Look whether the memory of a worker keeps growing.")] = True
    window: Annotated[
        float,
        Meta(
            ge=30,
            le=86_400,
            description="Seconds of growth that are judged; a third is the least. Below 600, which is for "
            "demonstrations, a type of the app's own must become steadily more too: every program grows for a while.",
        ),
    ] = 3600.0
    warm_up: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds after the start of a worker that are not looked at.")
    ] = 120.0
    growth: Annotated[
        int, Meta(ge=1_048_576, description="Bytes by which a worker must have grown in the window to be suspected.")
    ] = 16_777_216
    types: Annotated[
        bool,
        Meta(description="Count objects by type in a suspected worker, off the requests; holds it up for some ms."),
    ] = False
    tracemalloc: Annotated[
        bool,
        Meta(description="Trace where memory is allocated; every allocation costs more from the start on."),
    ] = False

    @property
    def is_short(self) -> bool:
        """Whether the window is too short to go by the memory alone."""
        return self.window < LEAST_WINDOW

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield a short window in which nobody counts types."""
        if self.is_short and not self.types:
            yield (
                ("window", "types"),
                f"{{0}} is {self.window:g}, but {{1}} is off. In less than {LEAST_WINDOW:g} seconds only the types "
                "that grow tell a leak from a start. Raise {0}, or switch {1} on.",
            )


class PerformanceSettings(Settings, frozen=True):
    """What is measured of requests and processes, and what counts as slow."""

    enabled: Annotated[bool, Meta(description="Measure requests and processes.")] = True
    thresholds: Thresholds = field(default_factory=Thresholds)
    targets: Annotated[
        dict[Target, Seconds],
        Meta(
            description="A response time of its own, in seconds, for a method and route template. "
            'For example {"GET /reports": 2.0}.',
            extra={"expected": "a dict of method and route (such as GET /reports) to seconds above 0, at most 3600"},
        ),
    ] = field(default_factory=dict)
    blocking: Blocking = field(default_factory=Blocking)
    stuck: Stuck = field(default_factory=Stuck)
    memory: MemoryWatch = field(default_factory=MemoryWatch)
    collect_interval: Annotated[
        float, Meta(ge=0.1, le=60, description="Seconds between two samples of process and event loop.")
    ] = 1.0
    window: Annotated[
        float, Meta(ge=10, le=86_400, description="Seconds that rates, percentiles and error rate look back.")
    ] = 300.0
    debug_logging: Annotated[bool, Meta(description="Log each sample under perfkit.performance at DEBUG.")] = False

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield a sampling interval that leaves nothing in the window."""
        if self.collect_interval > self.window:
            yield (
                ("collect_interval", "window"),
                f"{{0}} is {self.collect_interval}, but {{1}} is only {self.window} seconds. "
                "The window must hold at least one sample. Lower {0}, or raise {1}.",
            )
