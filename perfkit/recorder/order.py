"""What waited for what in the exchanges of one route, learned from the times of their spans. Pure.

An exchange says when its spans ran, not which task ran them. So each is taken to wait for every other that had ended
before it began, until some exchange shows the two at the same time: then neither waits for the other (Chow, Meisner,
Flinn, Peek and Wenisch, "The Mystery Machine: End-to-end performance analysis of large-scale Internet services", OSDI
2014, section 3). Durations vary, so a few dozen exchanges tell most of what is independent; where they never vary,
or few are kept, too much is taken to wait, and an estimate promises too little.

Deviation: spans of one kind, name and site are many, and one of them beside another says nothing of the rest. What runs
beside its like is `parallel`, and with such spans two that met may still wait for each other.

A span of Python code, a template or a cache's loader that encloses others is no task beside them; they are a part of
it. Queries and calls enclose nothing: what runs within their time runs beside them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from perfkit.core.findings import Effect
from perfkit.recorder.kept import KeptExchange, KeptSpan

__all__ = ["JITTER", "Key", "Order", "Piece", "is_thinned", "pieces_of", "touches"]

Key: TypeAlias = tuple[str, str, str, str]
"""Kind, name, variant and site of a span."""

ENCLOSING = frozenset({"python", "template", "cache"})
"""Kinds whose spans may enclose others."""

JITTER = 20e-6
"""Seconds by which a span may seem to begin before the one that it waited for has ended."""


class Piece(NamedTuple):
    """One interval: when it ran, the seconds that it would take, and of which spans it is."""

    start: float
    end: float
    left: float
    key: Key

    @property
    def saved(self) -> float:
        """Seconds by which it would be shorter."""
        return self.end - self.start - self.left


class Order(NamedTuple):
    """What is known of the spans of one route.

    Attributes:
        met: Pairs of keys, both ways, that ran at the same time in some exchange.
        parallel: Keys of which several ran at the same time.
    """

    met: frozenset[tuple[Key, Key]]
    parallel: frozenset[Key]

    @classmethod
    def of(cls, exchanges: Iterable[KeptExchange]) -> Order:
        """Learn from *exchanges*."""
        met: set[tuple[Key, Key]] = set()
        for kept in exchanges:
            if not is_thinned(kept):
                _meet(pieces_of(kept), met)
        return cls(frozenset(met), frozenset(one for one, other in met if one == other))

    def is_unclear(self, one: Key, other: Key) -> bool:
        """Return True where two met, and may wait for each other all the same."""
        return (one, other) in self.met and (one in self.parallel or other in self.parallel)


def _meet(pieces: list[Piece], met: set[tuple[Key, Key]]) -> None:
    running: list[Piece] = []
    for piece in pieces:
        running = [each for each in running if each.end > piece.start + JITTER]
        for each in running:
            met.add((each.key, piece.key))
            met.add((piece.key, each.key))
        if piece.end > piece.start:
            running.append(piece)


def is_thinned(kept: KeptExchange) -> bool:
    """Return True where intervals of neighbours stand together: these do not tell what ran beside what."""
    return any(len(row.intervals) < row.count for row in kept.spans)


def touches(effect: Effect, span: KeptSpan) -> bool:
    """Return True if *span* is one of those that *effect* is about.

    The call site of a statement is not looked for each time, so one of its shape without may be from there. A host is
    that of calls by any method.
    """
    return (
        effect.kind in ("", span.kind)
        and (effect.name in ("", span.name) or (span.kind == "outbound" and _host(span) == effect.name))
        and effect.variant in ("", span.variant)
        and (effect.site in ("", span.site) or (not span.site and bool(effect.variant)))
    )


def _host(span: KeptSpan) -> str:
    return span.name.partition(" ")[2]


def pieces_of(kept: KeptExchange, effect: Effect | None = None) -> list[Piece]:
    """Return the intervals of *kept* that are tasks of their own or parts of one, by their start.

    Args:
        effect: What shortens some of them; what a span that goes encloses goes with it.
    """
    end = kept.seconds
    meant = [] if effect is None else [row for row in kept.spans if touches(effect, row)]
    found = [] if effect is None else _shortened(meant, effect, end)
    left = [piece for piece in found if piece.saved > 0.0 and piece.key[0] in ENCLOSING]
    for row in kept.spans:
        if not any(row is each for each in meant):
            others = (_piece(row, start, took, end) for start, took in row.intervals)
            found += [piece for piece in others if not any(_encloses(each, piece) for each in left)]
    found.sort()
    return [piece for at, piece in enumerate(found) if not _is_frame(piece, found, at)]


def _shortened(rows: list[KeptSpan], effect: Effect, end: float) -> list[Piece]:
    found = sorted(_piece(row, start, took, end) for row in rows for start, took in row.intervals)
    first = max(effect.stays, 0 if effect.most is None else len(found) - effect.most)
    return [piece if at < first else piece._replace(left=piece.left * effect.left) for at, piece in enumerate(found)]


def _piece(row: KeptSpan, start: float, seconds: float, end: float) -> Piece:
    """Return an interval, cut at the end of its exchange: what went on then kept nobody waiting."""
    start, stop = min(start, end), min(start + seconds, end)
    return Piece(start, stop, stop - start, (row.kind, row.name, row.variant, row.site))


def _is_frame(piece: Piece, found: list[Piece], at: int) -> bool:
    """Return True for a span that stays as it is and encloses others: they stand for it."""
    if piece.saved > 0.0 or piece.key[0] not in ENCLOSING:
        return False
    for other in found[at + 1 :]:
        if other.start > piece.end:
            break
        if _encloses(piece, other):
            return True
    return False


def _encloses(outer: Piece, inner: Piece) -> bool:
    return outer.start - JITTER <= inner.start and inner.end <= outer.end + JITTER
