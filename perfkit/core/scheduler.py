"""One thread that calls every job once a period: no drift, survives exceptions, starts again after a fork.

The next run is planned from the planned time of the last one, not from its end. A job that took longer than its period
skips the missed runs instead of catching up.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from perfkit.core.clock import Clock, SystemClock
from perfkit.core.errors import ErrorLog

__all__ = ["Job", "Scheduler"]

STOP_TIMEOUT = 5.0
"""Seconds that `stop` waits for a running job."""


class Job:
    """One function that the scheduler calls.

    Attributes:
        name: For logs and errors.
        run: Called with the monotonic seconds of now.
        period: Seconds between two planned runs.
        due: Monotonic seconds of the next planned run.
        at_end: Called when the scheduler stops; None for nothing.
    """

    __slots__ = ("at_end", "due", "name", "period", "run")

    def __init__(
        self,
        name: str,
        run: Callable[[float], object],
        period: float,
        due: float,
        at_end: Callable[[], object] | None = None,
    ) -> None:
        """Plan *run* every *period* seconds, first at *due*."""
        self.name, self.run, self.period, self.due, self.at_end = name, run, period, due, at_end


class Scheduler:
    """The one background thread of a system. Thread-safe; nothing runs before `start`."""

    def __init__(
        self, *, clock: Clock | None = None, errors: ErrorLog | None = None, name: str = "perfkit-scheduler"
    ) -> None:
        """Take the time from *clock* and report failing jobs to *errors*."""
        self._clock: Clock = clock or SystemClock()
        self._errors = errors or ErrorLog(clock=self._clock)
        self._name = name
        self._jobs: list[Job] = []
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def _own_lock(self) -> threading.Lock:
        """Return the lock of this process: one inherited by a fork may be held by a thread that is not here."""
        if self._pid != os.getpid():
            self._reset()
        return self._lock

    @property
    def is_running(self) -> bool:
        """True while the thread of this very process is alive."""
        thread = self._thread
        return thread is not None and self._pid == os.getpid() and thread.is_alive()

    def every(
        self, period: float, run: Callable[[float], object], *, name: str, at_end: Callable[[], object] | None = None
    ) -> Job:
        """Call *run* with the monotonic seconds each *period* seconds from one period on, and *at_end* in `stop`."""
        job = Job(name, run, period, self._clock.monotonic() + period, at_end)
        with self._own_lock():
            self._jobs.append(job)
        self._wake.set()
        return job

    def cancel(self, job: Job) -> None:
        """Do not call *job* again; harmless if it is not planned."""
        with self._own_lock():
            if job in self._jobs:
                self._jobs.remove(job)

    def jobs(self) -> tuple[Job, ...]:
        """Return what is planned."""
        with self._own_lock():
            return tuple(self._jobs)

    def start(self) -> None:
        """Start the thread; harmless if it runs. In a forked child it starts one of the child's own."""
        with self._own_lock():
            if self.is_running:
                return
            now = self._clock.monotonic()
            for job in self._jobs:
                job.due = now + job.period
            self._wake = threading.Event()
            self._stopping = threading.Event()
            self._thread = threading.Thread(target=self._loop, args=(self._stopping,), name=self._name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it, at most 5 s; harmless if it does not run."""
        thread = self._thread
        if not self.is_running or thread is None:
            return
        self._stopping.set()
        self._wake.set()
        if thread is not threading.current_thread():
            thread.join(STOP_TIMEOUT)
        self._thread = None
        for job in self.jobs():
            if job.at_end is not None:
                with self._errors.guarded("scheduler", f"the job {job.name!r} could not be ended"):
                    job.at_end()

    def run_due(self) -> float:
        """Run all jobs that are due; return the seconds until the next is. The thread does only this, for ever."""
        now = self._clock.monotonic()
        with self._lock:
            due = [job for job in self._jobs if job.due <= now]
        for job in due:
            self._run(job)
        now = self._clock.monotonic()
        with self._lock:
            return max(0.0, min((job.due for job in self._jobs), default=now + 1.0) - now)

    def _run(self, job: Job) -> None:
        with self._errors.guarded("scheduler", f"the job {job.name!r} failed"):
            job.run(self._clock.monotonic())
        now = self._clock.monotonic()
        job.due += job.period
        if job.due <= now:
            job.due += job.period * (int((now - job.due) / job.period) + 1)

    def _loop(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            wait = self.run_due()
            self._wake.wait(min(wait, 1.0))
            self._wake.clear()
