"""The settings of the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, field

from perfkit.core.settings import HIDDEN, Settings

if TYPE_CHECKING:
    from perfkit.core.context import Context

__all__ = ["CacheSettings", "HttpCacheSettings", "Strategy", "ValueFormat"]

Strategy = Literal["lru", "lfu", "fifo", "ttl", "adaptive"]
ValueFormat = Literal["raw", "msgpack", "json", "pickle"]

REDIS_URL = r"^(redis|rediss|unix|valkey|valkeys)://"
CachedRoute = Annotated[str, Meta(pattern=r"^GET /[^?#\s]*\Z", max_length=500)]
RouteSeconds = Annotated[float, Meta(ge=0, le=31_536_000)]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z", max_length=100)]
CookieName = Annotated[str, Meta(pattern=r"^[^\s;=,]+\Z", max_length=200)]


class HttpCacheSettings(Settings, frozen=True):
    """How whole responses are cached; which routes are, `cache.http_cache` says."""

    max_body: Annotated[
        int, Meta(ge=0, le=1_073_741_824, description="Bytes of the largest body that is kept; larger ones pass by.")
    ] = 1_048_576
    max_bytes: Annotated[
        int, Meta(ge=1024, description="Bytes that kept responses take in one worker, headers included.")
    ] = 67_108_864
    max_urls: Annotated[
        int, Meta(ge=1, le=1_000_000, description="The most URLs in one worker of which responses are kept.")
    ] = 1000
    stale_while_revalidate: Annotated[
        float,
        Meta(
            ge=0,
            le=31_536_000,
            description="Seconds after its end in which a response still serves while one request renews it, where the "
            "response says nothing else.",
        ),
    ] = 0.0
    stale_if_error: Annotated[
        float,
        Meta(
            ge=0,
            le=31_536_000,
            description="Seconds after its end in which a response serves when the app fails (5xx or an exception), "
            "where the response says nothing else.",
        ),
    ] = 0.0
    not_found_ttl: Annotated[
        float,
        Meta(ge=0, le=31_536_000, description="Seconds that a 404 or 410 is kept at most where it says nothing else."),
    ] = 10.0
    wait: Annotated[
        float,
        Meta(gt=0, le=600, description="Seconds that a request waits for another one that asks the app for the same."),
    ] = 5.0
    client_directives: Annotated[
        bool,
        Meta(
            description="Let clients ask for less or more than the cache would give: Cache-Control and Pragma of the "
            "request."
        ),
    ] = True
    etags: Annotated[
        bool, Meta(description="Give kept responses without an ETag one made of their bodies, so that 304 can answer.")
    ] = True
    status_header: Annotated[
        bool, Meta(description="Tell in the header Cache-Status what the cache did (RFC 9211).")
    ] = True
    sample: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Of so many GETs of other routes one is looked at, to find those worth caching; 0 for none.",
        ),
    ] = 0
    ignored_cookies: Annotated[
        list[CookieName],
        Meta(
            description="Cookies that change no response of a cached route, such as those of statistics; a * at the "
            "end stands for any rest.",
            extra={"expected": "a list of names of cookies, such as _ga or _ga_*"},
        ),
    ] = field(default_factory=list)
    personal_headers: Annotated[
        list[HeaderName],
        Meta(
            description="More request headers that say who asks, beside Authorization, Cookie and the usual ones: "
            "such requests share only what the response says is public.",
            extra={"expected": "a list of names of headers, such as X-Tenant"},
        ),
    ] = field(default_factory=list)


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
        Annotated[str, Meta(pattern=REDIS_URL, max_length=2000)] | None,
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
            description="Seconds that one call of the cache may spend on the server, connecting included; then it goes "
            "on without.",
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
    http_cache: Annotated[
        dict[CachedRoute, RouteSeconds],
        Meta(
            description="Routes whose whole responses are cached, and for how many seconds where a response does not "
            'say itself. For example {"GET /products": 30}.',
            extra={
                "expected": "a dict of GET and route template (such as GET /products/{id}) to seconds from 0 to "
                "31536000"
            },
        ),
    ] = field(default_factory=dict)
    http: HttpCacheSettings = field(default_factory=HttpCacheSettings)

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield a way to keep values that cannot keep the bytes of a response."""
        if self.http_cache and self.value_format == "json":
            yield (
                ("http_cache", "value_format"),
                '{0} names routes, but {1} is "json". JSON cannot carry the bytes of a response. '
                'Set {1} to "raw" or "msgpack".',
            )

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
