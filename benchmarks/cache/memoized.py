"""A memoized function whose result is there: sync and async, beside the decorators that people use."""

from __future__ import annotations

import asyncio
import functools
import random
import threading
from collections.abc import Awaitable, Callable
from itertools import cycle, islice
from typing import Any

from benchmarks.cache.peers import SIZE, TTL, perfkit_cache
from benchmarks.harness.results import Budget, Result
from benchmarks.harness.rounds import Contestant, Subject, race

__all__ = ["PARTS", "REFERENCES", "measure", "subject"]

PARTS = {
    "memoized": "a function of one argument whose result is there",
    "amemoized": "a coroutine function of one argument whose result is there",
}
REFERENCES = {"memoized": "cachetools.cached + RLock", "amemoized": "cashews"}
BUDGETS = {"memoized": Budget(0.5, "cachetools.cached + RLock"), "amemoized": Budget(0.1, "cashews")}
KEYS = [f"key:{number}" for number in range(SIZE)]
random.Random(7).shuffle(KEYS)

Decorated = tuple[Callable[..., Any], Callable[[], None]]


def _identity(key: str) -> str:
    return key


async def _aidentity(key: str) -> str:
    return key


def _nothing() -> None:
    """There is nothing to close."""


def _perfkit(strategy: str, function: Callable[..., Any]) -> Decorated:
    cache, close = perfkit_cache(strategy)
    return cache.memoized(ttl=TTL, tags=("bench",))(function), close


def _cachetools() -> Decorated:
    import cachetools

    return cachetools.cached(cachetools.LRUCache(SIZE), lock=threading.RLock())(_identity), _nothing


def _cachetools_ttl() -> Decorated:
    import cachetools

    return cachetools.cached(cachetools.TTLCache(SIZE, TTL), lock=threading.RLock())(_identity), _nothing


def _cachebox() -> Decorated:
    import cachebox

    return cachebox.cached(cachebox.LRUCache(SIZE))(_identity), _nothing


def _acachebox() -> Decorated:
    import cachebox

    return cachebox.cached(cachebox.LRUCache(SIZE))(_aidentity), _nothing


def _theine() -> Decorated:
    from datetime import timedelta

    from theine import Memoize

    function: Any = Memoize(SIZE, timedelta(seconds=TTL))(_identity)
    function.key(lambda key: key)
    return function, _nothing


def _dogpile() -> Decorated:
    from dogpile.cache import make_region

    region = make_region().configure("dogpile.cache.memory", expiration_time=TTL)
    return region.cache_on_arguments()(_identity), _nothing


def _flask_caching() -> Decorated:
    from flask import Flask
    from flask_caching import Cache

    app = Flask(__name__)
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 10 * SIZE})
    context = app.app_context()
    context.push()
    return cache.memoize(TTL)(_identity), context.pop


def _cashews() -> Decorated:
    from cashews import Cache

    cache = Cache()
    cache.setup(f"mem://?size={SIZE}")
    return cache(ttl=TTL)(_aidentity), _nothing


def _aiocache() -> Decorated:
    from aiocache import cached

    return cached(ttl=TTL)(_aidentity), _nothing


SYNC: dict[str, Callable[[], Decorated]] = {
    "perfkit": lambda: _perfkit("lru", _identity),
    "perfkit, adaptive": lambda: _perfkit("adaptive", _identity),
    "functools.lru_cache": lambda: (functools.lru_cache(SIZE)(_identity), _nothing),
    "cachetools.cached + RLock": _cachetools,
    "cachetools.cached, TTL + RLock": _cachetools_ttl,
    "cachebox.cached": _cachebox,
    "theine.Memoize": _theine,
    "dogpile": _dogpile,
    "flask-caching memoize": _flask_caching,
}
ASYNC: dict[str, Callable[[], Decorated]] = {
    "perfkit": lambda: _perfkit("lru", _aidentity),
    "perfkit, adaptive": lambda: _perfkit("adaptive", _aidentity),
    "cachebox.cached": _acachebox,
    "cashews": _cashews,
    "aiocache": _aiocache,
}
SLOW = {"dogpile": 10, "flask-caching memoize": 100, "cashews": 10, "aiocache": 10, "theine.Memoize": 5}


def subject(argument: str) -> Subject:
    """Build the contestant of *argument*, which is ``race:name``."""
    part, _, name = argument.partition(":")
    if part == "amemoized":
        return _async(*ASYNC[name]())
    function, close = SYNC[name]()
    for key in KEYS:
        function(key)
    stream, empty = cycle(KEYS), cycle(KEYS)

    def run(count: int) -> None:
        for key in islice(stream, count):
            function(key)

    def twin(count: int) -> None:
        for _key in islice(empty, count):
            pass

    return Subject(run=run, twin=twin, close=close)


def _async(function: Callable[..., Awaitable[Any]], close: Callable[[], None]) -> Subject:
    loop = asyncio.new_event_loop()
    stream, empty = cycle(KEYS), cycle(KEYS)

    async def fill() -> None:
        for key in KEYS:
            await function(key)

    async def go(count: int) -> None:
        for key in islice(stream, count):
            await function(key)

    async def nothing(count: int) -> None:
        for _key in islice(empty, count):
            pass

    loop.run_until_complete(fill())

    def end() -> None:
        loop.close()
        close()

    return Subject(
        run=lambda count: loop.run_until_complete(go(count)),
        twin=lambda count: loop.run_until_complete(nothing(count)),
        close=end,
    )


def measure(part: str, *, rounds: int, scale: float, on_round: Callable[[int], None]) -> list[Result]:
    """Race all decorators of one *part*."""
    contestants = [
        Contestant(
            name=name,
            factory="benchmarks.cache.memoized:subject",
            argument=f"{part}:{name}",
            calls=100_000 // SLOW.get(name, 1),
            pieces=4,
            budget=BUDGETS[part] if name.startswith("perfkit") else None,
        )
        for name in (SYNC if part == "memoized" else ASYNC)
    ]
    return race(contestants, rounds=rounds, scale=scale, on_round=on_round)
