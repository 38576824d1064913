"""Timing a block, a function, a coroutine function or a generator: one thing for all four."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import aclosing
from functools import partial, wraps
from types import TracebackType
from typing import Any, Self, TypeVar, cast

__all__ = ["Timing", "timed_call"]

F = TypeVar("F", bound=Callable[..., Any])


class Timing:
    """Records how long something took, however it ends. Get one from `time()` of a timer, histogram or summary.

    ``with timer.time():`` or ``async with`` times a block, one block at a time; ``@timer.time()`` each call of a
    function, of a coroutine function (until it is done) or of a generator function (from first to last item), as many
    at once as there are.

    Attributes:
        seconds: How long the last block took; 0.0 before its end.
    """

    __slots__ = ("_clock", "_record", "_started", "seconds")

    def __init__(self, record: Callable[[float], object], clock: Callable[[], float]) -> None:
        """Give seconds to *record*; *clock* returns monotonic seconds."""
        self._record, self._clock = record, clock
        self._started: float | None = None
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._started = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._started is not None:
            self.seconds = self._clock() - self._started
            self._started = None
            self._record(self.seconds)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Return *function*, each call of it timed."""
        record, clock = self._record, self._clock
        return cast(F, _wrapped(function, lambda: Timing(record, clock)))


def _wrapped(function: Callable[..., Any], timing: Callable[[], Timing]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with timing():
                return await function(*args, **kwargs)

        return coroutine
    if inspect.isasyncgenfunction(function):

        @wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with timing():
                async with aclosing(function(*args, **kwargs)) as items:
                    async for item in items:
                        yield item

        return async_generator
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with timing():
                return (yield from function(*args, **kwargs))

        return generator

    @wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        return timed_call(timing(), partial(function, *args, **kwargs))

    return plain


def timed_call(timing: Timing, function: Callable[[], Any]) -> Any:
    """Call *function* and return its result; what it returns to be awaited is timed until it is done."""
    if inspect.iscoroutinefunction(function):
        return _awaited(timing, function())
    timing.__enter__()
    try:
        result = function()
    except BaseException:
        timing.__exit__(None, None, None)
        raise
    if inspect.isawaitable(result):
        return _finished(timing, result)
    timing.__exit__(None, None, None)
    return result


async def _awaited(timing: Timing, awaitable: Awaitable[Any]) -> Any:
    with timing:
        return await awaitable


async def _finished(timing: Timing, awaitable: Awaitable[Any]) -> Any:
    """Await what has been timed since its call."""
    try:
        return await awaitable
    finally:
        timing.__exit__(None, None, None)
