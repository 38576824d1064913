"""How long an exchange would have taken without some of its spans. Pure.

What is saved is what lay on the critical path, the longest chain of work that had to be done one after another (Kelley
and Walker, "Critical-path planning and scheduling", 1959): a span that ran beside a longer one saves nothing. An
exchange says when its spans ran, not which task ran them, so the tasks are found by their times. Spans that overlap
make a block; within it each span goes on where another one has just ended, the one that ended last, else it is a task
of its own (interval partitioning, as in Kleinberg and Tardos, "Algorithm Design", 2005, section 4.1, by latest end).
Without some spans each task is shorter by their seconds, and the block lasts as long as its longest task. The pauses
between spans are the app's own work and stay.

A span of Python code, a template or a cache's loader that encloses others is no task beside them; they are a part of
it. Queries and calls enclose nothing: what runs within their time runs beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from perfkit.recorder.kept import KeptExchange, KeptSpan

__all__ = ["seconds_without"]

ENCLOSING = frozenset({"python", "template", "cache"})
"""Kinds whose spans may enclose others."""

JITTER = 20e-6
"""Seconds by which a span may seem to begin before the one that it waited for has ended."""


class _Piece(NamedTuple):
    """One interval: when it ran, and whether it is left out."""

    start: float
    end: float
    is_gone: bool
    kind: str


def seconds_without(kept: KeptExchange, is_gone: Callable[[KeptSpan], bool], *, calls: int = 0) -> float:
    """Return the seconds that *kept* would have taken without the spans for which *is_gone* is true.

    Args:
        calls: So many of them stay in each exchange, the first ones: 1 where one query takes the place of many.
    """
    pieces = _pieces(kept, is_gone, calls)
    saved = sum(_saved(block) for block in _blocks(pieces))
    return max(0.0, kept.seconds - saved)


def _pieces(kept: KeptExchange, is_gone: Callable[[KeptSpan], bool], calls: int) -> list[_Piece]:
    """Return the intervals that are tasks of their own or parts of one, by their start."""
    end = kept.seconds
    meant = sorted((*each, row.kind) for row in kept.spans if is_gone(row) for each in row.intervals)
    found = [_piece(start, took, end, order >= calls, kind) for order, (start, took, kind) in enumerate(meant)]
    left = [piece for piece in found if piece.is_gone and piece.kind in ENCLOSING]
    for row in kept.spans:
        if not is_gone(row):
            others = (_piece(start, took, end, False, row.kind) for start, took in row.intervals)
            # What a loader does goes with it.
            found += [piece for piece in others if not any(_encloses(each, piece) for each in left)]
    found.sort()
    return [piece for at, piece in enumerate(found) if not _is_frame(piece, found, at)]


def _piece(start: float, seconds: float, end: float, is_gone: bool, kind: str) -> _Piece:
    """Return an interval, cut at the end of its exchange: what went on then kept nobody waiting."""
    return _Piece(min(start, end), min(start + seconds, end), is_gone, kind)


def _is_frame(piece: _Piece, found: list[_Piece], at: int) -> bool:
    """Return True for a span that stays and encloses others: they stand for it."""
    if piece.is_gone or piece.kind not in ENCLOSING:
        return False
    for other in found[at + 1 :]:
        if other.start > piece.end:
            break
        if _encloses(piece, other):
            return True
    return False


def _encloses(outer: _Piece, inner: _Piece) -> bool:
    return outer.start - JITTER <= inner.start and inner.end <= outer.end + JITTER


def _blocks(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """Yield the pieces that overlap, directly or by others between."""
    block: list[_Piece] = []
    until = float("-inf")
    for piece in pieces:
        if block and piece.start >= until - JITTER:
            yield block
            block = []
        block.append(piece)
        until = max(until, piece.end) if len(block) > 1 else piece.end
    if block:
        yield block


def _saved(block: list[_Piece]) -> float:
    """Return the seconds that *block* is shorter without what is gone."""
    if not any(piece.is_gone for piece in block):
        return 0.0
    begin, end = block[0].start, max(piece.end for piece in block)
    tasks: list[tuple[float, float]] = []
    # Of each task: when its last span ended, and when that would have been without what is gone.
    for piece in block:
        after = [at for at, (last, _) in enumerate(tasks) if last <= piece.start + JITTER]
        took = 0.0 if piece.is_gone else piece.end - piece.start
        if after:
            at = max(after, key=lambda each: tasks[each][0])
            last, moved = tasks[at]
            tasks[at] = (piece.end, moved + max(0.0, piece.start - last) + took)
        else:
            tasks.append((piece.end, piece.start + took))
    return max(0.0, end - max([begin, *(moved for _, moved in tasks)]))
