"""The settings of the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from perfkit.core.settings import HIDDEN, Settings

if TYPE_CHECKING:
    from perfkit.core.context import Context

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
    shadow: Annotated[
        bool,
        Meta(
            description="Watch a sample of the keys now and then, to tell what other sizes and strategies would do; "
            "takes about 1 % of the cache's own time. Not with a cache of cachetools as the strategy."
        ),
    ] = True
    redis_url: Annotated[
        Annotated[str, Meta(pattern=r"^(redis|rediss|unix|valkey|valkeys)://", max_length=2000)] | None,
        Meta(
            description="A Redis or Valkey server that all hosts share as second tier, as a URL of redis-py; None for "
            "none. Give it as PERFKIT_CACHE__REDIS_URL if it holds a password.",
            extra={"secret": True, "expected": "a URL that begins with redis://, rediss:// or unix://, or None"},
        ),
    ] = None
    redis_prefix: Annotated[
        str,
        Meta(
            max_length=200,
            description="What all keys on the server begin with; empty: the name of the service. Services with the "
            "same prefix share their values.",
        ),
    ] = ""
    redis_timeout: Annotated[
        float,
        Meta(
            gt=0,
            le=10,
            description="Seconds that one call of the cache may spend on the server; then it goes on without. To "
            "connect may take as long again.",
        ),
    ] = 0.25
    redis_connections: Annotated[
        int,
        Meta(ge=1, le=10_000, description="The most connections of one worker, for each event loop and for threads."),
    ] = 32
    redis_local_ttl: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds that a worker keeps a value of the server at most, should it miss that others changed "
            "it; 0 keeps none.",
        ),
    ] = 30.0
    redis_max_ttl: Annotated[
        float,
        Meta(gt=0, le=31_536_000, description="Seconds that a value stays on the server at most."),
    ] = 604_800.0
    redis_lock_ttl: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="Seconds for which one process loads a value for those of all hosts; if it has died by then "
            "another one loads.",
        ),
    ] = 10.0
    redis_pickle_key: Annotated[
        Annotated[str, Meta(min_length=16, max_length=500, pattern=r"^[!-~]+\Z")] | None,
        Meta(
            description="A secret that signs pickled values, the same in all workers; None: only plain data, which "
            "msgpack carries, goes to the server.",
            extra={"secret": True, "expected": "text of 16 to 500 printable ASCII characters without spaces, or None"},
        ),
    ] = None

    def has_work(self, context: Context) -> bool:
        """Return whether there is a second tier to listen to; values of its own a cache has once it is asked."""
        return self.redis_url is not None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return name and value of each field without the secrets: settings are logged and shown in tracebacks."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, HIDDEN if name in SECRETS and value is not None else value) for name, value in values]

    def __repr__(self) -> str:
        """Return the fields without the secrets."""
        return f"CacheSettings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


SECRETS = frozenset({"redis_url", "redis_pickle_key"})
