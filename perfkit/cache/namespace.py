"""What one does with a cache: the calls of one namespace, and their twins for async code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from perfkit.cache.arguments import (
    check_increment,
    checked_key,
    function,
    keys_of,
    mapping,
    pattern_text,
    tag_names,
)
from perfkit.cache.engine import UNSET, Engine
from perfkit.cache.entry import MISSING
from perfkit.cache.invalidation.changes import Changes
from perfkit.cache.lookup import lookup
from perfkit.cache.memoized import Memoizer
from perfkit.cache.memory.glob import Glob
from perfkit.cache.memory.space import Space
from perfkit.cache.reader import NEVER, Plan, Reader
from perfkit.cache.storing import storing

__all__ = ["Namespace"]

T = TypeVar("T")
LOAD = "cache.memoize(key, lambda: value)"


class Namespace:
    """Keys of one kind. Other namespaces may use the same keys; bounds and tags are shared. Thread-safe.

    None is a value like any other. `get` returns the very object that was stored, unless the cache keeps bytes.
    Keys are anything hashable; patterns look at texts only.
    """

    def __init__(self, engine: Engine, name: str, *, is_local: bool = False) -> None:
        """Name a part of the cache of *engine*; what *is_local* never leaves this process, second tier or not."""
        self._engine = engine
        self._space: Space = engine.tier.space(name)
        self._reader = Reader(engine, self._space)
        self._tier = engine.tier
        self._changes = Changes(engine, self._space)
        self._shared = shared = None if is_local else engine.shared(self._space)
        get = lookup(engine.tier, self._space, engine.packing)
        self._local_get = get
        self._get = get if shared is None else shared.get(get)
        # The closure itself answers: a method around it would cost as much again.
        self.__dict__["get"] = self._get
        store = storing(engine, self._space) if shared is None else None
        if store is not None:
            self.__dict__["set"] = store

    @property
    def namespace_name(self) -> str:
        """Its name, which labels its numbers."""
        return self._space.name

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of *key*, *default* if there is none that is fresh. Takes no lock."""
        return self._get(key, default)

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Return the values of those of *keys* that are there."""
        found, missing = self._get_many_here(keys)
        if self._shared is not None and missing:
            found |= self._shared.run(self._shared.values.get_many(missing))
        return found

    def _get_many_here(self, keys: Iterable[Any]) -> tuple[dict[Any, Any], list[Any]]:
        """Return what the first tier has, and the keys that it does not have."""
        asked = {key: self._local_get(key, UNSET) for key in keys_of(keys)}
        return (
            {key: value for key, value in asked.items() if value is not UNSET},
            [key for key, value in asked.items() if value is UNSET],
        )

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
        shared = self._shared
        if shared is not None:
            return shared.run(shared.values.set(checked_key(key), value, ttl, tag_names(tags), sliding))
        return self._engine.store(self._space, key, value, ttl, tags, sliding)

    def set_many(
        self, values: Mapping[Any, Any], ttl: float | None = UNSET, tags: Iterable[str] = (), *, sliding: bool = False
    ) -> int:
        """Store each of *values*; return how many are kept."""
        names, shared = tag_names(tags), self._shared
        if shared is not None:
            return shared.run(shared.values.set_many(mapping("values", values), ttl, names, sliding))
        return sum(
            self.set(key, value, ttl, names, sliding=sliding) for key, value in mapping("values", values).items()
        )

    def add(self, key: Any, value: Any, ttl: float | None = UNSET, tags: Iterable[str] = ()) -> bool:
        """Store *value* if *key* has none; return whether it was stored."""
        shared = self._shared
        if shared is not None:
            return shared.run(shared.values.add(checked_key(key), value, ttl, tag_names(tags)))
        return self._engine.store(self._space, key, value, ttl, tags, if_absent=True)

    def delete(self, key: Any) -> bool:
        """Remove *key* here and in all other workers; return whether it was here."""
        return self._changes.delete_many((checked_key(key),)) == 1

    def delete_many(self, keys: Iterable[Any]) -> int:
        """Remove *keys* here and in all other workers; return how many were here."""
        return self._changes.delete_many(keys_of(keys))

    def touch(self, key: Any, ttl: float | None = UNSET) -> bool:
        """Give *key* a new time to live from now; return False if it is not there."""
        shared = self._shared
        if shared is not None and shared.run(shared.values.touch(checked_key(key), ttl)):
            return True
        return self._engine.touch(self._space, key, ttl)

    def increment(self, key: Any, amount: float = 1, *, initial: float | None = 0, ttl: float | None = UNSET) -> Any:
        """Add *amount* to the number of *key* and return the sum; no other call comes between.

        With a second tier all workers of all hosts count together, else each by itself.

        Args:
            initial: What a missing key counts from; None: there must be one.
            ttl: Time to live of a key that was missing; one that is there keeps its own.

        Raises:
            CacheError: The value is no number, or there is none and *initial* is None.
        """
        check_increment(key, amount, initial)
        shared = self._shared
        total = MISSING if shared is None else shared.run(shared.values.increment(key, amount, initial, ttl))
        return self._engine.increment(self._space, key, amount, initial, ttl) if total is MISSING else total

    def memoize(
        self,
        key: Any,
        load: Callable[[], T],
        ttl: float | None = UNSET,
        tags: Iterable[str] = (),
        *,
        stale_while_revalidate: float = NEVER,
        stale_if_error: float = NEVER,
        early_refresh: float = NEVER,
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
            tags,
            stale_while_revalidate=stale_while_revalidate,
            stale_if_error=stale_if_error,
            early_refresh=early_refresh,
            negative_ttl=negative_ttl,
            sliding=sliding,
        )
        value: T = self._reader.read(checked_key(key), plan, function("load", load, LOAD))
        return value

    async def amemoize(
        self,
        key: Any,
        load: Callable[[], Any],
        ttl: float | None = UNSET,
        tags: Iterable[str] = (),
        *,
        stale_while_revalidate: float = NEVER,
        stale_if_error: float = NEVER,
        early_refresh: float = NEVER,
        negative_ttl: float | None = UNSET,
        sliding: bool = False,
    ) -> Any:
        """Do the same as `memoize` without blocking; *load* is a coroutine function or a quick function."""
        plan = Plan(
            ttl,
            tags,
            stale_while_revalidate=stale_while_revalidate,
            stale_if_error=stale_if_error,
            early_refresh=early_refresh,
            negative_ttl=negative_ttl,
            sliding=sliding,
        )
        return await self._reader.aread(checked_key(key), plan, function("load", load, LOAD))

    def memoized(
        self,
        ttl: float | None = UNSET,
        tags: Iterable[str] = (),
        *,
        key: Callable[..., Any] | None = None,
        namespace: str | None = None,
        typed: bool = False,
        stale_while_revalidate: float = NEVER,
        stale_if_error: float = NEVER,
        early_refresh: float = NEVER,
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
            tags,
            stale_while_revalidate=stale_while_revalidate,
            stale_if_error=stale_if_error,
            early_refresh=early_refresh,
            negative_ttl=negative_ttl,
            sliding=sliding,
        )
        return Memoizer(self._engine, plan, key=key, namespace=namespace, typed=typed)

    def invalidate_tags(self, tags: Iterable[str]) -> None:
        """Make every value that carries one of *tags* invalid, in all namespaces and workers. O(1) for each tag."""
        self._changes.invalidate_tags(tag_names(tags))

    def invalidate_pattern(self, pattern: str) -> int:
        """Remove the text keys that *pattern* matches (`*`, `?`, `[…]`) in all workers; return how many were here.

        A pattern that begins with plain text looks only at the keys that begin so.
        """
        glob = Glob(pattern_text(pattern))
        if glob.is_all and self._shared is None and self._space.has_only_texts:
            count = len(self)
            self.clear()
            return count
        return self._changes.invalidate_pattern(glob)

    def clear(self) -> None:
        """Empty this namespace in all workers. O(1)."""
        self._changes.clear()

    def __contains__(self, key: Any) -> bool:
        """Return whether *key* has a fresh value; not counted as a look-up."""
        shared = self._shared
        return self._engine.holds(self._space, key) or (shared is not None and shared.run(shared.values.contains(key)))

    def __len__(self) -> int:
        """Return the number of values in this namespace that this worker holds."""
        tier = self._tier
        tier.settle()
        tier.sweep()
        return len(self._space.entries)

    def __bool__(self) -> bool:
        """Return True: an empty cache is a cache."""
        return True

    async def aget(self, key: Any, default: Any = None) -> Any:
        """Do the same as `get`."""
        shared = self._shared
        if shared is None:
            return self.get(key, default)
        value = self._local_get(key, UNSET)
        return value if value is not UNSET else await shared.arun(shared.values.get(key, default))

    async def aget_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Do the same as `get_many`."""
        found, missing = self._get_many_here(keys)
        if self._shared is not None and missing:
            found |= await self._shared.arun(self._shared.values.get_many(missing))
        return found

    async def aset(
        self, key: Any, value: Any, ttl: float | None = UNSET, tags: Iterable[str] = (), *, sliding: bool = False
    ) -> bool:
        """Do the same as `set`."""
        shared = self._shared
        if shared is None:
            return self.set(key, value, ttl, tags, sliding=sliding)
        return await shared.arun(shared.values.set(checked_key(key), value, ttl, tag_names(tags), sliding))

    async def aset_many(
        self, values: Mapping[Any, Any], ttl: float | None = UNSET, tags: Iterable[str] = (), *, sliding: bool = False
    ) -> int:
        """Do the same as `set_many`."""
        shared = self._shared
        if shared is None:
            return self.set_many(values, ttl, tags, sliding=sliding)
        return await shared.arun(shared.values.set_many(mapping("values", values), ttl, tag_names(tags), sliding))

    async def aadd(self, key: Any, value: Any, ttl: float | None = UNSET, tags: Iterable[str] = ()) -> bool:
        """Do the same as `add`."""
        shared = self._shared
        if shared is None:
            return self.add(key, value, ttl, tags)
        return await shared.arun(shared.values.add(checked_key(key), value, ttl, tag_names(tags)))

    async def adelete(self, key: Any) -> bool:
        """Do the same as `delete`."""
        return await self._changes.adelete_many((checked_key(key),)) == 1

    async def adelete_many(self, keys: Iterable[Any]) -> int:
        """Do the same as `delete_many`."""
        return await self._changes.adelete_many(keys_of(keys))

    async def atouch(self, key: Any, ttl: float | None = UNSET) -> bool:
        """Do the same as `touch`."""
        shared = self._shared
        if shared is not None and await shared.arun(shared.values.touch(checked_key(key), ttl)):
            return True
        return self._engine.touch(self._space, key, ttl)

    async def aincrement(
        self, key: Any, amount: float = 1, *, initial: float | None = 0, ttl: float | None = UNSET
    ) -> Any:
        """Do the same as `increment`."""
        check_increment(key, amount, initial)
        shared = self._shared
        total = MISSING if shared is None else await shared.arun(shared.values.increment(key, amount, initial, ttl))
        return self._engine.increment(self._space, key, amount, initial, ttl) if total is MISSING else total

    async def acontains(self, key: Any) -> bool:
        """Do the same as ``key in cache``."""
        shared = self._shared
        return self._engine.holds(self._space, key) or (
            shared is not None and await shared.arun(shared.values.contains(key))
        )

    async def ainvalidate_tags(self, tags: Iterable[str]) -> None:
        """Do the same as `invalidate_tags`."""
        await self._changes.ainvalidate_tags(tag_names(tags))

    async def ainvalidate_pattern(self, pattern: str) -> int:
        """Do the same as `invalidate_pattern`."""
        if self._shared is None:
            return self.invalidate_pattern(pattern)
        return await self._changes.ainvalidate_pattern(Glob(pattern_text(pattern)))

    async def aclear(self) -> None:
        """Do the same as `clear`."""
        await self._changes.aclear()
