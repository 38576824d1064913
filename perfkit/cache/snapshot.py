"""What the cache says of itself."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from perfkit.cache.numbers import BYTES, ENTRIES, EVICTIONS, LOAD_SECONDS, LOADS, LOOKUPS, SAVED_SECONDS
from perfkit.cache.shadow import published
from perfkit.cache.shadow.snapshot import ShadowSnapshot
from perfkit.core.families import Family
from perfkit.store import Store

__all__ = ["CacheSnapshot", "NamespaceSnapshot", "read"]


class NamespaceSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One namespace, all workers together, since the start of the service.

    Attributes:
        hits: Look-ups that found a fresh value in the worker.
        remote_hits: Look-ups that found it on the cache server.
        stale_hits: Look-ups for which a value served that was no longer fresh.
        hit_ratio: Hits of both kinds and stale hits of all look-ups, 0-1; None before the first.
        load_seconds: Time spent on loading.
        saved_seconds: Time that hits of memoized values saved.
        evictions: Values that left unasked, by cause.
    """

    hits: int = 0
    misses: int = 0
    stale_hits: int = 0
    remote_hits: int = 0
    hit_ratio: float | None = None
    loads: int = 0
    load_errors: int = 0
    load_seconds: float = 0.0
    saved_seconds: float = 0.0
    evictions: dict[str, int] = msgspec.field(default_factory=dict)


class CacheSnapshot(NamespaceSnapshot, frozen=True, kw_only=True):
    """The cache of all workers: the sums, and each namespace.

    Attributes:
        strategy: Who leaves when it is full.
        entries: Values held by all live workers.
        bytes: Their size; None where sizes are not looked at.
        max_size: The most values in one worker.
        max_bytes: The most bytes in one worker.
        shadow: What another size or strategy would do; None until enough is known.
    """

    strategy: str
    entries: int = 0
    bytes: int | None = None
    max_size: int | None = None
    max_bytes: int | None = None
    namespaces: dict[str, NamespaceSnapshot] = msgspec.field(default_factory=dict)
    shadow: ShadowSnapshot | None = None


class _Sums:
    """The figures of one namespace while they are summed up."""

    def __init__(self) -> None:
        self.lookups: dict[str, float] = {}
        self.loads: dict[str, float] = {}
        self.evictions: dict[str, float] = {}
        self.load_seconds = self.saved_seconds = 0.0

    def take(self, name: str, labels: tuple[str, ...], value: float) -> None:
        if name == LOAD_SECONDS.name:
            self.load_seconds += value
        elif name == SAVED_SECONDS.name:
            self.saved_seconds += value
        else:
            home = {LOOKUPS.name: self.lookups, LOADS.name: self.loads, EVICTIONS.name: self.evictions}[name]
            home[labels[1]] = home.get(labels[1], 0.0) + value

    def fields(self) -> dict[str, object]:
        words = ("hit", "miss", "stale", "remote_hit")
        hits, misses, stale, remote = (int(self.lookups.get(word, 0.0)) for word in words)
        total = hits + misses + stale + remote
        return {
            "hits": hits,
            "misses": misses,
            "stale_hits": stale,
            "remote_hits": remote,
            "hit_ratio": (total - misses) / total if total else None,
            "loads": int(sum(self.loads.values())),
            "load_errors": int(self.loads.get("error", 0.0)),
            "load_seconds": self.load_seconds,
            "saved_seconds": self.saved_seconds,
            "evictions": {cause: int(count) for cause, count in sorted(self.evictions.items())},
        }


COUNTERS = (LOOKUPS, LOADS, LOAD_SECONDS, SAVED_SECONDS, EVICTIONS)


def read(store: Store, *, strategy: str, max_size: int | None, max_bytes: int | None, is_sized: bool) -> CacheSnapshot:
    """Return the figures of all workers."""
    families = {family.definition.name: family for family in store.families({*_names()})}
    total, spaces = _Sums(), dict[str, _Sums]()
    for definition in COUNTERS:
        for labels, value in _points(families.get(definition.name)):
            total.take(definition.name, labels, value)
            spaces.setdefault(labels[0], _Sums()).take(definition.name, labels, value)
    entries, size = (sum(value for _, value in _points(families.get(each.name))) for each in (ENTRIES, BYTES))
    return CacheSnapshot(
        strategy=strategy,
        entries=int(entries),
        bytes=int(size) if is_sized else None,
        max_size=max_size,
        max_bytes=max_bytes,
        shadow=published.read(
            _points(families.get(published.ESTIMATE.name)), _points(families.get(published.QUALITIES.name))
        ),
        namespaces={name: NamespaceSnapshot(**sums.fields()) for name, sums in sorted(spaces.items())},  # type: ignore[arg-type] # made just above, one name a field
        **total.fields(),  # type: ignore[arg-type] # the same
    )


def _names() -> Iterable[str]:
    return (definition.name for definition in (*COUNTERS, ENTRIES, BYTES, published.ESTIMATE, published.QUALITIES))


def _points(family: Family | None) -> list[tuple[tuple[str, ...], float]]:
    if family is None:
        return []
    return [(point.labels, float(point.value)) for point in family.points if isinstance(point.value, (int, float))]
