"""Servers as WSGI has them: a few workers, a queue in front that may be bounded, pauses, crashes, silence."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["Job", "Machine"]

Answer = Callable[[float, bool], None]


class Job:
    """One request at a machine.

    Attributes:
        left: Seconds of work at normal speed.
        answer: Called with the time and whether it went well.
        turn: Raised whenever the end is planned anew.
    """

    __slots__ = ("answer", "at", "left", "turn")

    def __init__(self, work: float, answer: Answer) -> None:
        self.left, self.answer = work, answer
        self.at, self.turn = 0.0, 0


class Machine:
    """First come, first served, by *workers* at a time.

    Attributes:
        speed: Work done in a second by each worker; 0 while it pauses.
        far: Seconds that the way to it takes beside that of the others.
        queue_limit: Requests that may wait; more are refused at once.
        is_up: Refuses connections if not.
        is_silent: Takes requests and never answers.
    """

    def __init__(self, name: str, plan: Callable[..., None], *, workers: int, queue_limit: int) -> None:
        self.name, self.workers, self.queue_limit = name, workers, queue_limit
        self._plan = plan
        self.speed, self.far = 1.0, 0.0
        self.is_up, self.is_silent = True, False
        self.received = self.refused = 0
        self._running: list[Job] = []
        self._waiting: deque[Job] = deque()

    @property
    def in_flight(self) -> int:
        """Requests inside."""
        return len(self._running) + len(self._waiting)

    def take(self, now: float, job: Job) -> None:
        """Take *job*, or refuse it."""
        self.received += 1
        if self.is_silent:
            return
        if not self.is_up or len(self._waiting) >= self.queue_limit:
            self.refused += 1
            job.answer(now, False)
        elif len(self._running) < self.workers:
            self._begin(now, job)
        else:
            self._waiting.append(job)

    def change_speed(self, now: float, speed: float) -> None:
        """Work at *speed* from now on."""
        for job in self._running:
            job.left -= (now - job.at) * self.speed
            job.at = now
        self.speed = speed
        for job in self._running:
            self._expect(job)

    def lose_all(self, now: float, *, silently: bool) -> None:
        """Lose what is inside; whoever waits for it is told, or not."""
        lost = [*self._running, *self._waiting]
        self._running, self._waiting = [], deque()
        for job in lost:
            job.turn += 1
            if not silently:
                job.answer(now, False)

    def _begin(self, now: float, job: Job) -> None:
        self._running.append(job)
        job.at = now
        self._expect(job)

    def _expect(self, job: Job) -> None:
        job.turn += 1
        if self.speed > 0.0:
            self._plan(job.at + max(0.0, job.left) / self.speed, self._end, job, job.turn)

    def _end(self, now: float, job: Job, turn: int) -> None:
        if turn != job.turn:
            return
        self._running.remove(job)
        if self._waiting:
            self._begin(now, self._waiting.popleft())
        job.answer(now, True)
