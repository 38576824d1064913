"""The caches of a race, each used as its documentation has it; where one needs a lock, that stands in the loop."""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.store.scene import new_folder, open_store

__all__ = ["PEERS", "Peer", "perfkit_cache"]

SIZE = 10_000
TTL = 3600.0
TAGS = ("bench",)

Loop = Callable[[Iterable[str]], None]


@dataclass(kw_only=True)
class Peer:
    """One cache, as loops over keys.

    Attributes:
        get: Asks for each key.
        set: Stores something for each key.
        read: Asks for each key, and stores what is not there.
        fill: Stores as for the race of hits; where a cache has them with time to live and a tag.
        mixed: Asks for each key, and stores each fiftieth.
        hits: What the cache itself counted, None if it does not count.
    """

    get: Loop
    set: Loop
    read: Loop
    mixed: Loop
    fill: Loop | None = None
    hits: Callable[[], float | None] = lambda: None
    close: Callable[[], None] = lambda: None


def _called(get: Callable[[str], Any], put: Callable[[str, Any], Any], **more: Any) -> Peer:
    """Return the loops of a cache that needs no lock around it."""

    def gets(keys: Iterable[str]) -> None:
        for key in keys:
            get(key)

    def sets(keys: Iterable[str]) -> None:
        for key in keys:
            put(key, key)

    def reads(keys: Iterable[str]) -> None:
        for key in keys:
            if not get(key):
                put(key, key)

    def mixed(keys: Iterable[str]) -> None:
        for number, key in enumerate(keys):
            if number % 50:
                get(key)
            else:
                put(key, key)

    return Peer(get=gets, set=sets, read=reads, mixed=mixed, **more)


def _locked(cache: Any) -> Peer:
    """Return the loops of a mapping with a lock around it."""
    lock = threading.RLock()

    def gets(keys: Iterable[str]) -> None:
        for key in keys:
            with lock:
                cache.get(key)

    def sets(keys: Iterable[str]) -> None:
        for key in keys:
            with lock:
                cache[key] = key

    def reads(keys: Iterable[str]) -> None:
        for key in keys:
            with lock:
                found = cache.get(key)
            if not found:
                with lock:
                    cache[key] = key

    def mixed(keys: Iterable[str]) -> None:
        for number, key in enumerate(keys):
            with lock:
                if number % 50:
                    cache.get(key)
                else:
                    cache[key] = key

    return Peer(get=gets, set=sets, read=reads, mixed=mixed)


def perfkit_cache(
    strategy: str, *, directory: str = "", size: int = SIZE, **more: Any
) -> tuple[Any, Callable[[], None]]:
    """Return a cache of ours, and what closes it; with *directory* its store is shared with other workers."""
    from perfkit.cache import CacheManager
    from perfkit.core.context import Context

    store = open_store(directory)
    cache = CacheManager(strategy=strategy, max_size=size, context=Context(store=store), **more)

    def close() -> None:
        cache.close()
        store.close()
        if directory:
            shutil.rmtree(directory)

    return cache, close


def _perfkit(strategy: str, *, shared: bool = False, tagged: bool = False) -> Peer:
    cache, close = perfkit_cache(strategy, directory=new_folder() if shared else "")
    put = functools.partial(cache.set, ttl=TTL, tags=TAGS) if tagged else cache.set

    def fill(keys: Iterable[str]) -> None:
        for key in keys:
            cache.set(key, key, ttl=TTL, tags=TAGS)

    return _called(cache.get, put, fill=fill, hits=lambda: float(cache.get_stats().hits), close=close)


def _cachetools(name: str) -> Peer:
    import cachetools

    kind = getattr(cachetools, name)
    return _locked(kind(SIZE, ttl=TTL) if name == "TTLCache" else kind(SIZE))


def _cachebox(name: str) -> Peer:
    import cachebox

    kind = getattr(cachebox, name)
    cache = kind(SIZE, TTL) if name == "TTLCache" else kind(SIZE)
    return _called(cache.get, cache.insert)


def _theine() -> Peer:
    from theine import Cache

    cache: Any = Cache(SIZE)

    def put(key: str, value: str) -> None:
        cache.set(key, value)

    def get(key: str) -> Any:
        return cache.get(key)[0]

    return _called(get, put, close=cache.close)


def _dogpile() -> Peer:
    from dogpile.cache import make_region

    region = make_region().configure("dogpile.cache.memory", expiration_time=TTL)
    return _called(region.get, region.set)


def _flask_caching() -> Peer:
    from flask import Flask
    from flask_caching import Cache

    app = Flask(__name__)
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": SIZE, "CACHE_DEFAULT_TIMEOUT": TTL})
    context = app.app_context()
    context.push()
    # Its own object, not the proxy through the current app, which would cost as much again.
    backend = app.extensions["cache"][cache]
    return _called(backend.get, backend.set, close=context.pop)


def _django() -> Peer:
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    from django.core.cache.backends.locmem import LocMemCache

    cache = LocMemCache("bench", {"timeout": TTL, "OPTIONS": {"MAX_ENTRIES": SIZE}})
    return _called(cache.get, cache.set)


PEERS: dict[str, Callable[[], Peer]] = {
    "perfkit": lambda: _perfkit("lru"),
    "perfkit, adaptive": lambda: _perfkit("adaptive"),
    "perfkit, fifo": lambda: _perfkit("fifo"),
    "perfkit, lru, shared file": lambda: _perfkit("lru", shared=True),
    "perfkit, lru, ttl and tag": lambda: _perfkit("lru", tagged=True),
    "cachetools LRU + RLock": lambda: _cachetools("LRUCache"),
    "cachetools LFU + RLock": lambda: _cachetools("LFUCache"),
    "cachetools FIFO + RLock": lambda: _cachetools("FIFOCache"),
    "cachetools TTL + RLock": lambda: _cachetools("TTLCache"),
    "cachebox LRU": lambda: _cachebox("LRUCache"),
    "cachebox TTL": lambda: _cachebox("TTLCache"),
    "theine": _theine,
    "dogpile memory": _dogpile,
    "flask-caching simple": _flask_caching,
    "Django locmem": _django,
}
"""The caches by the name of their row."""
