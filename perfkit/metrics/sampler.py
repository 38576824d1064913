"""Callback gauges: once a second each worker asks every callback for its value, in a thread of its own.

A callback that raises leaves its gauge without a value and the others alone. One that hangs is left to itself: its
thread is given up, another goes on with the rest, and it is not called again before it has returned.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from perfkit.core import shells
from perfkit.core.errors import ErrorLog

__all__ = ["MAX_THREADS", "PATIENCE", "GaugeSampler"]

PATIENCE = 2.0
"""Seconds after which a callback counts as hanging."""

MAX_THREADS = 16
"""Threads that hanging callbacks may hold; beyond that nothing is sampled until one returns."""


class _Callback:
    """One function and where its results go."""

    __slots__ = ("function", "is_running", "name", "take", "unset")

    def __init__(
        self, name: str, function: Callable[[], Any], take: Callable[[Any], None], unset: Callable[[], None]
    ) -> None:
        self.name, self.function, self.take, self.unset = name, function, take, unset
        self.is_running = False


class _Sampling:
    """One thread that asks callbacks."""

    def __init__(self, errors: ErrorLog) -> None:
        self.rounds: SimpleQueue[list[_Callback] | None] = SimpleQueue()
        self.idle = threading.Event()
        self.idle.set()
        self.current: _Callback | None = None
        self.since = 0.0
        self.is_given_up = False
        self._errors = errors
        self.thread = threading.Thread(target=self._run, name="perfkit-gauges", daemon=True)
        self.thread.start()

    def begin(self, callbacks: list[_Callback]) -> None:
        self.idle.clear()
        self.rounds.put(callbacks)

    def _run(self) -> None:
        while (callbacks := self.rounds.get()) is not None:
            for callback in callbacks:
                if self.is_given_up:
                    return
                self._ask(callback)
            self.idle.set()

    def _ask(self, callback: _Callback) -> None:
        self.current, callback.is_running = callback, True
        try:
            result = shells.call(callback.function)
            if not self.is_given_up:
                callback.take(result)
        except Exception as error:  # noqa: BLE001 - the boundary: a user's callback must not stop the others
            with self._errors.guarded("metrics", f"the gauge {callback.name!r} could not be unset"):
                callback.unset()
            self._errors.report("metrics", error, doing=f"the callback of the gauge {callback.name!r} failed")
        finally:
            callback.is_running = False
            self.current = None


class GaugeSampler:
    """The callbacks of one collector. Thread-safe; nothing runs before the first `tick` with a callback."""

    def __init__(self, errors: ErrorLog) -> None:
        """Report failing callbacks to *errors*."""
        self._errors = errors
        self._callbacks: dict[str, _Callback] = {}
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._sampling: _Sampling | None = None
        self._given_up: list[_Sampling] = []
        self._seen: tuple[_Callback | None, float] = (None, 0.0)

    def add(
        self, name: str, function: Callable[[], Any], take: Callable[[Any], None], unset: Callable[[], None]
    ) -> None:
        """Ask *function* from now on, in place of another one of that *name*.

        Args:
            take: Called with each result.
            unset: Called where there is none.
        """
        self._callbacks[name] = _Callback(name, function, take, unset)

    def tick(self, now: float) -> None:
        """Ask all callbacks, without waiting for them, at *now* monotonic seconds."""
        if not self._callbacks:
            return
        if self._pid != os.getpid():
            self._reset()
            for callback in list(self._callbacks.values()):
                callback.is_running = False
        with self._lock:
            self._look_after(now)
            due = [callback for callback in list(self._callbacks.values()) if not callback.is_running]
            if due and (self._sampling is None or self._sampling.idle.is_set()):
                self._sampling = self._sampling or self._new()
                if self._sampling is not None:
                    self._sampling.begin(due)

    def wait(self, seconds: float) -> bool:
        """Wait at most *seconds* until all were asked; return whether they were."""
        sampling = self._sampling
        return sampling is None or sampling.idle.wait(seconds)

    def stop(self) -> None:
        """End the threads that are not hanging; the next `tick` makes a new one."""
        with self._lock:
            if self._sampling is not None and self._pid == os.getpid():
                self._sampling.is_given_up = True
                self._sampling.rounds.put(None)
            self._sampling = None

    def _new(self) -> _Sampling | None:
        if len(self._given_up) < MAX_THREADS:
            return _Sampling(self._errors)
        self._errors.warn(
            "metrics",
            "callbacks_hang",
            f"{MAX_THREADS} callbacks of gauges hang; no gauge is sampled until one returns",
        )
        return None

    def _look_after(self, now: float) -> None:
        """Give up the thread whose callback hangs. The caller holds the lock."""
        self._given_up = [sampling for sampling in self._given_up if sampling.thread.is_alive()]
        sampling = self._sampling
        current = None if sampling is None or sampling.idle.is_set() else sampling.current
        if current is None or current is not self._seen[0]:
            self._seen = (current, now)
        elif now - self._seen[1] >= PATIENCE and sampling is not None:
            sampling.is_given_up = True
            self._given_up.append(sampling)
            self._sampling, self._seen = None, (None, now)
            with self._errors.guarded("metrics", f"the gauge {current.name!r} could not be unset"):
                current.unset()
            self._errors.warn(
                "metrics",
                "callback_hangs",
                f"the callback of the gauge {current.name!r} hangs; it is not called again before it returns",
            )
