"""One time that an event loop was late, and which single call, if any, was to blame. Pure: samples in, verdict out.

What blocks a loop begins somewhere between the last moment at which it was known to be fine and the one at which it was
found at work, so the begin is taken to be in the middle: right within half of that time. The samples tell one
call from many short ones after another, which make a loop late too but are not what is looked for here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from types import CodeType
from typing import Any, NamedTuple

from perfkit.core.code.places import Place, is_users, place_of
from perfkit.performance.blocking.frames import runs_loop

__all__ = ["Culprit", "Sample", "Stall"]

TOLERANCE = 0.87
"""Part of the threshold from which a block counts: so that, with what is not known of its begin, the ones 10 % longer
than the threshold are all found, and those of two thirds of it never."""

EVIDENT = 0.5
"""Part of the threshold for which the watchdog must have been awake, or of the block that went into CPU."""

Frames = tuple[tuple[CodeType, int], ...]


class Sample(NamedTuple):
    """One look at the thread of a loop.

    Attributes:
        at: Monotonic seconds.
        root: What the loop is running: equal as long as it is the same call; None while it runs nothing.
        frames: Code and line, innermost first.
        task: Name of the running task; empty in a plain callback.
        exchange: The request that it serves, or None.
    """

    at: float
    root: Any
    frames: Frames
    task: str = ""
    exchange: Any = None


class Culprit(NamedTuple):
    """The call that blocked.

    Attributes:
        seconds: For how long.
        site: The innermost place in the user's own code, None where there is none on the stack.
        blocked_in: The innermost place of all.
        stack: Innermost first.
    """

    seconds: float
    site: Place | None
    blocked_in: Place | None
    stack: tuple[Place, ...]
    task: str
    exchange: Any
    samples: int


class Stall:
    """The samples of a loop while it is late. Not thread-safe: the watchdog owns it."""

    __slots__ = ("asked_at", "began", "samples")

    def __init__(self, fine_at: float, asked_at: float) -> None:
        """Begin with a loop that was fine at *fine_at* and found at work at *asked_at* (monotonic seconds)."""
        self.asked_at = asked_at
        self.began = (fine_at + asked_at) / 2
        self.samples: list[Sample] = []

    def add(self, sample: Sample) -> None:
        """Take one more look into account."""
        self.samples.append(sample)

    def culprit(
        self,
        ended: float,
        threshold: float,
        *,
        cpu: float = 0.0,
        starved: Sequence[tuple[float, float]] = (),
        lost: Sequence[tuple[float, float]] = (),
    ) -> Culprit | None:
        """Return the longest single call until *ended*; None if none lasted *threshold* seconds.

        Args:
            ended: Monotonic seconds of the sign of life that came at last.
            threshold: Seconds from which a call counts.
            cpu: CPU seconds that the loop's thread used meanwhile.
            starved: Begins and ends of times in which the watchdog wanted to look and could not.
            lost: Those of them in which the whole process stood still; they are nobody's fault.
        """
        worst: tuple[float, float, list[Sample]] | None = None
        for begin, end, run in self._runs(ended):
            if run and run[0].root is None:
                continue
            seconds = end - begin - _overlap(begin, end, lost)
            if worst is None or seconds > worst[0]:
                worst = seconds, end - begin - _overlap(begin, end, starved), run
        if worst is None or worst[0] < TOLERANCE * threshold:
            return None
        seconds, awake, run = worst
        is_evident = cpu >= EVIDENT * seconds or (run and awake >= EVIDENT * threshold)
        return _culprit(seconds, run) if is_evident else None

    def _runs(self, ended: float) -> list[tuple[float, float, list[Sample]]]:
        """Return begin, end and samples of each call that was seen, one after the other."""
        groups: list[list[Sample]] = []
        for sample in self.samples:
            if groups and groups[-1][-1].root == sample.root:
                groups[-1].append(sample)
            else:
                groups.append([sample])
        if not groups:
            return [(self.began, ended, [])]
        edges = [self.began]
        edges += [(before[-1].at + after[0].at) / 2 for before, after in pairwise(groups)]
        edges.append(ended)
        return [(edges[i], edges[i + 1], group) for i, group in enumerate(groups)]


def _overlap(begin: float, end: float, times: Sequence[tuple[float, float]]) -> float:
    return sum(max(0.0, min(end, until) - max(begin, since)) for since, until in times)


def _culprit(seconds: float, run: list[Sample]) -> Culprit:
    """Return what the samples of *run* show most often."""
    if not run:
        return Culprit(seconds, None, None, (), "", None, 0)
    seen: Counter[Any] = Counter(_own(sample.frames) for sample in run)
    code = Counter[Any]()
    for own, count in seen.items():
        code[own and own[0]] += count
    favourite = code.most_common(1)[0][0]
    line = max((own for own in seen if (own and own[0]) == favourite), key=lambda own: seen[own])
    shown = max(
        (sample for sample in run if _own(sample.frames) == line),
        key=lambda sample: sum(other.frames == sample.frames for other in run),
    )
    exchange = next((sample.exchange for sample in reversed(run) if sample.exchange is not None), None)
    stack = tuple(place_of(*frame) for frame in shown.frames)
    site = place_of(*line) if line else None
    task = next((sample.task for sample in run if sample.task), "")
    return Culprit(seconds, site, stack[0] if stack else None, stack, task, exchange, len(run))


def _own(frames: Frames) -> tuple[CodeType, int] | None:
    """Return the innermost frame of the user's own code; not the one that started the loop, which lies beneath it."""
    for frame in frames:
        if is_users(frame[0].co_filename):
            return frame
        if runs_loop(frame[0]):
            return None
    return None
