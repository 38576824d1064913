"""Caches of several hosts on one server: each with a store of its own, so that only the server joins them."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

from patience import until
from redis_server import RedisServer

from perfkit.cache import CacheManager, CacheSettings

__all__ = ["Calls", "caches_on", "hears", "shared_settings"]


class Calls:
    """Calls the blocking method, or its twin in an event loop of its own."""

    def __init__(self, runner: asyncio.Runner | None) -> None:
        self._runner = runner

    @property
    def is_async(self) -> bool:
        return self._runner is not None

    def __call__(self, thing: Any, name: str, *arguments: Any, **options: Any) -> Any:
        if self._runner is None:
            return getattr(thing, name)(*arguments, **options)
        found = getattr(thing, "a" + name)(*arguments, **options)
        assert inspect.isawaitable(found)

        async def awaited() -> Any:
            return await found

        return self._runner.run(awaited())


def shared_settings(url: str, **settings: Any) -> CacheSettings:
    """Return settings that a loaded machine does not make fail: calls may take long, if the test does not say."""
    return CacheSettings(redis_url=url, **{"redis_timeout": 5.0, **settings})


def hears(cache: CacheManager) -> bool:
    assert cache._server is not None
    return cache._server.tier.hears


@contextlib.contextmanager
def caches_on(
    server: RedisServer, count: int = 2, *, is_started: bool = True, **settings: Any
) -> Iterator[list[CacheManager]]:
    """Make *count* caches on *server*, each as on a host of its own; all hear each other when the block begins."""
    caches = [CacheManager(settings=shared_settings(server.url, **settings)) for _ in range(count)]
    try:
        for cache in caches if is_started else ():
            cache.start()
        for cache in caches if is_started else ():
            until(lambda cache=cache: hears(cache))
        yield caches
    finally:
        for cache in caches:
            cache.close()
