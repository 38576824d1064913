"""The shadow of a cache: it watches for a while, rests for as long as that was dear, and watches other keys next time.

A window has ghosts of `KEYS` keys at the cache's own size, whatever that is; so small caches have a larger part of
their keys watched, and rest longer. The rest is measured in look-ups: by the model of costs below, watching takes
`BUDGET` of what the cache itself takes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from perfkit.cache.memory.tier import SWEEP_SLICE, Tier
from perfkit.cache.policies import POLICIES, Policy
from perfkit.cache.shadow.ghost import Ghost
from perfkit.cache.shadow.sums import Ratios, Sums
from perfkit.cache.shadow.window import LOWEST, WHOLE, Window

__all__ = ["SCALES", "Shadow"]

KEYS = 128
SCALES = (0.5, 1.0, 2.0, 4.0)
BUDGET = 0.01
"""Part of the cache's own time that watching may take. Half of what is promised, as the model below is rough."""

HIT, MISS = 0.17, 1.3
"""Microseconds that a hit, and a miss with the storing after it, take; ratios matter, not the machine."""

ARRIVAL, WATCHED, TOLD, SEEDED = 0.05, 25.0, 4.0, 0.15
"""Microseconds that an arrival, one of a watched key, a hit told, and an entry looked at to begin take besides."""

FULL = 0.9
"""Part of its bound that a cache holds to be full. One that is not yet is watched when it has stopped growing."""

FEW = 50
"""Entries below which a cache is not watched."""

GROWTH, STEADY = 1.01, 30
"""A cache that has not grown by so much has stopped growing after so many ticks."""

WARM, LONG = 5, 15
"""Arrivals for each key of the ghost of the cache's own size after which counting begins, and after which it ends."""

ROOM = 4
"""Times `KEYS` that the ghost of a cache with room may hold."""


class Shadow:
    """Watches one tier. One thread at a time ticks; what is told comes under the tier's lock.

    Attributes:
        windows: Times that it has watched to the end.
    """

    def __init__(
        self, tier: Tier, strategy: str, make: Callable[[int], Policy], *, rng: random.Random, keys: int = KEYS
    ) -> None:
        """Watch *tier*, whose *strategy* has policies by *make*; nothing happens before the first `tick`."""
        self._tier, self._rng, self._keys = tier, rng, keys
        self._strategy = strategy
        others = [name for name in ("lru", "lfu", "fifo", "adaptive") if name != strategy]
        self._plans: list[tuple[str, Callable[[int], Policy], float]] = [
            *((strategy, make, scale) for scale in SCALES),
            *((name, POLICIES[name], 1.0) for name in others),
        ]
        self._own = SCALES.index(1.0)
        self._sums: dict[str, Sums] = {}
        self._ghosts: list[Ghost] = self._make_ghosts(1)
        self._window: Window | None = None
        self._error: Exception | None = None
        self._rest_until = 0.0
        self._began_at = 0.0
        self._seeded = self._highest = self._steady = 0
        self.windows = 0

    def _make_ghosts(self, size: int) -> list[Ghost]:
        return [Ghost(name, make, scale=scale, size=round(size * scale)) for name, make, scale in self._plans]

    def _lookups(self) -> float:
        return sum(sum(space.counts[:3]) for space in list(self._tier.spaces.values()))

    def tick(self) -> None:
        """Begin a window when it is time."""
        tier = self._tier
        if tier.count > GROWTH * self._highest:
            self._highest, self._steady = tier.count, 0
        self._steady += 1
        if tier.shadow is None and tier.count >= FEW and self._lookups() >= self._rest_until:
            share = self._share()
            if share >= FULL or self._steady >= STEADY:
                self._open(share)

    def _share(self) -> float:
        """Return which part of its bound the cache holds."""
        tier = self._tier
        shares = [tier.count / tier.max_size] if tier.max_size is not None else []
        if tier.max_bytes is not None:
            shares.append(tier.bytes / tier.max_bytes)
        return max(shares, default=1.0)

    def _open(self, share: float) -> None:
        tier = self._tier
        count = tier.count
        bound = count / min(1.0, max(share, 1e-6))
        rate = min(1.0, self._keys / count, ROOM * self._keys / bound)
        size = max(1, round(bound * rate))
        width = round(WHOLE * rate)
        low = LOWEST + self._rng.randrange(int(WHOLE) - width + 1)
        self._ghosts = self._make_ghosts(size)
        window = Window(
            self._ghosts,
            size=size,
            # With room nobody leaves, and the ghosts hold at once what they would hold.
            warm_after=WARM * size if share >= FULL else 0,
            end_after=LONG * min(size, self._keys),
            low=low,
            high=low + width,
            spaces=tier.spaces,
            now=tier.now,
            on_end=self._close,
            on_error=self._fail,
        )
        self._began_at, self._seeded = self._lookups(), count
        for space in list(tier.spaces.values()):
            entries = list(space.entries.values())
            for start in range(0, len(entries), SWEEP_SLICE):
                window.seed(space, entries[start : start + SWEEP_SLICE])
        with tier.lock:
            window.begin()
            self._window = tier.shadow = window

    def _fail(self, error: Exception) -> None:
        """Watch no more; the caller holds the tier's lock, so the error is told later."""
        self._window = self._tier.shadow = None
        self._error, self._rest_until = error, math.inf

    def take_error(self) -> Exception | None:
        """Return the error that ended it, once."""
        error, self._error = self._error, None
        return error

    def _close(self, window: Window) -> None:
        """Take in what *window* found; the caller holds the tier's lock."""
        self._window = self._tier.shadow = None
        if window.is_counting:
            for sums in self._sums.values():
                sums.fade()
            self._take(window, self._sums)
            self.windows += 1
        taken = self._lookups() - self._began_at
        misses = window.watched / window.rate
        own = HIT * max(0.0, taken - misses) + MISS * misses
        watching = ARRIVAL * misses + WATCHED * window.watched + TOLD * window.told + SEEDED * self._seeded
        self._rest_until = self._lookups() + taken * max(0.0, watching / max(own, 1.0) / BUDGET - 1.0)

    def _take(self, window: Window, into: dict[str, Sums]) -> None:
        for space, tally in window.tallies.items():
            sums = into.get(space.name)
            if sums is None:
                sums = into[space.name] = Sums(len(self._plans))
            sums.add(tally, window.rate, self._own)

    def estimates(self, most: int) -> tuple[Ratios | None, dict[str, Ratios]]:
        """Return hit ratios of the whole cache and of the *most* used namespaces; None while too little is known."""
        with self._tier.lock:
            known = {name: _copy(sums) for name, sums in self._sums.items()}
            if not known and self._window is not None:
                # A first window may last long where misses are rare.
                self._take(self._window, known)
        total = Sums(len(self._plans))
        for sums in known.values():
            total.join(sums)
        if not total.is_enough:
            return None, {}
        largest = sorted((each for each in known.items() if each[1].is_enough), key=lambda each: -each[1].lookups)
        return total.ratios(self._ghosts, self._own), {
            name: sums.ratios(self._ghosts, self._own) for name, sums in largest[:most]
        }

    def after_fork(self) -> None:
        """In a forked child: begin anew."""
        self._sums, self._window = {}, None
        self._rest_until = 0.0


def _copy(sums: Sums) -> Sums:
    twin = Sums(len(sums.misses))
    twin.join(sums)
    return twin
