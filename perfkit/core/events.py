"""Events: anyone may listen, a listener that fails never stops the others.

Sync listeners run at once in the thread that emits. Coroutine listeners run as tasks of the running loop where there
is one, else on the loop that serves the app, as what they use (connections, locks) mostly belongs to it; in an app
without a loop on the one that `perfkit.core.shells` keeps for background work.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perfkit.core.errors import ErrorLog, UnknownEventError
from perfkit.core.locks import OwnLock
from perfkit.core.loops import Loops

if TYPE_CHECKING:
    import asyncio

__all__ = ["EVENTS", "Events"]

EVENTS = ("initialized", "started", "stopped", "alert", "metric_recorded", "blocked_loop", "stuck_request")
"""The names of all events."""

Listener = Callable[..., Any]


class Events:
    """The listeners of one system. Thread-safe; `emit` costs one dictionary look-up while nobody listens."""

    __slots__ = ("_errors", "_listeners", "_lock", "_loops", "_tasks", "_watchers")

    def __init__(self, errors: ErrorLog | None = None, loops: Loops | None = None) -> None:
        """Report failing listeners to *errors*; run coroutines on the newest of *loops* where no loop runs."""
        self._errors = errors or ErrorLog()
        self._loops = loops or Loops(self._errors)
        self._lock = OwnLock()
        self._listeners: dict[str, tuple[Listener, ...]] = dict.fromkeys(EVENTS, ())
        self._tasks: set[asyncio.Future[Any]] = set()
        self._watchers: dict[str, tuple[Callable[[bool], object], ...]] = {}

    def on(self, event: str, listener: Listener) -> Listener:
        """Call *listener* (a function or a coroutine function) at each *event*; return it.

        Raises:
            UnknownEventError: There is no such event.
        """
        self._check(event)
        with self._lock:
            self._listeners[event] = (*self._listeners[event], listener)
            self._tell(event)
        return listener

    def off(self, event: str, listener: Listener) -> bool:
        """Stop calling *listener*; return True if it was listening.

        Raises:
            UnknownEventError: There is no such event.
        """
        self._check(event)
        with self._lock:
            before = self._listeners[event]
            if listener not in before:
                return False
            index = before.index(listener)
            self._listeners[event] = before[:index] + before[index + 1 :]
            self._tell(event)
        return True

    def watch(self, event: str, on_change: Callable[[bool], object]) -> None:
        """Call *on_change* now and whenever listeners come or go: True if anyone listens to *event*, and quick.

        For who would otherwise have to ask at each of very many occasions.

        Raises:
            UnknownEventError: There is no such event.
        """
        self._check(event)
        with self._lock:
            self._watchers[event] = (*self._watchers.get(event, ()), on_change)
            on_change(bool(self._listeners[event]))

    def has_listeners(self, event: str) -> bool:
        """Return True if anyone listens to *event*, so that its payload is worth building."""
        return bool(self._listeners.get(event))

    def emit(self, event: str, *payload: Any) -> None:
        """Tell all listeners of *event*, in the order in which they came.

        Raises:
            UnknownEventError: There is no such event.
        """
        self._check(event)
        for listener in self._listeners[event]:
            try:
                result = listener(*payload)
                if inspect.isawaitable(result):
                    self._run(event, result)
            except Exception as error:  # noqa: BLE001 - a listener's failure must not stop the others
                self._errors.report("events", error, doing=f"a listener of {event!r} failed")

    def _tell(self, event: str) -> None:
        """Tell who watches whether anyone listens. The caller holds the lock, so that the last word is the truth."""
        for on_change in self._watchers.get(event, ()):
            on_change(bool(self._listeners[event]))

    def _run(self, event: str, awaitable: Any) -> None:
        import asyncio

        from perfkit.core import shells

        async def guarded() -> None:
            with self._errors.guarded("events", f"a listener of {event!r} failed"):
                await awaitable

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            served = next((found for each in self._loops.alive() if (found := each.loop) and found.is_running()), None)
            if served is None:
                shells.submit(guarded())
            else:
                served.call_soon_threadsafe(lambda: self._keep(served.create_task(guarded())))
            return
        self._keep(loop.create_task(guarded()))

    def _keep(self, task: asyncio.Task[Any]) -> None:
        """Hold *task* until it has ended; the loop itself holds it weakly only."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check(self, event: str) -> None:
        if event not in self._listeners:
            near = difflib.get_close_matches(event, EVENTS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownEventError(
                f"There is no event {event!r}. The events are {', '.join(EVENTS)}.{hint} "
                "Use one of these names with on() and off()."
            )
