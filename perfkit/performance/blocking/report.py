"""What is told about a blocked event loop: one report each time, and the sum by call site over all workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

__all__ = ["BlockedLoop", "BlockedSite", "Victim", "merged"]


class Victim(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was under way in the loop while it was blocked.

    Attributes:
        route: Template; empty where none had matched.
        waited: Seconds for which it could not go on: the whole block, or since the request began. What it waited for
            itself (a query, a timer) may have taken part of that time anyway.
    """

    method: str
    route: str
    waited: float


class BlockedLoop(msgspec.Struct, frozen=True, kw_only=True):
    """The event ``blocked_loop``: a call kept an event loop from everything else.

    Attributes:
        at: Unix seconds of the end.
        loop: `main`, `loop-2` and so on.
        seconds: For how long, within a tenth of the threshold.
        site: ``path:line`` of the innermost frame of the user's own code; of all code where there is none of theirs;
            empty where nothing could be seen.
        function: Qualified name of the function at `site`.
        code: The source line at `site`.
        blocked_in: ``path:line in function`` of the innermost Python frame: the library's that blocks.
        task: Name of the task; empty in a plain callback.
        method, route: Of the request that the call served; empty where there was none.
        stack: Innermost first, at most 30.
        victims: Requests under way meanwhile, at most 20.
        waiting: How many these were in all.
        arrived: Requests that began right after: most of them lay in the sockets while the loop was blocked.
        pid: The worker.
    """

    at: float
    loop: str
    seconds: float
    site: str
    function: str = ""
    code: str = ""
    blocked_in: str = ""
    task: str = ""
    method: str = ""
    route: str = ""
    stack: tuple[str, ...] = ()
    victims: tuple[Victim, ...] = ()
    waiting: int = 0
    arrived: int = 0
    pid: int = 0


class BlockedSite(msgspec.Struct, frozen=True, kw_only=True):
    """All blocks by one call site, of all workers.

    Attributes:
        count: How often, since the workers started.
        seconds: In all.
        longest: The longest one, seconds.
        last_at: Unix seconds of the last one.
        waiting: Requests that were under way meanwhile, over all blocks.
        arrived: Requests that began right after, over all blocks.
        last: The last one whole.
        workers: In how many workers.
    """

    site: str
    function: str
    count: int
    seconds: float
    longest: float
    last_at: float
    waiting: int
    arrived: int
    last: BlockedLoop
    workers: int = 1


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker puts into the texts: its own sum of a site so far; a later record replaces it."""

    worker: str
    site: BlockedSite


def merged(records: Iterable[dict[str, Any]]) -> tuple[BlockedSite, ...]:
    """Return the sites of all workers, those that cost most first, from their *records*, newest first."""
    sites: dict[tuple[str, str], BlockedSite] = {}
    taken: set[tuple[str, str, str]] = set()
    for raw in records:
        try:
            record = msgspec.convert(raw, Record)
        except msgspec.ValidationError:  # of another version of perfkit
            continue
        one = record.site
        key = (one.site, one.function)
        if (record.worker, *key) in taken:
            continue
        taken.add((record.worker, *key))
        sites[key] = joined(sites[key], one) if key in sites else one
    return tuple(sorted(sites.values(), key=lambda each: (-each.seconds, each.site)))


def joined(one: BlockedSite, other: BlockedSite) -> BlockedSite:
    """Return the sum of the same site in two workers."""
    newer = one if one.last_at >= other.last_at else other
    return msgspec.structs.replace(
        newer,
        count=one.count + other.count,
        seconds=one.seconds + other.seconds,
        longest=max(one.longest, other.longest),
        waiting=one.waiting + other.waiting,
        arrived=one.arrived + other.arrived,
        workers=one.workers + other.workers,
    )
