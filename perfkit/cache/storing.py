"""The quick `set`: a value kept as it is, in a cache bounded by entries alone, without tags or with those of last time.

A closure like the look-up, and for the same reason: written out, the steps of `Engine.store` and `Tier.put` cost half
of what they cost as calls. It does the common case and hands on the rest; the two say the same, and the property tests
of the cache run through both. Numbers stand for `EPOCH`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from perfkit.cache.engine import UNSET, Engine
from perfkit.cache.entry import FOREVER, Entry
from perfkit.cache.memory.space import Space
from perfkit.cache.memory.watcher import WATCHED

__all__ = ["storing"]


def storing(engine: Engine, space: Space) -> Callable[..., bool] | None:
    """Return the `set` of *space*; None if no value of this cache is a common case."""
    tier, flights = engine.tier, engine.flights
    if not engine.is_bare or tier.max_bytes is not None or tier.max_size is None:
        return None
    most, now, control, find, general = tier.max_size, tier.now, tier.control, space.entries.get, engine.store
    entries, unset, forever, jitter, default_ttl = space.entries, UNSET, FOREVER, engine.jitter, engine.default_ttl

    def store(
        key: Any, value: Any, ttl: float | None = unset, tags: Iterable[str] = (), *, sliding: bool = False
    ) -> bool:
        if ttl is unset:
            ttl = default_ttl
        if sliding or (tags and tags is not engine.last_tags):
            return general(space, key, value, ttl, tags, sliding)
        if ttl is None:
            end = forever
        elif not jitter and ttl > 0.0:
            end = now() + ttl
        else:
            return general(space, key, value, ttl, tags)
        slots = control.slots
        if slots is not tier.slots or slots[0] != tier.seen:
            tier.settle()
        with tier.lock:
            if flights._flights:
                flights.fence(space, key)
            stamps = tier.tags.stamp(tags) if tags else ()
            if find(key) is not None or (tier.next_end is not forever and tier.next_end <= now()):
                return tier.put(space, key, value, 0, end, end, stamps)
            seen, shadow = tier.seen, tier.shadow
            epoch = seen
            # What is written out here is what nearly all keys end with; `arrive` looks again.
            if (
                shadow is not None
                and (key.__class__ is not str or shadow.low <= hash(key) < shadow.high)
                and shadow.arrive(space, key, end, stamps)
            ):
                epoch = WATCHED
            entry = Entry(key, value, end, epoch, 0, 0.0, space, end, 0, stamps, 0.0, 0.0, space.generation, end)
            if tier.count < most:
                tier.count += 1
                tier.policy.add(entry)
            else:
                gone = tier.replace(entry)
                home = gone.space
                # Nobody has expired, as `next_end` lies ahead; nor is invalid who was looked at in this epoch.
                if gone.epoch != seen or home is None:
                    tier.let_go(gone, "size")
                    tier.count += 1
                else:
                    if gone.expires is not forever:
                        tier.ends.wanted -= 1
                    del home.entries[gone.key]
                    home.lost["size"] += 1.0
                    if gone.stamps:
                        gone.stamps = ()
            entries[key] = entry
            if space.is_sorted:
                space.is_sorted = False
            if key.__class__ is not str:
                space.has_only_texts = False
            if end is not forever:
                tier.alarm(entry, end)
        return True

    return store
