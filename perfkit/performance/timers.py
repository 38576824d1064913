"""Timers for whatever the user wants to time: by hand, as a block, or around a function.

    timer = monitor.start_timer("api_request")
    seconds = monitor.end_timer(timer)

    with monitor.time("api_request"):
        ...

A timer belongs to the context that started it, so two of one name, in two requests or one inside the other, never
disturb each other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from perfkit.core.errors import TimerError
from perfkit.core.families import Definition, MetricType
from perfkit.core.names import HTTP_BOUNDARIES
from perfkit.store import Store

__all__ = ["TIMER", "TimedBlock", "Timer", "Timers"]

TIMER = Definition(
    name="perfkit_timer_seconds",
    type=MetricType.HISTOGRAM,
    description="What the timers of the performance monitor measured, by their names.",
    labels=("name", "labels"),
    unit="seconds",
    boundaries=HTTP_BOUNDARIES,
    detailed=True,
    max_series=200,
)

MOST_RUNNING = 64
"""Timers that may run in one context at once; then the oldest is taken for abandoned."""

F = TypeVar("F", bound=Callable[..., Any])


class Timer:
    """One timer that was started.

    Attributes:
        name: Its name.
        labels: As they were given.
        seconds: What it measured; None while it runs.
    """

    __slots__ = ("_clock", "_started", "labels", "name", "seconds")

    def __init__(self, name: str, labels: Mapping[str, str] | None, clock: Callable[[], float]) -> None:
        """Start now; *clock* returns monotonic seconds."""
        self.name, self.labels = name, dict(labels or {})
        self.seconds: float | None = None
        self._clock, self._started = clock, clock()

    @property
    def is_running(self) -> bool:
        """True until it is ended."""
        return self.seconds is None

    def _end(self) -> float:
        self.seconds = self._clock() - self._started
        return self.seconds

    def __repr__(self) -> str:
        state = "running" if self.seconds is None else f"{self.seconds:.6f} s"
        return f"<Timer {self.name!r}: {state}>"


class Timers:
    """The timers of one monitor. Thread-safe: each context has its own.

    Attributes:
        clock: Returns monotonic seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        """Record into *store* what *clock* measures."""
        self._store, self.clock = store, clock
        self._running: ContextVar[tuple[Timer, ...]] = ContextVar("perfkit_timers", default=())

    def start(self, name: str, labels: Mapping[str, str] | None = None) -> Timer:
        """Start a timer called *name*; see `PerformanceMonitor.start_timer`."""
        timer = Timer(_checked(name), labels, self.clock)
        running = tuple(each for each in self._running.get() if each.is_running)
        self._running.set((*running[1 - MOST_RUNNING :], timer))
        return timer

    def end(self, timer: Timer | str) -> float:
        """End *timer*, or the youngest of that name in this context; record and return its seconds.

        Raises:
            TimerError: It has ended, or there is none of that name in this context.
        """
        if isinstance(timer, str):
            timer = self._youngest(timer)
        elif not timer.is_running:
            raise TimerError(
                f"The timer {timer.name!r} has ended, after {timer.seconds} s. A timer measures one thing once. "
                "Start another one."
            )
        running = self._running.get()
        if timer in running:
            self._running.set(tuple(each for each in running if each is not timer and each.is_running))
        seconds = timer._end()
        self.record(timer.name, timer.labels, seconds)
        return seconds

    def _youngest(self, name: str) -> Timer:
        for timer in reversed(self._running.get()):
            if timer.name == name and timer.is_running:
                return timer
        known = ", ".join(sorted({repr(each.name) for each in self._running.get() if each.is_running})) or "none"
        raise TimerError(
            f"No timer {name!r} runs in this context. Running here: {known}. "
            "End it where it was started, or hand the timer itself to end_timer()."
        )

    def record(self, name: str, labels: Mapping[str, str] | None, seconds: float) -> None:
        """Count *seconds* for the timer *name*."""
        told = ",".join(f"{key}={labels[key]}" for key in sorted(labels)) if labels else ""
        self._store.observe(self._store.row(TIMER, (name, told)), seconds)


class TimedBlock:
    """What `time()` returns: for ``with``, ``async with``, and as a decorator of functions and coroutine functions.

    Attributes:
        seconds: How long the last block took; 0.0 before its end.
    """

    __slots__ = ("_labels", "_name", "_started", "_timers", "seconds")

    def __init__(self, timers: Timers, name: str, labels: Mapping[str, str] | None) -> None:
        """Time under *name*."""
        self._timers, self._name, self._labels = timers, _checked(name), labels
        self._started: list[float] = []
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._started.append(self._timers.clock())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.seconds = self._timers.clock() - self._started.pop()
        self._timers.record(self._name, self._labels, self.seconds)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Return *function*, each call of it timed; of a coroutine function until it is done."""
        timers, name, labels = self._timers, self._name, self._labels
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with TimedBlock(timers, name, labels):
                    return await function(*args, **kwargs)

            return cast(F, coroutine)

        @wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            with TimedBlock(timers, name, labels):
                return function(*args, **kwargs)

        return cast(F, plain)


def _checked(name: str) -> str:
    if not str(name).strip():
        raise TimerError(
            f"A timer was given the name {name!r}. A name is a text that is not empty. "
            'Give it one, such as start_timer("api_request").'
        )
    return str(name)
