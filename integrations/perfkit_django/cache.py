"""perfkit's cache as Django's: ``CACHES = {"default": {"BACKEND": "perfkit_django.cache.PerfkitCache"}}``.

Values lie in a namespace of the system's cache, ``django`` or ``django.<LOCATION>``: bounds, strategy, the second tier
and what all workers hear are those of the setting PERFKIT. Each get returns a copy of its own, as Django promises; with
``"OPTIONS": {"COPY": False}`` it is the very object, for projects that change nothing that they got from a cache.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT

from perfkit.core.errors import CacheError
from perfkit_django.cached.copies import ABSENT
from perfkit_django.cached.namespaces import NamespaceCache

__all__ = ["PerfkitCache"]


class PerfkitCache(NamespaceCache):
    """A cache backend, natively sync and async. Beyond Django's calls it has tags, and patterns over keys."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return the value of *key*."""
        name = self._name(key, version)
        kept = self._cache().get(name, ABSENT)
        value = self._bound_copies.given(name, kept) if kept.__class__ is tuple else kept
        return default if value is ABSENT else value

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Do the same as `get`."""
        name = self._name(key, version)
        kept = await self._cache().aget(name, ABSENT)
        value = self._bound_copies.given(name, kept) if kept.__class__ is tuple else kept
        return default if value is ABSENT else value

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None, tags: Iterable[str] = ()
    ) -> None:
        """Store *value*, which can be invalidated by its *tags*."""
        name = self._name(key, version)
        self._cache().set(name, self._copies.kept(name, value), self._ttl(timeout), tags)

    async def aset(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None, tags: Iterable[str] = ()
    ) -> None:
        """Do the same as `set`."""
        name = self._name(key, version)
        await self._cache().aset(name, await self._copies.akept(name, value), self._ttl(timeout), tags)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Store *value* if *key* has none; return whether it had none."""
        name, ttl = self._name(key, version), self._ttl(timeout)
        cache, kept = self._cache(), self._copies.kept(name, value)
        return name not in cache if ttl == 0.0 else bool(cache.add(name, kept, ttl))

    async def aadd(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Do the same as `add`."""
        name, ttl = self._name(key, version), self._ttl(timeout)
        cache, kept = self._cache(), await self._copies.akept(name, value)
        return not await cache.acontains(name) if ttl == 0.0 else bool(await cache.aadd(name, kept, ttl))

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Give *key* a new timeout; return whether it was there."""
        return bool(self._cache().touch(self._name(key, version), self._ttl(timeout)))

    async def atouch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Do the same as `touch`."""
        return bool(await self._cache().atouch(self._name(key, version), self._ttl(timeout)))

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Remove *key*; return whether it was there."""
        return bool(self._cache().delete(self._name(key, version)))

    async def adelete(self, key: Any, version: int | None = None) -> bool:
        """Do the same as `delete`."""
        return bool(await self._cache().adelete(self._name(key, version)))

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Return the values of those of *keys* that are there, in one go."""
        names = self._names_of(keys, version)
        return self._all_given(names, self._cache().get_many(names))

    async def aget_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Do the same as `get_many`."""
        names = self._names_of(keys, version)
        return self._all_given(names, await self._cache().aget_many(names))

    def _all_given(self, names: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[Any, Any]:
        given = {names[name]: self._copies.given(name, each) for name, each in kept.items()}
        return {key: value for key, value in given.items() if value is not ABSENT}

    def set_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        """Store each of *data*, in one go; return the keys that could not be, which are none."""
        names = self._values_of(data, version)
        self._cache().set_many(
            {name: self._copies.kept(name, value) for name, value in names.items()}, self._ttl(timeout)
        )
        return []

    async def aset_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        """Do the same as `set_many`."""
        names = self._values_of(data, version)
        kept = {name: await self._copies.akept(name, value) for name, value in names.items()}
        await self._cache().aset_many(kept, self._ttl(timeout))
        return []

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """Remove *keys*, in one go."""
        self._cache().delete_many(list(self._names_of(keys, version)))

    async def adelete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """Do the same as `delete_many`."""
        await self._cache().adelete_many(list(self._names_of(keys, version)))

    def get_or_set(self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        """Return the value of *key*; if there is none, store *default*, called once for all who ask meanwhile."""
        name = self._name(key, version)

        def load() -> Any:
            return self._copies.kept(name, default() if callable(default) else default)

        return self._copies.given(name, self._cache().memoize(name, load, self._ttl(timeout)))

    async def aget_or_set(
        self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """Do the same as `get_or_set`; *default* may be a coroutine function."""
        name = self._name(key, version)

        async def load() -> Any:
            value = default() if callable(default) else default
            return await self._copies.akept(name, await value if inspect.isawaitable(value) else value)

        return self._copies.given(name, await self._cache().amemoize(name, load, self._ttl(timeout)))

    def has_key(self, key: Any, version: int | None = None) -> bool:
        """Return whether *key* is there."""
        return self._name(key, version) in self._cache()

    async def ahas_key(self, key: Any, version: int | None = None) -> bool:
        """Do the same as `has_key`."""
        return bool(await self._cache().acontains(self._name(key, version)))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Add *delta* to the number of *key*, with nobody between; ValueError if it is not there."""
        name = self._name(key, version)
        try:
            total: int = self._cache().increment(name, delta, initial=None)
        except CacheError as error:
            if not isinstance(delta, (int, float)):
                raise
            raise _no_number(key, is_there=name in self._cache()) from error
        return total

    async def aincr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Do the same as `incr`."""
        name = self._name(key, version)
        try:
            total: int = await self._cache().aincrement(name, delta, initial=None)
        except CacheError as error:
            if not isinstance(delta, (int, float)):
                raise
            raise _no_number(key, is_there=await self._cache().acontains(name)) from error
        return total

    def clear(self) -> None:
        """Remove everything of this LOCATION."""
        self._cache().clear()

    async def aclear(self) -> None:
        """Do the same as `clear`."""
        await self._cache().aclear()

    def invalidate_tags(self, tags: Iterable[str]) -> None:
        """Make everything that carries one of *tags* invalid, in all workers."""
        self._cache().invalidate_tags(tags)

    async def ainvalidate_tags(self, tags: Iterable[str]) -> None:
        """Do the same as `invalidate_tags`."""
        await self._cache().ainvalidate_tags(tags)


def _no_number(key: Any, *, is_there: bool) -> Exception:
    if is_there:
        return TypeError(f"The value of {key!r} is no number. Only numbers can be counted on. Set one first.")
    return ValueError(f"The key {key!r} was not found. Only a key that is there can be counted on. Set it first.")
