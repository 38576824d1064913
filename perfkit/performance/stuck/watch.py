"""Looks which requests hold a thread for long: by a lock that never opens, a server that never answers.

No request pays for this. Only where a worker has had requests under way all the time for as long as the threshold, the
stacks of its threads are looked at; the frames tell which request they serve, and since when. It is told while it still
hangs, as one that hangs for ever never ends. A request that waits in an event loop holds no thread and is not meant; a
loop that stands still is.
"""

from __future__ import annotations

import logging
import os
import threading
from types import CodeType
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from perfkit.core.code.places import is_users, place_of, source_line
from perfkit.core.families import Definition, MetricType
from perfkit.performance.blocking.frames import stacks, uncollected
from perfkit.performance.stuck.report import KIND, StuckRequest
from perfkit.store.layout import FINISHED, STARTED

if TYPE_CHECKING:
    from perfkit.core.context import Context
    from perfkit.core.loops import SeenExchange
    from perfkit.performance.settings import Stuck

__all__ = ["STUCK", "StuckWatch"]

logger = logging.getLogger("perfkit.performance")

STUCK = Definition(
    name="perfkit_stuck_requests",
    type=MetricType.GAUGE,
    description="Requests that have held a thread for performance.stuck.threshold or longer, and still do.",
)

LOOKS = 6.0
"""Looks in the time of the threshold."""

LEAST_PAUSE = 1.0
"""Seconds between two looks at least."""

AGAIN = 10.0
"""A request is told again when it has been stuck so many times as long as when it was told last."""

LOG_INTERVAL = 60.0
"""Seconds between two log lines of one place."""

Lines: TypeAlias = list[tuple[CodeType, int]]

MOST_TOLD = 20
"""Requests told at one look; the others, which mostly stand at the same place, are in the number alone."""

MAX_STACK = 30
MOST_PLACES = 200


class StuckWatch:
    """Watches the threads of the process that uses it. Not thread-safe: the scheduler owns it."""

    def __init__(self, context: Context, settings: Stuck) -> None:
        """Know no request yet."""
        self._context, self._settings, self._store = context, settings, context.store
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._idle_at: float | None = None
        self._looked_at = float("-inf")
        self._told: dict[int, float] = {}
        self._logged: dict[str, float] = {}
        self._shown = 0

    def tick(self, now: float) -> None:
        """Look, if a look is due at *now* (monotonic seconds). Some 0.1 ms for ten threads."""
        if self._pid != os.getpid():
            self._begin()
        values = self._store.values
        if self._idle_at is None or values[STARTED] - values[FINISHED] < 1.0:
            self._idle_at = now
        threshold = self._settings.threshold
        if now - self._idle_at < threshold:
            self._show(0)
            self._told.clear()
        elif now - self._looked_at >= max(LEAST_PAUSE, threshold / LOOKS):
            self._looked_at = now
            self._look(now)

    def _look(self, now: float) -> None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        found: dict[int, float] = {}
        left = MOST_TOLD
        for thread, lines, exchange, age in self._held():
            before = self._told.get(exchange.key, 0.0)
            is_news = not before or age >= AGAIN * before
            found[exchange.key] = age if is_news else before
            if is_news and left:
                left -= 1
                self._tell(self._report(lines, exchange, age, names.get(thread, "")), now)
        self._told = found
        self._show(len(found))

    def _held(self) -> list[tuple[int, Lines, SeenExchange, float]]:
        """Return the threads that requests hold for long, their lines, the request and its age; keep no frame."""
        own, held = threading.get_ident(), []
        with uncollected():
            for thread, frames in stacks().items():
                exchange = None if thread == own else self._context.loops.exchange_in(frames)
                age = None if exchange is None else exchange.age
                if exchange is not None and age is not None and age >= self._settings.threshold:
                    held.append((thread, [(each.f_code, each.f_lineno or 0) for each in frames], exchange, age))
        return held

    def _report(self, lines: Lines, exchange: SeenExchange, age: float, thread: str) -> StuckRequest:
        places = [place_of(*line) for line in lines[:MAX_STACK]]
        own = next((line for line in lines if is_users(line[0].co_filename)), lines[0])
        place = place_of(*own)
        return StuckRequest(
            at=self._context.clock.time(),
            seconds=age,
            site=f"{place.path}:{place.line}",
            function=place.function,
            code=source_line(place),
            waits_in=str(places[0]),
            thread=thread,
            method=exchange.method,
            route=exchange.route,
            stack=tuple(map(str, places)),
            pid=self._pid,
            request=exchange.key,
        )

    def _tell(self, stuck: StuckRequest, now: float) -> None:
        self._store.texts.append(KIND, msgspec.to_builtins(stuck))
        if self._context.events.has_listeners("stuck_request"):
            self._context.events.emit("stuck_request", stuck)
        if now - self._logged.get(stuck.site, float("-inf")) < LOG_INTERVAL:
            return
        if len(self._logged) >= MOST_PLACES:
            self._logged.clear()
        self._logged[stuck.site] = now
        logger.warning(
            "perfkit.performance: %s %s has held the thread %r for %.0f s; it stands at %s in %s. "
            "Give what it waits for a timeout.",
            stuck.method,
            stuck.route or "(no route)",
            stuck.thread,
            stuck.seconds,
            stuck.site,
            stuck.function,
        )

    def _show(self, count: int) -> None:
        if count or self._shown:
            self._store.set(self._store.row(STUCK), float(count))
        self._shown = count
