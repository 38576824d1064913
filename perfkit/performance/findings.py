"""What the monitor finds wrong: what blocks event loops and holds threads, who keeps growing, pauses for garbage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from perfkit.core.code.places import is_users
from perfkit.core.findings import Finding, Priority

if TYPE_CHECKING:
    from perfkit.performance.blocking.report import BlockedSite
    from perfkit.performance.memory.watch import MemoryGrowth
    from perfkit.performance.snapshot import Latency
    from perfkit.performance.stuck.report import StuckRequest

__all__ = ["blocked", "collected", "growing", "stuck"]

MOST = 20
"""Call sites told."""

SHORT = 0.5
"""Seconds below which a call that blocked the loop only once may have been chance; it is no finding."""

FEW = 10
"""Requests that waited below which it may have been; from them on it is of high priority."""

LONG_PAUSE = 0.05
"""Seconds of a collection from which people notice."""

LARGE_SHARE = 0.05
"""Part of the time spent in collections from which it is worth a look."""

MIB = 1024.0 * 1024.0


def blocked(sites: Iterable[BlockedSite]) -> Iterator[Finding]:
    """Yield a finding for each of *sites* that something is known of, and that may not be chance."""
    for site in [each for each in sites if each.site and not _is_chance(each)][:MOST]:
        last = site.last
        yield Finding(
            code="PK401",
            kind="blocked_loop",
            component="performance",
            priority=Priority.HIGH if site.longest >= 1.0 or site.waiting >= FEW else Priority.MEDIUM,
            message=f"{site.function} blocked the event loop {_how_long(site)}; nothing else could run meanwhile.",
            action="Await an async call instead, or run it in a thread (asyncio.to_thread, or a plain def endpoint).",
            site=site.site,
            route=f"{last.method} {last.route}".strip() or None,
            object=f"{last.method} {last.route}".strip() or None,
            evidence={
                "count": site.count,
                "seconds": site.seconds,
                "longest": site.longest,
                "waiting": site.waiting,
                "code": last.code,
                "blocked_in": last.blocked_in,
            },
            fix=_unblocked(last.code),
            confidence="sure",
            fingerprint=f"blocked_loop:{site.site.rpartition(':')[0]}:{site.function}",
            seen=site.count,
        )


def _is_chance(site: BlockedSite) -> bool:
    return site.count == 1 and site.longest < SHORT and site.waiting < FEW


def _unblocked(code: str) -> dict[str, str]:
    """Return the line *code* as it does not block: its call in a thread, or asyncio's own sleep."""
    import ast

    try:
        statement = ast.parse(code).body[0]
    except (SyntaxError, ValueError, IndexError):  # part of a statement over several lines
        statement = ast.Pass()
    call = getattr(statement, "value", None)
    if not isinstance(statement, (ast.Expr, ast.Assign, ast.Return)) or not isinstance(call, ast.Call):
        return {"python": "await asyncio.to_thread(blocking_call, ...)"}
    function, arguments = ast.unparse(call.func), [*call.args, *call.keywords]
    told = ", ".join(ast.unparse(each) for each in arguments)
    if function in ("time.sleep", "sleep"):
        text = f"await asyncio.sleep({told})"
    elif any(isinstance(each, ast.Call) for each in ast.walk(call.func)):
        text = f"await asyncio.to_thread(lambda: {ast.unparse(call)})"
    else:
        text = f"await asyncio.to_thread({', '.join(filter(None, (function, told)))})"
    statement.value = ast.parse(text, mode="eval").body
    return {"python": ast.unparse(statement)}


def _how_long(site: BlockedSite) -> str:
    if site.count == 1:
        return f"once, for {site.longest:.2f} s"
    return f"{site.count} times, {site.seconds:.2f} s in all, {site.longest:.2f} s at most"


def growing(suspects: Iterable[MemoryGrowth]) -> Iterator[Finding]:
    """Yield a finding for each worker among *suspects*."""
    for each in suspects:
        site, what = _what_grows(each)
        yield Finding(
            code="PK402",
            kind="memory_growth",
            component="performance",
            priority=Priority.MEDIUM,
            message=f"The worker {each.pid} grows by {_bytes(each.bytes_per_hour)} an hour and has done so for "
            f"{_lasting(each.seconds)}.{what}",
            action="Look for a cache or a list without bound"
            + ("." if site else "; performance.memory.types and .tracemalloc tell more."),
            site=site,
            object=next(iter(each.homes or each.lines or each.types), None),
            evidence={
                "bytes_per_hour": each.bytes_per_hour,
                "seconds": each.seconds,
                "low": each.low,
                "high": each.high,
                "resident": each.resident,
                "types": each.types,
                "lines": each.lines,
            },
            fix={"python": "collections.deque(maxlen=10_000)  # in place of a list that only grows"},
            confidence="likely" if each.confidence >= 0.97 else "guess",
            fingerprint="memory_growth",
        )


def _what_grows(growth: MemoryGrowth) -> tuple[str | None, str]:
    """Return the line of the user's code that allocates most, else where the type is defined of which there are more.

    And the sentence that tells of it.
    """
    for line, size in growth.lines.items():
        if is_users(line.rpartition(":")[0]):
            return line, f" {size / MIB:.1f} MiB more were allocated at {line}."
    for name, count in growth.types.items():
        if name in growth.homes:
            return growth.homes[name], f" There are {count:,} more of {name}."
    return None, ""


def _bytes(number: float) -> str:
    return f"{number / MIB:.1f} MiB" if number < 1024 * MIB else f"{number / MIB / 1024:.1f} GiB"


def _lasting(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120.0 else f"{seconds:.0f} seconds"


def stuck(requests: Iterable[StuckRequest]) -> Iterator[Finding]:
    """Yield a finding for each place at which *requests* stood."""
    places: dict[tuple[str, str], list[StuckRequest]] = {}
    for each in requests:
        places.setdefault((each.site, each.function), []).append(each)
    for (site, function), members in list(places.items())[:MOST]:
        longest = max(members, key=lambda each: each.seconds)
        yield Finding(
            code="PK403",
            kind="stuck_request",
            component="performance",
            priority=Priority.HIGH,
            message=f"{len(members)} requests held a thread in {function} for up to {longest.seconds:.0f} s; as many "
            "threads as a worker has, and it serves nobody.",
            action="Give what it waits for a timeout: the lock, the query, the call of another service.",
            site=site,
            route=f"{longest.method} {longest.route}".strip() or None,
            object=f"{longest.method} {longest.route}".strip() or None,
            evidence={
                "count": len(members),
                "longest": longest.seconds,
                "waits_in": longest.waits_in,
                "code": longest.code,
                "stack": list(longest.stack),
            },
            confidence="sure",
            fingerprint=f"stuck_request:{site.rpartition(':')[0]}:{function}",
        )


def collected(pause: Latency, share: float | None) -> Iterator[Finding]:
    """Yield a finding if the garbage collector stops the workers for long, or often."""
    longest = pause.max or 0.0
    if longest < LONG_PAUSE and (share or 0.0) < LARGE_SHARE:
        return
    yield Finding(
        code="PK404",
        kind="gc_pauses",
        component="performance",
        priority=Priority.HIGH if longest >= 10 * LONG_PAUSE else Priority.MEDIUM,
        message=f"The garbage collector stopped a worker for up to {longest:.2f} s"
        + ("." if share is None else f", {100.0 * share:.1f} % of the time in all."),
        action="Call gc.freeze() when the app is loaded, and look for what keeps very many objects.",
        evidence={"longest": longest, "p99": pause.p99, "share": share},
        confidence="sure",
        fingerprint="gc_pauses",
    )
