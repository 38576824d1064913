"""What the monitor finds wrong: calls that block event loops, workers that keep growing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from perfkit.core.findings import Finding, Priority
from perfkit.performance.blocking.report import BlockedSite
from perfkit.performance.memory.watch import MemoryGrowth

__all__ = ["blocked", "growing"]

MOST = 20
"""Call sites told."""

MIB = 1024.0 * 1024.0


def blocked(sites: Iterable[BlockedSite]) -> Iterator[Finding]:
    """Yield a finding for each of *sites* that something is known of."""
    for site in [each for each in sites if each.site][:MOST]:
        last = site.last
        yield Finding(
            code="PK201",
            kind="blocked_loop",
            component="performance",
            priority=Priority.HIGH if site.longest >= 1.0 or site.waiting >= 10 else Priority.MEDIUM,
            message=f"{site.function} blocked the event loop {site.count} times, {site.seconds:.2f} s in all, "
            f"{site.longest:.2f} s at most; nothing else could run meanwhile.",
            action="Await an async call instead, or run it in a thread (asyncio.to_thread, or a plain def endpoint).",
            site=site.site,
            object=f"{last.method} {last.route}".strip() or None,
            evidence={
                "count": site.count,
                "seconds": site.seconds,
                "longest": site.longest,
                "waiting": site.waiting,
                "code": last.code,
                "blocked_in": last.blocked_in,
            },
            confidence="sure",
            fingerprint=f"blocked_loop:{site.site.rpartition(':')[0]}:{site.function}",
        )


def growing(suspects: Iterable[MemoryGrowth]) -> Iterator[Finding]:
    """Yield a finding for each worker among *suspects*."""
    for each in suspects:
        yield Finding(
            code="PK202",
            kind="memory_growth",
            component="performance",
            priority=Priority.MEDIUM,
            message=f"The worker {each.pid} grows by {each.bytes_per_hour / MIB:.1f} MiB an hour and has done so for "
            f"{each.seconds / 60:.0f} minutes.",
            action="Look for a cache or a list without bound; performance.memory.types and .tracemalloc tell more.",
            object=next(iter(each.lines or each.types), None),
            evidence={
                "bytes_per_hour": each.bytes_per_hour,
                "low": each.low,
                "high": each.high,
                "resident": each.resident,
                "types": each.types,
                "lines": each.lines,
            },
            confidence="likely" if each.confidence >= 0.97 else "guess",
            fingerprint="memory_growth",
        )
