"""How long an exchange would have taken if some of its spans were shorter or gone. Pure.

What is saved is what lay on the critical path, the longest chain of work that had to be done one after another (Kelley
and Walker, "Critical-path planning and scheduling", 1959): a span that ran beside a longer one saves nothing. The spans
are gone through by their start, and each is placed anew, in one of three ways:

- It waits for all that had ended before it began and that it was never seen beside (`Order`); the pause after the last
  of these is the app's own work, and stays. That is the rule.
- It began as soon as one ended that it is not waiting for: then it waited for a place, a thread or a connection of a
  pool. It gets the first place that is free, of as many as were taken when it began (list scheduling, Graham, "Bounds
  on multiprocessing timing anomalies", 1969).
- It is one of many alike that ran in several tasks: then it goes on where one of them has ended last (interval
  partitioning, as in Kleinberg and Tardos, "Algorithm Design", 2005, section 4.1, by latest end).
"""

from __future__ import annotations

from bisect import insort
from heapq import heappop, heappush
from typing import NamedTuple

from perfkit.core.findings import Effect
from perfkit.recorder.kept import KeptExchange
from perfkit.recorder.order import JITTER, Key, Order, Piece, is_thinned, pieces_of

__all__ = ["seconds_after"]

HANDOVER = 1e-3
"""Seconds from the end of one span to the start of the next within which a place is handed over."""


def seconds_after(kept: KeptExchange, effect: Effect, order: Order) -> float:
    """Return the seconds that *kept* would have taken with *effect*; no more than it took.

    Args:
        order: What is known of the spans of its route.
    """
    pieces = pieces_of(kept, effect)
    saved = sum(piece.saved for piece in pieces)
    if saved <= 0.0:
        return kept.seconds
    shortest = max(0.0, kept.seconds - saved)
    if is_thinned(kept) and sum(piece.end - piece.start for piece in pieces) <= kept.seconds:
        # Of very many spans neighbours stand together and seem to overlap; these would have had room one by one.
        return shortest
    plan = _Plan(order)
    for piece in pieces:
        plan.place(piece)
    return min(kept.seconds, max(shortest, kept.seconds - plan.saved))


class _Ended(NamedTuple):
    """A piece that is over: when it ended, and when it would have."""

    end: float
    moved: float
    key: Key


class _Plan:
    """The pieces of one exchange, each with the end that it would have; they are placed by their start."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._running: list[_Ended] = []
        self._last: _Ended | None = None
        # Of each key the latest end and the latest end as it would be; then all ends as they would be, sorted.
        self._ended: dict[Key, tuple[float, float]] = {}
        self._moved: list[float] = []
        self._open: list[_Ended] = []
        self._end = 0.0

    @property
    def saved(self) -> float:
        """Seconds by which the last of them would end sooner."""
        return self._end - self._moved[-1] if self._moved else 0.0

    def place(self, piece: Piece) -> None:
        self._pass(piece.start + JITTER)
        ended = _Ended(piece.end, self._start(piece) + piece.left, piece.key)
        heappush(self._running, ended)
        insort(self._moved, ended.moved)
        self._end = max(self._end, piece.end)

    def _pass(self, now: float) -> None:
        """Note what has ended until *now*."""
        while self._running and self._running[0].end <= now:
            self._last = ended = heappop(self._running)
            end, moved = self._ended.get(ended.key, (0.0, 0.0))
            self._ended[ended.key] = max(end, ended.end), max(moved, ended.moved)
            self._open.append(ended)

    def _start(self, piece: Piece) -> float:
        """Return when *piece* would begin."""
        last, met = self._last, self._order.met
        if last is None:
            return piece.start
        waited = [ends for key, ends in self._ended.items() if (key, piece.key) not in met]
        until, moved = max((end for end, _ in waited), default=0.0), max((end for _, end in waited), default=0.0)
        if (last.key, piece.key) not in met:
            self._continue(last)
            return piece.start - (until - moved)
        if piece.start - last.end <= HANDOVER:
            self._continue(last)
            places = len(self._running) + 1
            free = self._moved[-places] if places <= len(self._moved) else 0.0
            return max(moved, free) + max(0.0, piece.start - last.end)
        like = max((each for each in self._open if self._order.is_unclear(each.key, piece.key)), default=None)
        if like is not None and like.end > until:
            self._continue(like)
            return piece.start - (like.end - like.moved)
        return piece.start - (until - moved)

    def _continue(self, ended: _Ended) -> None:
        """Note that something has gone on where *ended* was: nothing else does."""
        if ended in self._open:
            self._open.remove(ended)
