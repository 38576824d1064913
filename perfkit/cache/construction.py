"""How a cache is put together: from arguments and settings to an engine, or to an error that says what is wrong."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, MutableMapping
from typing import Any, get_args

import msgspec

from perfkit.cache.arguments import FOR_EVER, function, seconds, shown
from perfkit.cache.engine import Engine
from perfkit.cache.memory.tier import Tier
from perfkit.cache.numbers import Numbers
from perfkit.cache.policies import POLICIES, Policy
from perfkit.cache.policies.foreign import Foreign, bounds_of, is_foreign, sizes_of
from perfkit.cache.settings import REDIS_URL, CacheSettings, ValueFormat
from perfkit.cache.values.codec import codec_of
from perfkit.cache.values.packing import Packing
from perfkit.core.clock import Clock, SystemClock
from perfkit.core.context import Context
from perfkit.core.errors import CacheError

__all__ = ["choose", "context_of", "make_engine", "policy_of"]


def context_of(context: Context | None, clock: Clock | None) -> Context:
    """Return *context*, or one around a store of its own.

    Raises:
        CacheError: An argument cannot be.
    """
    if clock is not None and not callable(getattr(clock, "monotonic", None)):
        raise CacheError(f"clock is {shown(clock)}. It must have monotonic() and time(). Give FakeClock() in tests.")
    if context is None:
        from perfkit.store import Store

        return Context(store=Store(clock=clock), clock=clock or SystemClock())
    return context


def choose(given: dict[str, Any], settings: CacheSettings | None, strategy: Any) -> CacheSettings:
    """Return *settings* with what was *given* in their place; a cache given as *strategy* has bounds of its own.

    Raises:
        CacheError: An argument cannot be.
    """
    if settings is not None and not isinstance(settings, CacheSettings):
        raise CacheError(
            f"settings is {shown(settings)}. It must be a CacheSettings. Write CacheSettings(max_size=…), or give "
            "max_size=… itself."
        )
    chosen = settings or CacheSettings()
    if given["max_bytes"] is not None and given["max_size"] is None and settings is None:
        chosen = msgspec.structs.replace(chosen, max_size=None)
    if is_foreign(strategy):
        chosen = msgspec.structs.replace(chosen, **bounds_of(strategy))
    chosen = msgspec.structs.replace(chosen, **{name: value for name, value in given.items() if value is not None})
    _check(chosen)
    return chosen


def _check(settings: CacheSettings) -> None:
    for name in ("max_size", "max_bytes"):
        value = getattr(settings, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise CacheError(f"{name} is {shown(value)}. It must be at least 1. Give None for no such bound.")
    ttl = settings.default_ttl
    if ttl is not None and not seconds("default_ttl", ttl, FOR_EVER) > 0.0:
        raise CacheError(f"default_ttl is {shown(ttl)}. It must be more than 0 seconds. {FOR_EVER}")
    if not isinstance(settings.compression, bool):
        raise CacheError(f"compression is {shown(settings.compression)}. It must be a bool. Give True or False.")
    if settings.value_format not in get_args(ValueFormat):
        raise CacheError(
            f"value_format is {shown(settings.value_format)}. There are {', '.join(get_args(ValueFormat))}. Use one of "
            "them."
        )
    url: Any = settings.redis_url
    if url is not None and (not isinstance(url, str) or not re.match(REDIS_URL, url)):
        # Not shown: it may hold a password.
        raise CacheError(
            "redis_url cannot be used. It must be a URL that begins with redis://, rediss:// or unix://, or None. "
            "Correct it."
        )


def policy_of(strategy: Any) -> tuple[str, Callable[[int], Policy]]:
    """Return the name of *strategy*, and what makes its policy.

    Raises:
        CacheError: There is no such strategy.
    """
    if isinstance(strategy, MutableMapping):
        if not is_foreign(strategy):
            raise _no_strategy(strategy)
        return type(strategy).__name__.lower(), lambda _: Foreign(strategy)
    if callable(strategy):
        return getattr(strategy, "__name__", type(strategy).__name__).lower(), strategy
    if not isinstance(strategy, str) or strategy not in POLICIES:
        raise _no_strategy(strategy)
    return strategy, POLICIES[strategy]


def _no_strategy(strategy: Any) -> CacheError:
    return CacheError(
        f"The strategy {shown(strategy)} does not exist. There are {', '.join(POLICIES)}, policies of your own and "
        "caches of cachetools. Use one of them."
    )


def make_engine(
    settings: CacheSettings,
    context: Context,
    *,
    strategy: Any,
    make_policy: Callable[[int], Policy],
    sizeof: Callable[[Any], int] | None,
    clock: Clock | None,
    rng: random.Random | None,
) -> Engine:
    """Return the engine of *settings*.

    Raises:
        CacheError: An argument cannot be.
    """
    if sizeof is not None:
        function("sizeof", sizeof, "sizeof=len")
    sizeof = sizeof or (sizes_of(strategy) if is_foreign(strategy) else None)
    clock = clock or context.clock
    if rng is not None and not callable(getattr(rng, "random", None)):
        raise CacheError(f"rng is {shown(rng)}. It must be a random.Random. Give random.Random(1) in tests.")
    most = settings.max_size or 0
    tier = Tier(
        lambda: make_policy(most),
        max_size=settings.max_size,
        max_bytes=settings.max_bytes,
        now=clock.monotonic,
        control=context.store.control,
    )
    packing = Packing(
        codec_of(settings.value_format),
        compression=settings.compression,
        threshold=settings.compression_threshold,
        sizes=settings.max_bytes is not None and sizeof is None,
    )
    return Engine(
        tier,
        packing,
        Numbers(context.store),
        clock=clock,
        rng=rng or random.Random(),
        errors=context.errors,
        default_ttl=settings.default_ttl,
        jitter=settings.ttl_jitter,
        wait=settings.load_wait,
        sizeof=sizeof,
    )
