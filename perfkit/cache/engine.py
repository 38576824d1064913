"""What all namespaces of one cache share: the tier, the loads under way, how values are kept, time and chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from perfkit.cache.arguments import FOR_EVER, checked_key, seconds, tag_names
from perfkit.cache.entry import FOREVER, MISSING, Entry
from perfkit.cache.invalidation.relay import Relay
from perfkit.cache.loads.flight import Flight, Flights
from perfkit.cache.loads.refreshes import Refreshes
from perfkit.cache.loads.watch import Watch
from perfkit.cache.memory.space import Space
from perfkit.cache.memory.tags import Stamps
from perfkit.cache.memory.tier import Tier
from perfkit.cache.numbers import Numbers
from perfkit.cache.values.numbers import number
from perfkit.cache.values.packing import Packed, Packing
from perfkit.core.clock import Clock
from perfkit.core.errors import ErrorLog

if TYPE_CHECKING:
    from perfkit.cache.remote.shared import SharedSpace

__all__ = ["UNSET", "Engine"]

UNSET: Any = MISSING
"""Stands for an argument that was not given, where None means something."""


class Engine:
    """The shared insides of a cache. Namespaces are thin over it.

    Attributes:
        now: Monotonic seconds.
        last_tags: A tuple of tags that was looked through and may come again.
        default_ttl: Seconds that a value is fresh if its call does not say; None for ever.
        jitter: Part of a time to live that is cut off at random.
        is_bare: Values are kept as they are and their sizes are of no interest.
        wait: Seconds that a caller waits for another one's load of the same key.
        shared: Returns the part that the second tier has in a namespace, or None.
        local_limit: Returns the seconds that a value which the second tier has too is kept here at most.
    """

    def __init__(
        self,
        tier: Tier,
        packing: Packing,
        numbers: Numbers,
        *,
        clock: Clock,
        rng: random.Random,
        errors: ErrorLog,
        default_ttl: float | None,
        jitter: float,
        wait: float,
        sizeof: Callable[[Any], int] | None,
    ) -> None:
        """Join the parts."""
        self.tier, self.packing, self.numbers, self.errors = tier, packing, numbers, errors
        self.flights = Flights(tier)
        self.relay = Relay(tier, self.flights)
        self.refreshes = Refreshes()
        self.now, self.rng = clock.monotonic, rng
        self.wait = wait
        self.last_tags: tuple[str, ...] = ()
        self.default_ttl, self.jitter, self._sizeof = default_ttl, jitter, sizeof
        self.shared: Callable[[Space], SharedSpace | None] = _alone
        self.local_limit: Callable[[], float] = _unlimited
        self.is_bare = packing.is_bare and sizeof is None

    def fresh_until(self, ttl: Any) -> float | None:
        """Return the moment until which a value stored now is fresh; None if it never is.

        Raises:
            CacheError: *ttl* is negative or not a number.
        """
        if ttl is UNSET:
            ttl = self.default_ttl
        if ttl is None:
            return FOREVER
        ttl = seconds("ttl", ttl, FOR_EVER)
        if ttl == 0.0:
            return None
        if self.jitter:
            ttl *= 1.0 - self.jitter * self.rng.random()
        return FOREVER if ttl == FOREVER else self.now() + ttl

    def seconds_fresh(self, ttl: Any) -> float | None:
        """Return the seconds for which a value stored now is fresh, infinite for ever; None if it never is.

        Raises:
            CacheError: *ttl* is negative or not a number.
        """
        fresh_until = self.fresh_until(ttl)
        return None if fresh_until is None else fresh_until - self.now()

    def begin_change(self, space: Space, key: Any) -> Watch:
        """Drop *key* here before it is changed on the second tier; whatever is under way for it will not be kept."""
        with self.tier.lock:
            self.flights.fence(space, key)
            self.tier.take(space, key)
        return self.flights.watch(space, key)

    def changed(self, watch: Watch) -> None:
        """Say that the second tier was asked for the change: what was fetched there meanwhile may be the old value.

        Comes before the new value is kept here, as an old one must not be kept over it.
        """
        with self.tier.lock:
            self.flights.fence(watch.space, watch.key, but=watch)
            if not watch.is_fenced:
                self.tier.take(watch.space, watch.key)

    def end_change(self, watch: Watch) -> None:
        """End a change. If another one came between, nobody here knows which was last on the second tier."""
        self.flights.unwatch(watch)
        with self.tier.lock:
            if watch.is_fenced:
                self.flights.fence(watch.space, watch.key)
                self.tier.take(watch.space, watch.key)

    def keep(
        self,
        watch: Watch,
        value: Any,
        fresh_for: float,
        keep_stale: float,
        tags: tuple[str, ...],
        cost: float,
    ) -> None:
        """Keep what the second tier has, unless something made it out of date since *watch* began."""
        kept, size = self.pack(value)
        tier = self.tier
        tier.settle()
        with tier.lock:
            if watch.is_valid(has_tags=bool(tags)):
                fresh_until = watch.began + fresh_for
                stamps = tier.tags.stamp(tags)
                tier.put(watch.space, watch.key, kept, size, fresh_until, fresh_until + keep_stale, stamps, cost)

    def _tags_of(self, tags: Iterable[str]) -> tuple[str, ...]:
        """Return *tags* as a tuple that was looked through, and know it again where a program has written it once."""
        names = tag_names(tags) if tags else ()
        if names is tags:
            self.last_tags = names
        return names

    def pack(self, value: Any) -> tuple[Any, int]:
        """Return what is kept of *value* and how many bytes it counts for."""
        kept, size = self.packing.pack(value)
        if self._sizeof is not None and not isinstance(kept, Packed):
            size = self._sizeof(value)
        return kept, size

    def value(self, entry: Entry) -> Any:
        """Return the value of *entry* as the user gave it."""
        value = entry.value
        return self.packing.unpack(value) if value.__class__ is Packed else value

    def store(
        self,
        space: Space,
        key: Any,
        value: Any,
        ttl: Any,
        tags: Iterable[str],
        sliding: bool = False,
        *,
        if_absent: bool = False,
    ) -> bool:
        """Store *value* now; loads of the key that are under way will not be stored."""
        checked_key(key)
        names = tags if tags is self.last_tags else self._tags_of(tags)
        kept, size = (value, 0) if self.is_bare else self.pack(value)
        fresh_until = self.fresh_until(ttl)
        tier = self.tier
        tier.settle()
        with tier.lock:
            if if_absent and self.fresh(space, key) is not None:
                return False
            if self.flights:
                self.flights.fence(space, key)
            if fresh_until is None:
                tier.take(space, key)
                return False
            stamps = tier.tags.stamp(names) if names else ()
            slide = fresh_until - self.now() if sliding and fresh_until is not FOREVER else 0.0
            return tier.put(space, key, kept, size, fresh_until, fresh_until, stamps, 0.0, slide)

    def fresh(self, space: Space, key: Any) -> Entry | None:
        """Return the entry of *key* if it is fresh. The caller holds the lock and has settled."""
        entry = space.entries.get(key)
        if entry is None or entry.fresh_until <= self.now() or not self.tier.is_intact(entry):
            return None
        return entry

    def holds(self, space: Space, key: Any) -> bool:
        """Return whether *key* has a fresh value here; not counted as a look-up."""
        checked_key(key)
        tier = self.tier
        tier.settle()
        with tier.lock:
            return self.fresh(space, key) is not None

    def touch(self, space: Space, key: Any, ttl: Any) -> bool:
        """Give *key* a new time to live from now; return False if it is not here."""
        checked_key(key)
        tier, fresh_until = self.tier, self.fresh_until(ttl)
        tier.settle()
        with tier.lock:
            entry = self.fresh(space, key)
            if entry is None:
                return False
            if fresh_until is None:
                tier.take(space, key)
            else:
                stale = 0.0 if entry.expires is FOREVER else entry.expires - entry.fresh_until
                tier.postpone(entry, fresh_until, FOREVER if fresh_until is FOREVER else fresh_until + stale)
        return True

    def increment(self, space: Space, key: Any, amount: float, initial: float | None, ttl: Any) -> Any:
        """Add *amount* to the number of *key* here and return the sum."""
        tier, fresh_until = self.tier, self.fresh_until(ttl)
        tier.settle()
        with tier.lock:
            self.flights.fence(space, key)
            entry = self.fresh(space, key)
            value = initial if entry is None else self.value(entry)
            value = number(key, value) + amount
            kept, size = self.pack(value)
            if entry is not None:
                entry.value = kept
                entry.hits += 1
            elif fresh_until is not None:
                tier.put(space, key, kept, size=size, fresh_until=fresh_until, expires=fresh_until)
        return value

    def store_loaded(
        self, flight: Flight, value: Any, *, ttl: Any, keep_stale: float, cost: float, sliding: bool
    ) -> None:
        """Store what *flight* loaded, unless something made it out of date meanwhile."""
        kept, size = self.pack(value)
        fresh_until = self.fresh_until(ttl)
        limit = self.local_limit()
        if fresh_until is not None and limit is not FOREVER:
            fresh_until = None if limit <= 0.0 else min(fresh_until, self.now() + limit)
            keep_stale, sliding = min(keep_stale, limit), False
        tier = self.tier
        tier.settle()
        with tier.lock:
            if fresh_until is None or not flight.is_valid:
                return
            stamps: Stamps = flight.stamps
            tier.put(
                flight.space,
                flight.key,
                kept,
                size=size,
                fresh_until=fresh_until,
                expires=fresh_until + keep_stale if fresh_until is not FOREVER else FOREVER,
                stamps=stamps,
                cost=cost,
                sliding=fresh_until - self.now() if sliding and fresh_until is not FOREVER else 0.0,
            )


def _alone(_space: Space) -> None:
    return None


def _unlimited() -> float:
    return FOREVER
