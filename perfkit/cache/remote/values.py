"""The values of one namespace on the server, and how they come into the first tier."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from perfkit.cache.entry import MISSING
from perfkit.cache.loads.watch import Watch
from perfkit.cache.memory.space import REMOTE, SAVED, Space
from perfkit.cache.remote.envelope import Envelope, seal
from perfkit.cache.remote.looking import Found, Look, look, look_many
from perfkit.cache.remote.messages import message
from perfkit.cache.remote.scripts import ANYTHING, STORE, expire
from perfkit.cache.remote.tier import SharedTier, is_refused
from perfkit.cache.remote.transport.link import Batch, Command, Operation, Pause, UnreachableError
from perfkit.cache.values.numbers import number
from perfkit.core.errors import CacheError

if TYPE_CHECKING:
    from perfkit.cache.engine import Engine

__all__ = ["Values"]

MOST_TRIES = 200
"""Times that a change of what was seen begins anew because another one came between."""

MOST_FENCES = 10
"""Times that a value is sent anew because the namespace's fence was moved on, before what is there is removed."""

MANY = 500
"""Values in one batch."""


class _Made(NamedTuple):
    """The versions with which values are stored."""

    server: str
    everything: bytes
    space: bytes
    fence: bytes
    tags: list[tuple[str, bytes]]


class Values:
    """Operations on values; each falls back on the first tier where the server does not answer.

    Where a change did not reach the server, the old value there is made invalid as soon as it can be reached.
    """

    def __init__(self, engine: Engine, shared: SharedTier, space: Space) -> None:
        """Work in *space*."""
        self.engine, self.shared, self.space = engine, shared, space
        self.names, self.sealing = shared.names, shared.sealing
        self._own = (self.names.everything, self.names.space(space.name))

    def name(self, key: Any) -> bytes | None:
        """Return what *key* is called on the server; None if it stays here."""
        return self.names.value(self.space.name, key)

    def look(self, name: bytes, tags: tuple[str, ...] = ()) -> Operation[Look]:
        """Look at a value."""
        return (yield from look(self.names, self.sealing, self.space.name, name, tags))

    def get(self, key: Any, default: Any) -> Operation[Any]:
        """Return the value of *key*, which is not in the first tier."""
        name = self.name(key)
        if name is None:
            return default
        watch = self.engine.flights.watch(self.space, key)
        try:
            seen = yield from self.look(name)
            found = seen.found
            if found is None or found.fresh_for <= 0.0:
                return default
            yield from self._slide(name, seen.seen, found)
            self.hit(watch, found)
            return found.value
        except UnreachableError:
            return default
        finally:
            self.engine.flights.unwatch(watch)

    def get_many(self, keys: list[Any]) -> Operation[dict[Any, Any]]:
        """Return the values of those of *keys*, none of which is in the first tier, that are on the server."""
        values: dict[Any, Any] = {}
        for start in range(0, len(keys), MANY):
            some = {name: key for key in keys[start : start + MANY] if (name := self.name(key)) is not None}
            watches = {name: self.engine.flights.watch(self.space, key) for name, key in some.items()}
            try:
                found = yield from look_many(self.names, self.sealing, self.space.name, list(some))
                for name, one in found.items():
                    if one.fresh_for > 0.0:
                        self.hit(watches[name], one)
                        values[some[name]] = one.value
            except UnreachableError:
                return values
            finally:
                for watch in watches.values():
                    self.engine.flights.unwatch(watch)
        return values

    def hit(self, watch: Watch, found: Found) -> None:
        """Count *found* and keep it here for a while."""
        self.space.counts[REMOTE] += 1.0
        cost = found.cost
        self.space.counts[SAVED] += cost
        self.keep(watch, found)

    def keep(self, watch: Watch, found: Found) -> None:
        """Put *found* into the first tier, for as long as it may be there, unless it is out of date already."""
        limit = self.shared.local_limit()
        if found.sliding:
            limit = min(limit, found.sliding / 2.0)
        if limit > 0.0:
            self.engine.keep(
                watch, found.value, min(found.fresh_for, limit), min(found.keep_stale, limit), found.tags, found.cost
            )

    def _slide(self, name: bytes, seen: bytes, found: Found) -> Operation[None]:
        if found.sliding and found.fresh_for < found.sliding * 0.75:
            yield Batch(expire(name, seen, int((found.sliding + found.keep_stale) * 1000)))

    def contains(self, key: Any) -> Operation[bool]:
        """Return whether the server has a fresh value of *key*."""
        name = self.name(key)
        if name is None:
            return False
        try:
            found = (yield from self.look(name)).found
        except UnreachableError:
            return False
        return found is not None and found.fresh_for > 0.0

    def set(self, key: Any, value: Any, ttl: Any, tags: tuple[str, ...], sliding: bool) -> Operation[bool]:
        """Store *value* here and there."""
        kept = yield from self.set_many({key: value}, ttl, tags, sliding)
        return kept == 1

    def set_many(self, values: Mapping[Any, Any], ttl: Any, tags: tuple[str, ...], sliding: bool) -> Operation[int]:
        """Store *values* here and there; return how many are kept."""
        engine, kept = self.engine, 0
        seconds = {key: engine.seconds_fresh(ttl) for key in values}
        packs = {key: self._packed(key, value) for key, value in values.items()}
        here = [key for key in values if packs[key] is None]
        there = [key for key in values if packs[key] is not None]
        for key in here:
            # What cannot leave this process takes the place of what may be there.
            if self.name(key) is not None:
                yield from self._forget([key])
            kept += engine.store(self.space, key, values[key], ttl, tags, sliding)
        for start in range(0, len(there), MANY):
            some = there[start : start + MANY]
            watches = {key: engine.begin_change(self.space, key) for key in some}
            try:
                try:
                    is_stored = yield from self._store(some, packs, seconds, tags, sliding)
                finally:
                    for watch in watches.values():
                        engine.changed(watch)
                for key in some:
                    life = seconds[key]
                    if life is not None:
                        kept += 1
                        self._keep_own(watches[key], values[key], life, tags, sliding, is_stored=is_stored)
            finally:
                for watch in watches.values():
                    engine.end_change(watch)
        return kept

    def _packed(self, key: Any, value: Any) -> tuple[bytes, bool, bytes] | None:
        name = self.name(key)
        sealed = None if name is None else self.sealed(name, value)
        return None if name is None or sealed is None else (name, *sealed)

    def sealed(self, name: bytes, value: Any) -> tuple[bool, bytes] | None:
        """Return what goes to the server of *value*; None if it cannot leave this process, which is counted."""
        try:
            return self.sealing.pack(name, value)
        except CacheError:
            # Not what it is: its type says enough, and it may be somebody's own.
            told = f"a {type(value).__qualname__} cannot leave this process, so it is cached in this worker alone"
            self.engine.errors.warn("cache", "value_not_shared", told)
            return None

    def _keep_own(
        self, watch: Watch, value: Any, seconds: float, tags: tuple[str, ...], sliding: bool, *, is_stored: bool
    ) -> None:
        limit = self.shared.local_limit()
        if not is_stored and not limit:
            # It is nowhere else, so it serves at least here for as long as it may be without others being heard.
            limit = self.shared.blind_limit
        if sliding:
            limit = min(limit, seconds / 2.0)
        if limit > 0.0:
            self.engine.keep(watch, value, min(seconds, limit), 0.0, tags, 0.0)

    def _store(
        self, keys: list[Any], packs: dict[Any, Any], seconds: dict[Any, Any], tags: tuple[str, ...], sliding: bool
    ) -> Operation[bool]:
        """Store on the server; return whether it has taken all of them. If not, it has nothing of them."""
        left, told = keys, message(self.shared, self.space.name, keys)
        try:
            for _ in range(MOST_FENCES):
                made = yield from self._versions(tags)
                if made is None:
                    break
                commands = self._commands(left, packs, seconds, made, sliding)
                try:
                    replies = yield Batch(*commands, *told)
                except GeneratorExit:
                    # Who was to hear of it has gone. It may still arrive, after others have changed the values.
                    self.shared.link.journal.add({"space": self.space.name, "keys": keys})
                    raise
                if is_refused(replies):
                    break
                # The fence has moved on meanwhile, for the sake of other keys perhaps: then it did nothing.
                done = zip(left, replies, strict=False)
                left = [key for key, reply in done if reply == 0 and seconds[key] is not None]
                if not left:
                    return True
            yield from self._forget(keys)
        except UnreachableError:
            self.shared.link.journal.add({"space": self.space.name, "keys": keys})
        return False

    def _versions(self, tags: tuple[str, ...]) -> Operation[_Made | None]:
        """Return all versions that a value needs, made where there are none; None where they cannot be."""
        names = self.names
        wanted = [*self._own, names.fence(self.space.name), *map(names.tag, tags)]
        replies = yield Batch(*self.shared.versions(wanted), ("MGET", *wanted))
        if isinstance(replies[-1], Exception) or None in replies[-1]:
            return None
        everything, space, fence, *versions = replies[-1]
        return _Made(replies.server, everything, space, fence, list(zip(tags, versions, strict=True)))

    def _commands(
        self, keys: list[Any], packs: dict[Any, Any], seconds: dict[Any, Any], made: _Made, sliding: bool
    ) -> list[Command]:
        """Return for each key the command that stores its value."""
        commands: list[Command] = []
        for key in keys:
            name, is_pickled, data = packs[key]
            life = seconds[key]
            if life is None:
                commands.append(("UNLINK", name))
                continue
            slide = life if sliding else 0.0
            envelope = Envelope(made.server, made.everything, made.space, made.tags, 0.0, slide, 0.0, is_pickled, data)
            # Should this arrive late, after it was given up and made up for, the fence has moved on.
            store = (STORE, 2, name, self.names.fence(self.space.name), ANYTHING, made.fence, seal(envelope))
            commands.append(("EVAL", *store, self.milliseconds(life)))
        return commands

    def _forget(self, keys: list[Any]) -> Operation[None]:
        """Remove what lies on the server of *keys*: it is out of date, and what is new cannot be put there."""
        names = [name for key in keys if (name := self.name(key)) is not None]
        try:
            replies = yield Batch(
                ("UNLINK", *names, self.names.fence(self.space.name)), *message(self.shared, self.space.name, keys)
            )
            if is_refused(replies):
                raise UnreachableError
        except UnreachableError:
            self.shared.link.journal.add({"space": self.space.name, "keys": keys})

    def milliseconds(self, seconds: float) -> int:
        """Return the life of a value on the server."""
        return max(1, int(min(seconds, self.shared.max_ttl) * 1000))

    def add(self, key: Any, value: Any, ttl: Any, tags: tuple[str, ...]) -> Operation[bool]:
        """Store *value* if *key* has none anywhere."""
        engine = self.engine
        packed, seconds = self._packed(key, value), engine.seconds_fresh(ttl)
        if packed is None:
            return engine.store(self.space, key, value, ttl, tags, if_absent=True)
        if seconds is None:
            return False
        try:
            stored = yield from self._replace(key, packed, seconds, tags)
        except UnreachableError:
            stored = engine.store(self.space, key, value, min(seconds, self.shared.blind_limit), tags, if_absent=True)
            if stored:
                self.shared.link.journal.add({"space": self.space.name, "keys": [key]})
        return stored

    def _replace(
        self, key: Any, packed: tuple[bytes, bool, bytes], seconds: float, tags: tuple[str, ...]
    ) -> Operation[bool]:
        name, is_pickled, data = packed
        for attempt in range(MOST_TRIES):
            seen = yield from self.look_to_change(name, tags)
            if seen.found is not None and seen.found.fresh_for > 0.0:
                return False
            if (yield from self._swap(key, name, seen, tags, is_pickled, data, seconds)):
                return True
            # Somebody put a value there, or took another one away: look which.
            yield self._rest(attempt)
        return False

    def _rest(self, attempt: int) -> Pause:
        return Pause(random.random() * min(0.001 * (attempt + 1), 0.05))

    def look_to_change(self, name: bytes, tags: tuple[str, ...]) -> Operation[Look]:
        """Look at a value that will be changed: all versions that it needs are there then.

        Raises:
            UnreachableError: The server cannot make them, as it is full.
        """
        seen = yield from self.look(name, tags)
        missing = [each for each, version in seen.versions.items() if version is None]
        if missing or not seen.versions:
            needed = (*self._own, self.names.fence(self.space.name))
            replies = yield Batch(*self.shared.versions(missing or needed))
            seen = yield from self.look(name, tags)
            if is_refused(replies) or not seen.versions or None in seen.versions.values():
                raise UnreachableError
        return seen

    def stamps(self, seen: Look, tags: tuple[str, ...]) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
        """Return the versions of everything, of the namespace and of *tags* as they were seen."""
        everything, space = (seen.versions[each] or b"" for each in self._own)
        return everything, space, [(tag, seen.versions[self.names.tag(tag)] or b"") for tag in tags]

    def _swap(
        self, key: Any, name: bytes, seen: Look, tags: tuple[str, ...], is_pickled: bool, data: bytes, seconds: float
    ) -> Operation[bool]:
        """Store over what was seen and nothing else."""
        envelope = Envelope(seen.server, *self.stamps(seen, tags), 0.0, 0.0, 0.0, is_pickled, data)
        life = self.milliseconds(seconds)
        fence = self.names.fence(self.space.name)
        store = ("EVAL", STORE, 2, name, fence, seen.seen, seen.versions[fence] or b"", seal(envelope), life)
        with self._changing(key):
            replies = yield Batch(store, *message(self.shared, self.space.name, [key]))
        if isinstance(replies[0], Exception):
            raise UnreachableError
        return bool(replies[0] == 1)

    @contextmanager
    def _changing(self, key: Any) -> Iterator[None]:
        """Keep nothing of *key* here that was read there before the block has changed it."""
        watch = self.engine.begin_change(self.space, key)
        try:
            yield
        finally:
            self.engine.changed(watch)
            self.engine.end_change(watch)

    def increment(self, key: Any, amount: float, initial: float | None, ttl: Any) -> Operation[Any]:
        """Add to the number of *key* with nobody between, on whichever host; `MISSING` where it must be done here."""
        name, engine = self.name(key), self.engine
        if name is None:
            return MISSING
        try:
            for attempt in range(MOST_TRIES):
                seen = yield from self.look_to_change(name, ())
                found = seen.found if seen.found is not None and seen.found.fresh_for > 0.0 else None
                value = initial if found is None else found.value
                total = number(key, value) + amount
                seconds = engine.seconds_fresh(ttl) if found is None else found.fresh_for
                if seconds is None:
                    return total
                is_pickled, data = self.sealing.pack(name, total)
                tags = () if found is None else found.tags
                if (yield from self._swap(key, name, seen, tags, is_pickled, data, seconds)):
                    return total
                yield self._rest(attempt)
        except UnreachableError:
            self.shared.link.journal.add({"space": self.space.name, "keys": [key]})
        return MISSING

    def touch(self, key: Any, ttl: Any) -> Operation[bool]:
        """Give *key* a new life."""
        name, seconds = self.name(key), self.engine.seconds_fresh(ttl)
        if name is None:
            return False
        try:
            with self._changing(key):
                return (yield from self._give_life(key, name, seconds))
        except UnreachableError:
            return False

    def _give_life(self, key: Any, name: bytes, seconds: float | None) -> Operation[bool]:
        for attempt in range(MOST_TRIES):
            seen = yield from self.look(name)
            found = seen.found
            if found is None or found.fresh_for <= 0.0:
                return False
            life = 0 if seconds is None else self.milliseconds(seconds + found.keep_stale)
            told = message(self.shared, self.space.name, [key])
            replies = yield Batch(expire(name, seen.seen, life), *told)
            if replies[0] != 0:
                return bool(replies[0] == 1)
            yield self._rest(attempt)
        return False
