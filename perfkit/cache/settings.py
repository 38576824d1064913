"""The settings of the cache."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from perfkit.core.settings import Settings

__all__ = ["CacheSettings", "Strategy", "ValueFormat"]

Strategy = Literal["lru", "lfu", "fifo", "ttl", "adaptive"]
ValueFormat = Literal["raw", "msgpack", "json", "pickle"]


class CacheSettings(Settings, frozen=True):
    """How much the cache holds in each worker, and who leaves when it is full."""

    enabled: Annotated[bool, Meta(description="Have a cache.")] = True
    strategy: Annotated[
        Strategy,
        Meta(
            description="Who leaves a full cache: lru the least recently used, lfu the least often used, fifo the "
            "oldest, ttl who expires first; adaptive weighs recency and frequency by what the traffic shows."
        ),
    ] = "lru"
    max_size: Annotated[
        Annotated[int, Meta(ge=1, le=100_000_000)] | None,
        Meta(description="The most values in one worker; None for no such bound."),
    ] = 10_000
    max_bytes: Annotated[
        Annotated[int, Meta(ge=1024)] | None,
        Meta(description="The most bytes in one worker, as estimated when a value is stored; None for no such bound."),
    ] = None
    default_ttl: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Seconds that a value is fresh if its call does not say; None for ever."),
    ] = None
    ttl_jitter: Annotated[
        float,
        Meta(
            ge=0,
            le=0.9,
            description="Part of each time to live that is cut off at random, 0-0.9, so that what was stored together "
            "does not expire together.",
        ),
    ] = 0.0
    load_wait: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="Seconds that a call waits for another one's load of the same key, then it loads by itself.",
        ),
    ] = 30.0
    value_format: Annotated[
        ValueFormat,
        Meta(
            description="How values are kept: raw the very objects; msgpack, json or pickle as bytes, so that each "
            "call gets a copy of its own."
        ),
    ] = "raw"
    compression: Annotated[bool, Meta(description="Compress large values where that makes them smaller.")] = False
    compression_threshold: Annotated[
        int, Meta(ge=256, description="Bytes from which on a value is large enough to be compressed.")
    ] = 8192
