"""What one route would gain by changes to it, all from one reading of what is kept and counted of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import msgspec

from perfkit.core.findings import Effect
from perfkit.recorder.estimate import Estimate, Moved, cached, estimated, hit_ratio
from perfkit.recorder.kept import KeptExchange, KeptSpan
from perfkit.recorder.order import Order, touches
from perfkit.recorder.whatif import seconds_after

__all__ = ["HIT_SECONDS", "Counted", "Prospects"]

HIT_SECONDS = 0.0005
"""Seconds that a response out of the cache takes, where nobody says better."""

MOST_SPANS = 6_000
"""Intervals that one estimate goes through, some tens of milliseconds of them; the newest exchanges that have so many
are enough for it, as it needs a few dozen."""

LEAST_EXCHANGES = 20
"""Exchanges that are looked at however many spans they have."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """The requests of one route within a time.

    Attributes:
        boundaries, counts: Their histogram, seconds.
        total: Its sum, seconds.
        duration: Seconds that it is of.
    """

    boundaries: Sequence[float]
    counts: Sequence[float]
    total: float = 0.0
    duration: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return sum(self.counts) / self.duration if self.duration > 0.0 else 0.0


class Prospects:
    """One route as it is, and as it would be.

    Attributes:
        route: Method and template.
        exchanges: What is kept of it, newest first.
        counted: All its requests.
        part: The part that these take of the time of all requests of all routes, 0-1.
    """

    def __init__(self, route: str, exchanges: Sequence[KeptExchange], counted: Counted, *, part: float = 1.0) -> None:
        """Look at *exchanges* of *route*, newest first, and at what was *counted*."""
        self.route, self.exchanges, self.counted, self.part = route, tuple(exchanges), counted, part

    @cached_property
    def _used(self) -> tuple[KeptExchange, ...]:
        """The exchanges that an estimate is made from."""
        spans = 0
        for at, kept in enumerate(self.exchanges):
            spans += sum(len(row.intervals) for row in kept.spans)
            if spans > MOST_SPANS and at >= LEAST_EXCHANGES:
                return self.exchanges[:at]
        return self.exchanges

    @cached_property
    def _order(self) -> Order:
        return Order.of(self._used)

    @cached_property
    def size(self) -> int:
        """The intervals that one estimate goes through."""
        return sum(len(row.intervals) for kept in self._used for row in kept.spans)

    @cached_property
    def _kinds(self) -> tuple[KeptSpan, ...]:
        """One span of each kind, name, variant and site."""
        rows = (row for kept in self._used for row in kept.spans)
        return tuple({(row.kind, row.name, row.variant, row.site): row for row in rows}.values())

    def touched(self, effect: Effect) -> bool:
        """Return True if one of the exchanges has a span that *effect* is about."""
        return any(touches(effect, span) for span in self._kinds)

    def with_effect(self, effect: Effect, subject: str = "") -> Estimate | None:
        """Return what the route would gain by *effect*; None where nothing kept tells.

        Args:
            subject: What it is about, for people.
        """
        if effect.hit_ratio > 0.0:
            return self.cached(effect.hit_ratio)
        if not self.touched(effect):
            return None
        moved = [Moved(kept.seconds, seconds_after(kept, effect, self._order)) for kept in self._used]
        counted = self.counted
        about = subject or effect.site or effect.name
        return estimated(self.route, about, moved, counted.boundaries, counted.counts, counted.total, rate=counted.rate)

    def cached(self, ratio: float, *, hit_seconds: float = HIT_SECONDS, subject: str = "") -> Estimate | None:
        """Return what the route would gain if a cache answered *ratio* (0-1) of its requests in *hit_seconds*.

        None with too few requests.
        """
        counted = self.counted
        return cached(
            self.route,
            ratio,
            hit_seconds,
            counted.boundaries,
            counted.counts,
            counted.total,
            rate=counted.rate,
            subject=subject,
        )

    def hit_ratio(self, ttl: float, *, urls: int = 1, repeat_ratio: float = 1.0) -> float:
        """Return the part of its requests that a cache of *ttl* seconds would answer, 0-1."""
        return hit_ratio(self.counted.rate, ttl, urls=urls, repeat_ratio=repeat_ratio)
