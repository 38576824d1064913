"""The first tier: the entries of all namespaces in this process, their bounds, and what makes them invalid.

A look-up takes no lock: it finds the entry in a dict, compares one number (is everything known that happened?) and the
time. All changes are made under one lock. Removed entries leave at once; those made invalid by a tag or by clearing a
namespace leave when they are met, at the latest when they are evicted or at the next `sweep`. Until then they count
for the bounds, as they hold memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from perfkit.cache.entry import FOREVER, MISSING, Entry
from perfkit.cache.memory.ends import Ends
from perfkit.cache.memory.space import Space
from perfkit.cache.memory.tags import Stamps, Tags, is_valid
from perfkit.cache.memory.traffic import SLACK, SOON, Traffic
from perfkit.cache.memory.watcher import WATCHED, Watcher, tell
from perfkit.cache.policies.policy import Policy, most_hits, replacer, toucher
from perfkit.store.control import EPOCH, Control

__all__ = ["SWEEP_SLICE", "Tier"]

DUE_AT_ONCE = 4
"""Expired entries that one `put` removes at most."""

HEAVY = 20
"""A value is heavy that takes more than one of so many parts of the bound in bytes."""

SWEEP_SLICE = 1000
"""Entries that a sweep looks at before it lets others in."""


class Tier:
    """Entries within bounds. Thread-safe.

    Attributes:
        lock: Held for each change.
        turns, release: The lock for the quickest: ``for _ in turns: try: … finally: release()``.
        hit_lock: Held for each look-up where the interpreter runs without its lock; elsewhere by nobody.
        count: Entries held, the invalid ones that nobody has met yet included.
        bytes: Sum of their sizes.
        touch: What the policy wants to be called at each hit, or None.
        hears_elsewhere: Values are made invalid without a command in the control log, so its epoch alone says nothing.
        ticks: What the policy counts uses with, empty if it does not: the one number in it is raised at each hit, and
            noted as the entry's `used`.
        most_hits: Hits of one entry that the policy tells apart.
        policy: Chooses who leaves.
        replace: Lets the policy choose who leaves for a new entry, and takes that in.
        ends: The entries that expire, by when.
        next_end: No entry expires earlier than this.
        slots, seen: The control log's page and epoch up to which all is known here.
        traffic: What was seen of single keys.
        shadow: What watches a sample of the keys just now, or None.
    """

    def __init__(
        self,
        policy: Callable[[], Policy],
        *,
        max_size: int | None,
        max_bytes: int | None,
        now: Callable[[], float],
        control: Control,
    ) -> None:
        """Begin empty.

        Args:
            policy: Makes the policy; called again when everything is cleared.
            max_size: The most entries; None for no bound.
            max_bytes: The most bytes; None for no bound.
            now: Monotonic seconds.
            control: Tells what other workers made invalid; its epoch rises each time.
        """
        self._make_policy = policy
        self.max_size, self.max_bytes = max_size, max_bytes
        self.now, self.control = now, control
        self.hears_elsewhere = False
        self.tags = Tags()
        self.spaces: dict[str, Space] = {}
        self.ticks: list[float] = []
        self._begin()

    def _begin(self) -> None:
        self.lock = threading.Lock()
        self.turns, self.release = iter(self.lock.acquire, False), self.lock.release
        self.hit_lock = threading.Lock()
        self._empty()
        self.slots = self.control.slots
        self.seen = self.slots[EPOCH]
        self.shadow: Watcher | None = None
        self._is_littered = False
        self.traffic = Traffic()

    def _empty(self) -> None:
        self.policy = self._make_policy()
        ticks: list[float] = getattr(self.policy, "ticks", self.ticks)
        if self.ticks:
            # Look-ups go on with the ones that they know.
            self.policy.ticks = self.ticks  # type: ignore[attr-defined] # it has them, as its like had before
        self.ticks = self.ticks or ticks
        self.touch, self.most_hits, self.replace = toucher(self.policy), most_hits(self.policy), replacer(self.policy)
        self.next_end = FOREVER
        self.ends = Ends()
        self.count = self.bytes = 0

    def space(self, name: str) -> Space:
        """Return the namespace *name*, made if it is new."""
        with self.lock:
            return self.spaces.setdefault(name, Space(name))

    def settle(self) -> int:
        """Take notice of what other workers made invalid; return the epoch up to which all is known, or -1.

        -1 says that another thread is just taking notice: nothing may be trusted for that moment.
        """
        control = self.control
        slots = control.slots
        epoch = slots[EPOCH]
        if slots is not self.slots:
            # The store moved: what others made invalid before we listened to them is not known.
            self.drop_all()
            with self.lock:
                self.slots, self.seen = slots, -1
        if epoch != self.seen:
            control.poll()
            if not control.is_settled:
                return -1
            self.seen = epoch
        return epoch

    def is_current(self, entry: Entry) -> bool:
        """Look at an entry that was last looked at before something happened; drop it if that concerned it."""
        epoch = self.settle()
        if epoch < 0:
            return False
        space = entry.space
        if (
            self.hears_elsewhere
            and entry.epoch == -1
            and entry.is_alive
            and not entry.sliding
            and self.is_intact(entry)
        ):
            return True
        with self.lock:
            if not entry.is_alive:
                return False
            if self.is_intact(entry):
                is_watched = entry.epoch == WATCHED
                if entry.sliding:
                    self._slide(entry)
                entry.epoch = -1 if entry.sliding or self.hears_elsewhere else epoch
                if is_watched and self.shadow is not None and self.now() < entry.fresh_until:
                    self.shadow.note(entry)
                return True
            if space is not None and space.entries.get(entry.key) is entry:
                self._drop(entry, "invalidated")
        return False

    def _slide(self, entry: Entry) -> None:
        """Renew an entry that each hit renews. Its epoch stays behind, so that the next hit comes here too."""
        now = self.now()
        if now < entry.fresh_until:
            kept = entry.expires - entry.fresh_until
            self.postpone(entry, now + entry.sliding, now + entry.sliding + kept)

    def is_intact(self, entry: Entry) -> bool:
        """Return whether neither its tags nor its namespace moved on. The caller holds the lock or just wonders."""
        return entry.space is not None and entry.generation == entry.space.generation and is_valid(entry.stamps)

    def find(self, space: Space, key: Any) -> Entry | None:
        """Return the entry of *key*, fresh or kept for later; None if there is none that is valid."""
        entry = space.entries.get(key)
        if entry is None or entry.expires <= self.now():
            return None
        if entry.epoch != self.control.slots[EPOCH] and not self.is_current(entry):
            return None
        return entry

    def put(
        self,
        space: Space,
        key: Any,
        value: Any,
        size: int = 0,
        fresh_until: float = FOREVER,
        expires: float = FOREVER,
        stamps: Stamps = (),
        cost: float = 0.0,
        sliding: float = 0.0,
    ) -> bool:
        """Store *value*; evict others until the bounds hold. The caller holds the lock and has settled.

        Returns:
            False if it is too large to be kept: more than a quarter of the bound in bytes.
        """
        entry = space.entries.get(key)
        is_watched = self.shadow is not None and tell(
            self.shadow,
            space,
            key,
            expires,
            stamps,
            is_new=entry is None or entry.fresh_until <= self.now() or not self.is_intact(entry),
        )
        if self.max_bytes is not None and size * HEAVY > self.max_bytes:
            self.traffic.weigh(space.name, key, size, is_refused=size > self.max_bytes // 4)
        if self.max_bytes is not None and size > self.max_bytes // 4:
            if entry is not None:
                self._drop(entry, "")
            space.lost["too_large"] = space.lost.get("too_large", 0.0) + 1.0
            return False
        if entry is not None and entry.stamps is stamps and entry.generation == space.generation:
            self._renew(entry, value, size, fresh_until, expires, cost, sliding)
            if is_watched:
                entry.epoch = WATCHED
        else:
            if entry is not None:
                self._drop(entry, "")
            self._make_room(size)
            epoch = WATCHED if is_watched else -1 if sliding or self.hears_elsewhere else self.seen
            generation = space.generation
            entry = Entry(
                key, value, fresh_until, epoch, 0, 0.0, space, expires, size, stamps, cost, sliding, generation, expires
            )
            space.entries[key] = entry
            space.order = None
            if key.__class__ is not str:
                space.has_only_texts = False
            self.policy.add(entry)
            self.count += 1
            self.bytes += size
            if expires is not FOREVER:
                self.ends.wanted += 1
                self._remind(entry, expires)
        if self.next_end is not FOREVER and self.next_end <= self.now():
            self._drop_due(DUE_AT_ONCE)
        return True

    def _remind(self, entry: Entry, at: float) -> None:
        self.ends.push(at, entry)
        if at < self.next_end:
            self.next_end = at

    def _renew(
        self, entry: Entry, value: Any, size: int, fresh_until: float, expires: float, cost: float, sliding: float
    ) -> None:
        """Put a new value into an entry. The value first: a reader that sees the new end sees the new value too."""
        entry.value = value
        if size != entry.size:
            self.bytes += size - entry.size
            entry.size = size
        entry.cost = cost
        entry.failures = 0
        entry.retry_at = 0.0
        if sliding or entry.sliding:
            entry.sliding = sliding
            entry.epoch = -1
        if expires is not FOREVER or entry.expires is not FOREVER:
            if -SLACK < fresh_until - entry.fresh_until < SOON:
                self.traffic.store_again(entry, fresh_until, self.now())
            self.postpone(entry, fresh_until, expires)
        entry.hits += 1
        if self.touch is not None:
            self.touch(entry)
        if self.max_bytes is not None and self.bytes > self.max_bytes:
            self._make_room(0)

    def postpone(self, entry: Entry, fresh_until: float, expires: float) -> None:
        """Give *entry* another end. The caller holds the lock."""
        was, entry.expires, entry.fresh_until = entry.expires, expires, fresh_until
        if was is FOREVER and expires is not FOREVER:
            self.ends.wanted += 1
        elif was is not FOREVER and expires is FOREVER:
            self.ends.wanted -= 1
        if expires is not FOREVER and (was is FOREVER or expires < entry.due):
            entry.due = expires
            self._remind(entry, expires)

    def _make_room(self, size: int) -> None:
        """Evict until one more of *size* bytes fits."""
        if self.max_size is not None:
            if self.count >= self.max_size and self.next_end is not FOREVER and self.next_end <= self.now():
                self._drop_due(DUE_AT_ONCE)
            while self.count >= self.max_size:
                self.let_go(self.policy.remove(), "size")
        if self.max_bytes is not None:
            while self.bytes + size > self.max_bytes and self.count:
                self.let_go(self.policy.remove(), "bytes")

    def let_go(self, entry: Entry, cause: str) -> None:
        """Remove *entry*, which the policy chose because of *cause*. The caller holds the lock."""
        if entry.expires is not FOREVER and entry.expires <= self.now():
            cause = "expired"
        elif (entry.stamps or entry.epoch != self.seen) and not self.is_intact(entry):
            cause = "invalidated"
        self._forget(entry, cause)

    def _drop(self, entry: Entry, cause: str) -> None:
        """Remove *entry*; *cause* is empty if somebody wanted it."""
        self.policy.remove(entry)
        self._forget(entry, cause)

    def _forget(self, entry: Entry, cause: str) -> None:
        entry.is_alive = False
        self.count -= 1
        self.bytes -= entry.size
        if entry.expires is not FOREVER:
            self.ends.wanted -= 1
        space = entry.space
        if space is not None:
            if space.entries.get(entry.key) is entry:
                del space.entries[entry.key]
            if cause:
                space.lost[cause] = space.lost.get(cause, 0.0) + 1.0
        # Whoever keeps the entry for a while, such as a queue, does not keep its value. A look-up that has just found
        # it comes too late.
        entry.stamps = ()
        entry.value = MISSING

    def _drop_due(self, most: int) -> int:
        """Remove up to *most* entries that have expired; return how many they were."""
        ends, now, dropped = self.ends, self.now(), 0
        while dropped < most:
            found = ends.first()
            self.next_end = FOREVER if found is None else found[0]
            if found is None or found[0] > now:
                break
            ends.pop()
            entry = found[1]
            if entry.expires > now:
                entry.due = entry.expires
                ends.push(entry.expires, entry)
                continue
            self._drop(entry, "expired")
            dropped += 1
        return dropped

    def take(self, space: Space, key: Any) -> Entry | None:
        """Remove the entry of *key*; return it if it was fresh and valid. The caller holds the lock."""
        entry = space.entries.get(key)
        if entry is None:
            return None
        is_there = entry.fresh_until > self.now() and self.is_intact(entry)
        if self.shadow is not None:
            self.shadow.forget(space, key)
        self._drop(entry, "")
        return entry if is_there else None

    def invalidate_tags(self, names: Iterable[str]) -> None:
        """Make everything that carries one of the tags *names* invalid. O(1) for each."""
        with self.lock:
            self.tags.invalidate(names)
            self._is_littered = True

    def clear(self, space: Space) -> None:
        """Make everything in *space* invalid. O(1)."""
        with self.lock:
            space.generation += 1
            self._is_littered = True

    def drop_all(self) -> None:
        """Empty all namespaces, and free what they held."""
        with self.lock:
            # What they hold is freed when `old` ends: after the lock is let go.
            old = (self.policy, self.ends)
            for space in self.spaces.values():
                space.generation += 1
                space.entries.clear()
            self._empty()
            self._is_littered = False
        del old

    def sweep(self) -> None:
        """Remove all that has expired or is invalid; the lock is let go of every `SWEEP_SLICE` entries."""
        more = SWEEP_SLICE
        while more == SWEEP_SLICE:
            with self.lock:
                more = self._drop_due(SWEEP_SLICE)
        if not self._is_littered:
            return
        self._is_littered = False
        for space in list(self.spaces.values()):
            entries = list(space.entries.values())
            for start in range(0, len(entries), SWEEP_SLICE):
                with self.lock:
                    for entry in entries[start : start + SWEEP_SLICE]:
                        if space.entries.get(entry.key) is entry and not self.is_intact(entry):
                            self._drop(entry, "invalidated")

    def after_fork(self) -> None:
        """In a forked child: begin empty, with a lock of its own. What others tell from now on may not be heard yet."""
        for space in self.spaces.values():
            space.generation += 1
            space.entries.clear()
        self._begin()
