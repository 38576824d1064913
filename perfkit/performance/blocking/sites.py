"""The blocks of one worker by call site: bounded, told to all workers by the store's texts, logged with measure."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

import msgspec

from perfkit.performance.blocking.report import BlockedLoop, BlockedSite, Record, joined

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["KIND", "Sites"]

logger = logging.getLogger("perfkit.performance")

KIND = "blocked_loop"
"""The kind of these texts in the store."""

LOG_INTERVAL = 60.0
"""Seconds between two log lines of one site."""

TELL_INTERVAL = 5.0
"""Seconds between two texts of one site, but for its first."""

REPEAT_INTERVAL = 300.0
"""Seconds after which a text is written again, as texts of others may have pushed it out of the ring."""


class _Known:
    """One site and when it was last told."""

    __slots__ = ("is_changed", "logged_at", "site", "told_at", "unlogged")

    def __init__(self, site: BlockedSite) -> None:
        self.site, self.is_changed, self.unlogged = site, True, 0
        self.told_at = self.logged_at = float("-inf")


class Sites:
    """What blocked the loops of this process. Thread-safe."""

    def __init__(self, store: Store, most: int) -> None:
        """Keep at most *most* sites; the one not seen for longest makes room."""
        self._store, self._most = store, most
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _Known] = {}
        self._worker = f"{os.getpid()}-{store.clock.time():.3f}"

    def add(self, block: BlockedLoop, now: float) -> None:
        """Take *block* in at *now* (monotonic seconds), write it down and log it if that is due."""
        key = (block.site, block.function)
        one = BlockedSite(
            site=block.site,
            function=block.function,
            count=1,
            seconds=block.seconds,
            longest=block.seconds,
            last_at=block.at,
            waiting=block.waiting,
            arrived=block.arrived,
            last=block,
        )
        with self._lock:
            known = self._known.pop(key, None)
            if known is None:
                known = _Known(one)
                if len(self._known) >= self._most:
                    del self._known[next(iter(self._known))]
            else:
                known.site = msgspec.structs.replace(joined(one, known.site), workers=1)
                known.is_changed = True
            self._known[key] = known
        self._log(known, block, now)
        self._tell(known, now)

    def tick(self, now: float) -> None:
        """Write down what changed, at *now* monotonic seconds."""
        with self._lock:
            known = list(self._known.values())
        for each in known:
            self._tell(each, now)

    def _tell(self, known: _Known, now: float) -> None:
        wait = TELL_INTERVAL if known.is_changed else REPEAT_INTERVAL
        if now - known.told_at < wait:
            return
        known.told_at, known.is_changed = now, False
        record = msgspec.to_builtins(Record(worker=self._worker, site=known.site))
        self._store.texts.append(KIND, record)

    @staticmethod
    def _log(known: _Known, block: BlockedLoop, now: float) -> None:
        if now - known.logged_at < LOG_INTERVAL:
            known.unlogged += 1
            return
        more = f" ({known.unlogged} more times since the last line)" if known.unlogged else ""
        known.logged_at, known.unlogged = now, 0
        request = f" while it served {block.method} {block.route or '(no route)'}" if block.method else ""
        others = f", {block.waiting} other requests waited" if block.waiting else ""
        where = f"{block.site} in {block.function}" if block.site else "a call that could not be seen"
        logger.warning(
            "perfkit.performance: the event loop %r was blocked for %.3f s by %s%s%s%s. "
            "Await an async call instead, or run it in a thread.",
            block.loop,
            block.seconds,
            where,
            request,
            others,
            more,
        )
