"""From what is known of the cache to findings: one rule each, with the least evidence that it asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from perfkit.cache.memory.traffic import MANY, Heavy, Storm
from perfkit.cache.shadow.snapshot import ShadowEstimate
from perfkit.cache.snapshot import CacheSnapshot, NamespaceSnapshot
from perfkit.core.findings import Effect, Finding, Priority

if TYPE_CHECKING:
    from perfkit.cache.http.candidates import Candidate

__all__ = ["cacheable", "find"]

MOST = 20
"""Findings of one kind."""

ENOUGH = 1000
"""Look-ups from which on a namespace is judged."""

USELESS = 0.05
"""Hit ratio below which a namespace costs more than it saves."""

UNREAD = 0.8
"""Part of the values never read from which on they should not be stored."""

EXPIRED = 0.5
"""Part of the misses that are values which were there and had ended, from which on the time to live is too short."""

GAIN = 0.03
"""Difference of the hit ratio that is worth telling."""

SAVED, MUCH_SAVED = 0.005, 0.05
"""Seconds of the app's work in each second that a response cache must save to be worth telling, and to be much."""

LEAST_TTL = 1.0
"""Seconds: a response that changes sooner is no candidate."""


def find(cache: CacheSnapshot, storms: Iterable[Storm] = (), heavies: Iterable[Heavy] = ()) -> Iterator[Finding]:
    """Yield what is wrong with *cache* and its *storms*, of all workers; *heavies* are what this worker saw."""
    names = sorted(cache.namespaces, key=lambda name: -_lookups(cache.namespaces[name]))[:MOST]
    shadows = {} if cache.shadow is None else cache.shadow.namespaces
    useless = set()
    for storm in _first(storms, lambda each: max(each.waited, each.repeated)):
        yield from _stampede(storm)
    for name in names:
        space = cache.namespaces[name]
        if _lookups(space) >= ENOUGH and space.hit_ratio is not None and space.hit_ratio < USELESS:
            useless.add(name)
            yield _useless(name, space)
    for heavy in _first(heavies, lambda each: each.largest * each.count):
        yield _oversized(heavy, cache)
    for name, shadow in shadows.items():
        space = cache.namespaces.get(name, NamespaceSnapshot())
        if shadow.unread is not None and shadow.unread >= UNREAD and name not in useless:
            yield _unread(name, shadow.unread, space)
        expired = shadow.expired or 0.0
        if expired >= EXPIRED and expired * (1.0 - shadow.hit_ratio) >= GAIN:
            yield _too_short(name, shadow, space)
    if cache.shadow is not None:
        yield from _another_cache(cache, cache.shadow.total)


def _lookups(space: NamespaceSnapshot) -> int:
    return space.hits + space.misses + space.stale_hits


def _first(found: Iterable[Any], weight: Callable[[Any], float]) -> list[Any]:
    return sorted(found, key=weight, reverse=True)[:MOST]


def _finding(code: str, kind: str, about: str, **details: Any) -> Finding:
    return Finding(code=code, kind=kind, component="cache", object=about, fingerprint=f"{kind}:{about}", **details)


def _stampede(storm: Storm) -> Iterator[Finding]:
    about = f"{storm.namespace}: {storm.key}"
    place = {"site": storm.site or None, "route": storm.route or None}
    if storm.repeated >= MANY:
        yield _finding(
            "PK301",
            "cache_stampede",
            about,
            priority=Priority.HIGH,
            message=f"{storm.repeated + 1} callers found no value for {storm.key!r} at once, and each made its own.",
            action="Load it through memoize or @memoized, which lets one load for all who ask.",
            evidence={"callers": storm.repeated + 1, "times": storm.count},
            seen=storm.count,
            fix={"python": f"cache.memoize({storm.key!r}, load, ttl=60, stale_while_revalidate=30)"},
            confidence="likely",
            estimate={"loads_saved": float(storm.repeated)},
            **place,
        )
    elif storm.waited >= MANY:
        yield _finding(
            "PK301",
            "cache_stampede",
            about,
            priority=Priority.MEDIUM,
            message=f"{storm.waited} callers at once waited for one load of {storm.key!r}.",
            action="Let the old value serve while the new one is loaded: stale_while_revalidate or early_refresh.",
            evidence={"callers": storm.waited, "times": storm.count},
            seen=storm.count,
            fix={"python": "@cache.memoized(ttl=60, stale_while_revalidate=30, early_refresh=1)"},
            estimate={"waits_saved": float(storm.waited)},
            **place,
        )


def _useless(name: str, space: NamespaceSnapshot) -> Finding:
    ratio, lookups = space.hit_ratio or 0.0, _lookups(space)
    return _finding(
        "PK302",
        "useless_cache",
        name,
        priority=Priority.MEDIUM,
        message=f"The cache namespace {name} answered {100.0 * ratio:.1f} % of {lookups} look-ups; "
        "it costs more than it saves.",
        action="Look at its keys: a time, a token or the whole request in a key makes each one unique. Else drop it.",
        evidence={
            "hit_ratio": ratio,
            "lookups": lookups,
            "evictions": dict(space.evictions),
            "load_seconds": space.load_seconds,
        },
        fix={"python": "@cache.memoized(key=lambda request: request.user_id)  # what the result depends on, no more"},
    )


def _oversized(heavy: Heavy, cache: CacheSnapshot) -> Finding:
    bound = cache.max_bytes or 0
    more = max(bound * 4, heavy.largest * 8)
    refused = f" {heavy.refused} of them were refused, as they are more than a quarter of it." if heavy.refused else ""
    return _finding(
        "PK303",
        "oversized_value",
        f"{heavy.namespace}: {heavy.key}",
        priority=Priority.MEDIUM if heavy.refused else Priority.LOW,
        message=f"Values of {heavy.key!r} take up to {heavy.largest} bytes each, "
        f"{100.0 * heavy.largest / max(bound, 1):.0f} % of cache.max_bytes.{refused}",
        action="Cache less of it (what is used, one page), switch compression on, or raise cache.max_bytes.",
        evidence={"largest": heavy.largest, "count": heavy.count, "refused": heavy.refused, "max_bytes": bound},
        fix={"environment": f"PERFKIT_CACHE__COMPRESSION=true\nPERFKIT_CACHE__MAX_BYTES={more}"},
    )


def _unread(name: str, unread: float, space: NamespaceSnapshot) -> Finding:
    return _finding(
        "PK304",
        "cache_keys_never_read",
        name,
        priority=Priority.LOW,
        message=f"{100.0 * unread:.0f} % of the values stored in the cache namespace {name} are never read; they push "
        "others out.",
        action="Store when a value is asked for the second time, give it a short ttl, or choose the strategy adaptive, "
        "which lets such values leave first.",
        evidence={"unread": unread, "evictions": dict(space.evictions)},
        fix={"environment": "PERFKIT_CACHE__STRATEGY=adaptive"},
        confidence="likely",
    )


def _too_short(name: str, shadow: ShadowEstimate, space: NamespaceSnapshot) -> Finding:
    expired = shadow.expired or 0.0
    gain = expired * (1.0 - shadow.hit_ratio)
    return _finding(
        "PK305",
        "ttl_too_short",
        name,
        priority=Priority.MEDIUM,
        message=f"{100.0 * expired:.0f} % of the misses in the cache namespace {name} are values that were there "
        "and had expired.",
        action="Raise their ttl, or let stale values serve while new ones are loaded; invalidate by tags when data "
        "changes instead of waiting for the end.",
        evidence={"expired_of_misses": expired, "hit_ratio": shadow.hit_ratio, "load_seconds": space.load_seconds},
        fix={"python": "@cache.memoized(ttl=..., stale_while_revalidate=30, tags=[...])"},
        confidence="likely",
        estimate=_estimate(gain, space),
    )


def _estimate(gain: float, space: NamespaceSnapshot) -> dict[str, float]:
    """Return what a hit ratio higher by *gain* is worth."""
    found = {"hit_ratio_gain": gain}
    missed = space.misses / max(1, _lookups(space))
    if space.load_seconds and missed:
        found["load_seconds_saved"] = space.load_seconds * min(1.0, gain / missed)
    return found


def _another_cache(cache: CacheSnapshot, shadow: ShadowEstimate) -> Iterator[Finding]:
    """Yield what another size or another strategy would gain."""
    before = shadow.hit_ratio
    evidence = {
        "hit_ratio": before,
        "sizes": dict(shadow.sizes),
        "strategies": dict(shadow.strategies),
        "strategy": cache.strategy,
    }
    double = shadow.sizes.get("2", before) - before
    if double >= GAIN:
        what, bound = ("max_size", cache.max_size) if cache.max_size is not None else ("max_bytes", cache.max_bytes)
        yield _finding(
            "PK306",
            "cache_too_small",
            "cache",
            priority=Priority.MEDIUM if double >= 2 * GAIN else Priority.LOW,
            message=f"Doubling this cache gains {100 * double:.0f} points of hit ratio, from {100.0 * before:.0f} % to "
            f"{100.0 * (before + double):.0f} %.",
            action=f"Raise cache.{what} if the workers have the memory.",
            evidence=evidence,
            fix={"environment": f"PERFKIT_CACHE__{what.upper()}={2 * (bound or 0)}"},
            confidence="likely",
            estimate=_estimate(double, cache),
        )
    best = max(shadow.strategies, key=lambda name: shadow.strategies[name], default="")
    gain = shadow.strategies[best] - before if best else 0.0
    if best != "adaptive" and shadow.strategies.get("adaptive", 0.0) - before > gain - GAIN / 3:
        # About as good, and good for other traffic too.
        best, gain = "adaptive", shadow.strategies.get("adaptive", before) - before
    if gain >= GAIN:
        yield _finding(
            "PK307",
            "cache_strategy",
            "cache",
            priority=Priority.MEDIUM if gain >= 2 * GAIN else Priority.LOW,
            message=f"The strategy {best} gains {100 * gain:.0f} points of hit ratio over {cache.strategy}, from "
            f"{100.0 * before:.0f} % to {100.0 * (before + gain):.0f} %, with the same memory.",
            action=f"Set cache.strategy to {best}.",
            evidence=evidence,
            fix={"environment": f"PERFKIT_CACHE__STRATEGY={best}"},
            confidence="likely",
            estimate=_estimate(gain, cache),
        )


def cacheable(candidates: Iterable[Candidate]) -> Iterator[Finding]:
    """Yield the routes whose responses are worth keeping, of *candidates*, which are what this worker sampled."""
    worth = [each for each in candidates if each.saved >= SAVED and each.ttl >= LEAST_TTL]
    for each in worth[:MOST]:
        seconds = int(each.keep_for)
        rule = json.dumps({each.route: seconds})
        yield _finding(
            "PK308",
            "cacheable_route",
            each.route,
            priority=Priority.MEDIUM if each.saved >= MUCH_SAVED else Priority.LOW,
            message=f"A cache would answer about {100.0 * each.hit_ratio:.0f} % of {each.route} if its responses were "
            f"kept for {seconds} s; one stays the same for {each.ttl:.0f} s on average.",
            action=f"Keep its responses for {seconds} s, if they may be as old as that for those who ask: "
            "cache.http_cache.",
            route=each.route,
            evidence={
                "repeat_ratio": each.repeat_ratio,
                "rate": each.rate,
                "seconds": each.seconds,
                "unchanged_seconds": each.ttl,
                "keep_for_seconds": each.keep_for,
                "outdated_ratio": each.outdated,
                "samples": each.samples,
            },
            fix={"environment": f"PERFKIT_CACHE__HTTP_CACHE={rule}"},
            confidence="likely",
            estimate={"seconds_saved_per_second": each.saved, "hit_ratio": each.hit_ratio},
            # Rounded, so that it is not another effect each time.
            effect=Effect(hit_ratio=round(each.hit_ratio, 2)),
        )
