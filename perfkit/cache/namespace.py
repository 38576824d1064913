"""What one does with a cache: the calls of one namespace, and their twins for async code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from perfkit.cache.engine import UNSET, Engine, tag_names
from perfkit.cache.entry import FOREVER, Entry
from perfkit.cache.lookup import lookup
from perfkit.cache.memoized import Memoizer
from perfkit.cache.memory.glob import Glob
from perfkit.cache.memory.space import Space
from perfkit.cache.reader import Plan, Reader
from perfkit.core.errors import CacheError

__all__ = ["Namespace"]

T = TypeVar("T")
ONE = 1.0


class Namespace:
    """Keys of one kind. Other namespaces may use the same keys; bounds and tags are shared. Thread-safe.

    None is a value like any other. `get` returns the very object that was stored, unless the cache keeps bytes.
    Keys are anything hashable; patterns look at texts only.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        """Name a part of the cache of *engine*."""
        self._engine = engine
        self._space: Space = engine.tier.space(name)
        self._reader = Reader(engine, self._space)
        self._tier = engine.tier
        self._get = lookup(engine.tier, self._space, engine.packing)
        # The closure itself answers: a method around it would cost as much again.
        self.__dict__["get"] = self._get

    @property
    def namespace_name(self) -> str:
        """Its name, which labels its numbers."""
        return self._space.name

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of *key*, *default* if there is none that is fresh. Takes no lock."""
        return self._get(key, default)

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Return the values of those of *keys* that are there."""
        found = {key: self.get(key, UNSET) for key in keys}
        return {key: value for key, value in found.items() if value is not UNSET}

    def set(
        self, key: Any, value: Any, ttl: float | None = UNSET, tags: Iterable[str] = (), *, sliding: bool = False
    ) -> bool:
        """Store *value*.

        Args:
            ttl: Seconds that it is fresh; None for ever, 0 not at all; not given: the cache's default.
            tags: Names by which it can be invalidated together with others.
            sliding: Let each hit renew it for another *ttl*.

        Returns:
            False if it is not kept: too large, or without time to live.
        """
        return self._engine.store(self._space, key, value, ttl, tags, sliding)

    def set_many(
        self, values: Mapping[Any, Any], ttl: float | None = UNSET, tags: Iterable[str] = (), *, sliding: bool = False
    ) -> int:
        """Store each of *values*; return how many are kept."""
        names = tag_names(tags)
        return sum(self.set(key, value, ttl, names, sliding=sliding) for key, value in values.items())

    def add(self, key: Any, value: Any, ttl: float | None = UNSET, tags: Iterable[str] = ()) -> bool:
        """Store *value* if *key* has none; return whether it was stored."""
        return self._engine.store(self._space, key, value, ttl, tags, if_absent=True)

    def delete(self, key: Any) -> bool:
        """Remove *key* here and in all other workers; return whether it was here."""
        return self._engine.relay.keys(self._space, (key,)) == 1

    def delete_many(self, keys: Iterable[Any]) -> int:
        """Remove *keys* here and in all other workers; return how many were here."""
        return self._engine.relay.keys(self._space, keys)

    def touch(self, key: Any, ttl: float | None = UNSET) -> bool:
        """Give *key* a new time to live from now; return False if it is not there."""
        tier = self._tier
        fresh_until = self._engine.fresh_until(ttl)
        tier.settle()
        with tier.lock:
            entry = self._fresh(key)
            if entry is None:
                return False
            if fresh_until is None:
                tier.take(self._space, key)
            else:
                stale = 0.0 if entry.expires is FOREVER else entry.expires - entry.fresh_until
                tier.postpone(entry, fresh_until, FOREVER if fresh_until is FOREVER else fresh_until + stale)
        return True

    def _fresh(self, key: Any) -> Entry | None:
        """Return the entry of *key* if it is fresh. The caller holds the lock and has settled."""
        entry = self._space.entries.get(key)
        if entry is None or entry.fresh_until <= self._tier.now() or not self._tier.is_intact(entry):
            return None
        return entry

    def increment(self, key: Any, amount: float = 1, *, initial: float = 0, ttl: float | None = UNSET) -> Any:
        """Add *amount* to the number of *key* and return the sum; in this worker no other call comes between.

        Args:
            initial: What a missing key counts from.
            ttl: Time to live of a key that was missing; one that is there keeps its own.

        Raises:
            CacheError: The value is no number.
        """
        engine, tier = self._engine, self._tier
        fresh_until = engine.fresh_until(ttl)
        tier.settle()
        with tier.lock:
            engine.flights.fence(self._space, key)
            entry = self._fresh(key)
            value = initial if entry is None else engine.value(entry)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise CacheError(f"The value of {key!r} is {value!r}. Only numbers can be incremented. Set one first.")
            value += amount
            kept, size = engine.pack(value)
            if entry is not None:
                entry.value = kept
                entry.hits += 1
            elif fresh_until is not None:
                tier.put(self._space, key, kept, size=size, fresh_until=fresh_until, expires=fresh_until)
        return value

    def memoize(
        self,
        key: Any,
        load: Callable[[], T],
        ttl: float | None = UNSET,
        tags: Iterable[str] = (),
        *,
        stale_while_revalidate: float = 0.0,
        stale_if_error: float = 0.0,
        early_refresh: float = 0.0,
        negative_ttl: float | None = UNSET,
        sliding: bool = False,
    ) -> T:
        """Return the value of *key*; if there is none, call *load* once for all who ask meanwhile, and store it.

        Args:
            load: A function, or a coroutine function, which runs on a loop of our own.
            ttl: Seconds that the value is fresh.
            tags: Names by which it can be invalidated together with others.
            stale_while_revalidate: Seconds after that in which it still serves while it is loaded anew.
            stale_if_error: Seconds after that in which it serves when loading fails.
            early_refresh: How eagerly it is loaded anew before its end: 0 never, 1 as a rule.
            negative_ttl: Another time to live for None.
            sliding: Let each hit renew it.

        Raises:
            Exception: What *load* raised, if no stale value may serve.
            LifecycleError: *load* asked for this very key.
        """
        plan = Plan(
            ttl,
            tag_names(tags) if tags else (),
            stale_while_revalidate=stale_while_revalidate,
            stale_if_error=stale_if_error,
            early_refresh=early_refresh,
            negative_ttl=negative_ttl,
            sliding=sliding,
        )
        value: T = self._reader.read(key, plan, load)
        return value

    async def amemoize(
        self,
        key: Any,
        load: Callable[[], Any],
        ttl: float | None = UNSET,
        tags: Iterable[str] = (),
        *,
        stale_while_revalidate: float = 0.0,
        stale_if_error: float = 0.0,
        early_refresh: float = 0.0,
        negative_ttl: float | None = UNSET,
        sliding: bool = False,
    ) -> Any:
        """Do the same as `memoize` without blocking; *load* is a coroutine function or a quick function."""
        plan = Plan(
            ttl,
            tag_names(tags) if tags else (),
            stale_while_revalidate=stale_while_revalidate,
            stale_if_error=stale_if_error,
            early_refresh=early_refresh,
            negative_ttl=negative_ttl,
            sliding=sliding,
        )
        return await self._reader.aread(key, plan, load)

    def memoized(
        self,
        ttl: float | None = UNSET,
        tags: Iterable[str] = (),
        *,
        key: Callable[..., Any] | None = None,
        namespace: str | None = None,
        typed: bool = False,
        stale_while_revalidate: float = 0.0,
        stale_if_error: float = 0.0,
        early_refresh: float = 0.0,
        negative_ttl: float | None = UNSET,
        sliding: bool = False,
    ) -> Memoizer:
        """Decorate a function, a coroutine function or a method: same arguments, same result, from the cache.

        The function has a namespace of its own, named after it, and gets `cache_invalidate(*arguments)`,
        `cache_clear()` and `cache_key(*arguments)`.

        Args:
            key: Returns the key for the arguments, where they are not hashable or not all of interest.
            namespace: Another name for its namespace.
            typed: Tell 1 from 1.0 and True.
        """
        plan = Plan(
            ttl,
            tag_names(tags) if tags else (),
            stale_while_revalidate=stale_while_revalidate,
            stale_if_error=stale_if_error,
            early_refresh=early_refresh,
            negative_ttl=negative_ttl,
            sliding=sliding,
        )
        return Memoizer(self._engine, plan, key=key, namespace=namespace, typed=typed)

    def invalidate_tags(self, tags: Iterable[str]) -> None:
        """Make every value that carries one of *tags* invalid, in all namespaces and workers. O(1) for each tag."""
        self._engine.relay.tags(tag_names(tags))

    def invalidate_pattern(self, pattern: str) -> int:
        """Remove the text keys that *pattern* matches (`*`, `?`, `[…]`) in all workers; return how many were here.

        A pattern that begins with plain text looks only at the keys that begin so.
        """
        glob = Glob(pattern)
        if glob.is_all and self._space.has_only_texts:
            count = len(self)
            self.clear()
            return count
        return self._engine.relay.pattern(self._space, glob)

    def clear(self) -> None:
        """Empty this namespace in all workers. O(1)."""
        self._engine.relay.space(self._space)

    def __contains__(self, key: Any) -> bool:
        """Return whether *key* has a fresh value; not counted as a look-up."""
        tier = self._tier
        tier.settle()
        with tier.lock:
            return self._fresh(key) is not None

    def __len__(self) -> int:
        """Return the number of values in this namespace; looks at each."""
        tier = self._tier
        tier.settle()
        tier.sweep()
        return len(self._space.entries)

    def __bool__(self) -> bool:
        """Return True: an empty cache is a cache."""
        return True

    async def aget(self, key: Any, default: Any = None) -> Any:
        """Do the same as `get`."""
        return self.get(key, default)

    async def aget_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Do the same as `get_many`."""
        return self.get_many(keys)

    async def aset(
        self, key: Any, value: Any, ttl: float | None = UNSET, tags: Iterable[str] = (), *, sliding: bool = False
    ) -> bool:
        """Do the same as `set`."""
        return self.set(key, value, ttl, tags, sliding=sliding)

    async def aset_many(
        self, values: Mapping[Any, Any], ttl: float | None = UNSET, tags: Iterable[str] = (), *, sliding: bool = False
    ) -> int:
        """Do the same as `set_many`."""
        return self.set_many(values, ttl, tags, sliding=sliding)

    async def aadd(self, key: Any, value: Any, ttl: float | None = UNSET, tags: Iterable[str] = ()) -> bool:
        """Do the same as `add`."""
        return self.add(key, value, ttl, tags)

    async def adelete(self, key: Any) -> bool:
        """Do the same as `delete`."""
        return self.delete(key)

    async def adelete_many(self, keys: Iterable[Any]) -> int:
        """Do the same as `delete_many`."""
        return self.delete_many(keys)

    async def atouch(self, key: Any, ttl: float | None = UNSET) -> bool:
        """Do the same as `touch`."""
        return self.touch(key, ttl)

    async def aincrement(self, key: Any, amount: float = 1, *, initial: float = 0, ttl: float | None = UNSET) -> Any:
        """Do the same as `increment`."""
        return self.increment(key, amount, initial=initial, ttl=ttl)

    async def ainvalidate_tags(self, tags: Iterable[str]) -> None:
        """Do the same as `invalidate_tags`."""
        self.invalidate_tags(tags)

    async def ainvalidate_pattern(self, pattern: str) -> int:
        """Do the same as `invalidate_pattern`."""
        return self.invalidate_pattern(pattern)

    async def aclear(self) -> None:
        """Do the same as `clear`."""
        self.clear()
