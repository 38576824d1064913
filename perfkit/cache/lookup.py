"""The look-up: the one path of the cache that must cost next to nothing.

Closures over what a look-up needs, made once for each namespace: attributes of objects would cost more than all the
rest. `lookup` is `get`; `memory` is what a memoized function asks first, and `recalling` is one that need not ask. All
do the same, written out, as a call in between would cost a fifth more. Measured with CPython 3.11 beside cachetools'
LRU under a lock, with time to live, invalidation and counts: about half of its time; a quarter of that is the clock. A
look-up in a `try` instead of `get` saves a twelfth at a hit, and raises at each miss.
Numbers stand for `EPOCH`, `HITS`, `MISSES` and `SAVED`. The value of an entry that leaves while it is looked at is
`MISSING`: there was none.

It takes no lock: it reads a dict, and what it changes are counts, by additions that nothing interrupts as nothing is
called on their right-hand side. Where the interpreter runs without its lock, one look-up of a cache runs at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from perfkit.cache.arguments import unhashable
from perfkit.cache.entry import FOREVER, MISSING
from perfkit.cache.memory.space import Space
from perfkit.cache.memory.tier import Tier
from perfkit.cache.values.packing import Packed, Packing
from perfkit.store.series.updates import is_free_threaded

__all__ = ["Get", "lookup", "memory", "one_at_a_time", "recalling"]

Get = Callable[..., Any]


def lookup(tier: Tier, space: Space, packing: Packing) -> Get:
    """Return the `get` of *space*."""
    return _fit(_plain(tier, space), tier, packing, None)


def memory(tier: Tier, space: Space, packing: Packing) -> Get:
    """Return what gives the fresh value of a key, or `MISSING`; it counts hits, and what loading would have taken."""
    return _fit(_remembering(tier, space), tier, packing, MISSING)


def _fit(get: Get, tier: Tier, packing: Packing, absent: Any) -> Get:
    if not packing.is_plain:
        get = _unpacking(get, packing, absent)
    return one_at_a_time(get, tier.hit_lock, absent) if is_free_threaded() else get


def _plain(tier: Tier, space: Space) -> Get:
    if tier.ticks:
        return _ticking(tier, space)
    if tier.touch is not None:
        return _touching(tier, space)
    return _counting(tier, space) if tier.most_hits else _only(tier, space)


def _only(tier: Tier, space: Space) -> Get:
    """Return the `get` where a hit concerns nobody: first in, first out; and by time to live."""
    find, counts, forever = space.entries.get, space.counts, FOREVER
    control, now, is_current = tier.control, tier.now, tier.is_current

    def get(key: Any, default: Any = None) -> Any:
        try:
            entry = find(key)
        except TypeError as error:
            raise unhashable(key, error) from error
        if entry is not None and (entry.epoch == control.slots[0] or is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is forever or now() < fresh_until:
                value = entry.value
                if value is not MISSING:
                    counts[0] += 1.0
                    return value
        counts[1] += 1.0
        return default

    return get


def _counting(tier: Tier, space: Space) -> Get:
    """Return the `get` where the policy reads the hits of an entry."""
    find, counts, forever, most_hits = space.entries.get, space.counts, FOREVER, tier.most_hits
    control, now, is_current = tier.control, tier.now, tier.is_current

    def get(key: Any, default: Any = None) -> Any:
        try:
            entry = find(key)
        except TypeError as error:
            raise unhashable(key, error) from error
        if entry is not None and (entry.epoch == control.slots[0] or is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is forever or now() < fresh_until:
                if entry.hits < most_hits:
                    entry.hits += 1
                value = entry.value
                if value is not MISSING:
                    counts[0] += 1.0
                    return value
        counts[1] += 1.0
        return default

    return get


def _touching(tier: Tier, space: Space) -> Get:
    """Return the `get` where the policy is told of each hit."""
    find, counts, forever = space.entries.get, space.counts, FOREVER
    control, now, is_current = tier.control, tier.now, tier.is_current

    def get(key: Any, default: Any = None) -> Any:
        try:
            entry = find(key)
        except TypeError as error:
            raise unhashable(key, error) from error
        if entry is not None and (entry.epoch == control.slots[0] or is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is forever or now() < fresh_until:
                touch = tier.touch
                try:
                    touch(entry)  # type: ignore[misc] # there is one, and each policy of this cache has it
                except KeyError:
                    # It was evicted at this very moment; its value is as good as a moment ago.
                    entry.hits = 0
                value = entry.value
                if value is not MISSING:
                    counts[0] += 1.0
                    return value
        counts[1] += 1.0
        return default

    return get


def _ticking(tier: Tier, space: Space) -> Get:
    """Return the `get` where the policy reads when an entry was used."""
    find, counts, forever = space.entries.get, space.counts, FOREVER
    control, now, is_current = tier.control, tier.now, tier.is_current
    ticks = tier.ticks

    def get(key: Any, default: Any = None) -> Any:
        try:
            entry = find(key)
        except TypeError as error:
            raise unhashable(key, error) from error
        if entry is not None and (entry.epoch == control.slots[0] or is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is forever or now() < fresh_until:
                entry.used = ticks[0] = ticks[0] + 1.0
                value = entry.value
                if value is not MISSING:
                    counts[0] += 1.0
                    return value
        counts[1] += 1.0
        return default

    return get


def _remembering(tier: Tier, space: Space) -> Get:
    if tier.ticks:
        return _remembering_ticking(tier, space)
    return (_remembering_counting if tier.touch is None else _remembering_touching)(tier, space)


def _remembering_counting(tier: Tier, space: Space) -> Get:
    """Return the memory where the policy reads the hits of an entry, or none."""
    find, counts, forever, most_hits = space.entries.get, space.counts, FOREVER, tier.most_hits
    control, now, is_current = tier.control, tier.now, tier.is_current

    def get(key: Any, default: Any = MISSING) -> Any:
        entry = find(key)
        if entry is not None and (entry.epoch == control.slots[0] or is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is forever or now() < fresh_until:
                if entry.hits < most_hits:
                    entry.hits += 1
                value = entry.value
                if value is not MISSING:
                    saved = entry.cost
                    counts[3] += saved
                    counts[0] += 1.0
                return value
        return default

    return get


def _remembering_touching(tier: Tier, space: Space) -> Get:
    """Return the memory where the policy is told of each hit."""
    find, counts, forever = space.entries.get, space.counts, FOREVER
    control, now, is_current = tier.control, tier.now, tier.is_current

    def get(key: Any, default: Any = MISSING) -> Any:
        entry = find(key)
        if entry is not None and (entry.epoch == control.slots[0] or is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is forever or now() < fresh_until:
                touch = tier.touch
                try:
                    touch(entry)  # type: ignore[misc] # as above
                except KeyError:
                    entry.hits = 0
                value = entry.value
                if value is not MISSING:
                    saved = entry.cost
                    counts[3] += saved
                    counts[0] += 1.0
                return value
        return default

    return get


def _remembering_ticking(tier: Tier, space: Space) -> Get:
    """Return the memory where the policy reads when an entry was used."""
    find, counts, forever = space.entries.get, space.counts, FOREVER
    control, now, is_current = tier.control, tier.now, tier.is_current
    ticks = tier.ticks

    def get(key: Any, default: Any = MISSING) -> Any:
        entry = find(key)
        if entry is not None and (entry.epoch == control.slots[0] or is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is forever or now() < fresh_until:
                entry.used = ticks[0] = ticks[0] + 1.0
                value = entry.value
                if value is not MISSING:
                    saved = entry.cost
                    counts[3] += saved
                    counts[0] += 1.0
                return value
        return default

    return get


def recalling(tier: Tier, space: Space, missed: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that returns the fresh value of its positional arguments, which are the key.

    Whatever is not as simple as that *missed* is called for: named arguments, none that is fresh, no key at all.
    """
    if tier.ticks:
        return _recalling_ticking(tier, space, missed)
    if tier.touch is not None:
        return _recalling_touching(tier, space, missed)
    return _recalling_counting(tier, space, missed)


def _recalling_counting(tier: Tier, space: Space, missed: Callable[..., Any]) -> Callable[..., Any]:
    find, counts, forever, most_hits = space.entries.get, space.counts, FOREVER, tier.most_hits
    control, now, is_current = tier.control, tier.now, tier.is_current

    def recall(*args: Any, **kwargs: Any) -> Any:
        try:
            entry = None if kwargs else find(args)
        except TypeError:
            entry = None
        if entry is not None and (entry.epoch == control.slots[0] or is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is forever or now() < fresh_until:
                if entry.hits < most_hits:
                    entry.hits += 1
                value = entry.value
                if value is not MISSING:
                    saved = entry.cost
                    counts[0] += 1.0
                    counts[3] += saved
                    return value
        return missed(*args, **kwargs)

    return recall


def _recalling_touching(tier: Tier, space: Space, missed: Callable[..., Any]) -> Callable[..., Any]:
    find, counts, forever = space.entries.get, space.counts, FOREVER
    control, now, is_current = tier.control, tier.now, tier.is_current

    def recall(*args: Any, **kwargs: Any) -> Any:
        try:
            entry = None if kwargs else find(args)
        except TypeError:
            entry = None
        if entry is not None and (entry.epoch == control.slots[0] or is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is forever or now() < fresh_until:
                touch = tier.touch
                try:
                    touch(entry)  # type: ignore[misc] # as above
                except KeyError:
                    entry.hits = 0
                value = entry.value
                if value is not MISSING:
                    saved = entry.cost
                    counts[0] += 1.0
                    counts[3] += saved
                    return value
        return missed(*args, **kwargs)

    return recall


def _recalling_ticking(tier: Tier, space: Space, missed: Callable[..., Any]) -> Callable[..., Any]:
    find, counts, forever = space.entries.get, space.counts, FOREVER
    control, now, is_current = tier.control, tier.now, tier.is_current
    ticks = tier.ticks

    def recall(*args: Any, **kwargs: Any) -> Any:
        try:
            entry = None if kwargs else find(args)
        except TypeError:
            entry = None
        if entry is not None and (entry.epoch == control.slots[0] or is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is forever or now() < fresh_until:
                entry.used = ticks[0] = ticks[0] + 1.0
                value = entry.value
                if value is not MISSING:
                    saved = entry.cost
                    counts[0] += 1.0
                    counts[3] += saved
                    return value
        return missed(*args, **kwargs)

    return recall


def _unpacking(get: Get, packing: Packing, absent: Any) -> Get:
    def unpacked(key: Any, default: Any = absent) -> Any:
        value = get(key, default)
        return packing.unpack(value) if value.__class__ is Packed else value

    return unpacked


def one_at_a_time(get: Get, lock: threading.Lock, absent: Any = None) -> Get:
    """Return *get* with *lock* around it, which keeps its additions whole without the interpreter's own."""

    @wraps(get)
    def get_alone(key: Any, default: Any = absent) -> Any:
        with lock:
            return get(key, default)

    return get_alone
