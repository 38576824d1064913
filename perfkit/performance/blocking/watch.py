"""The watchdog: one thread that looks at the thread of each loop, fifty times a second with the defaults.

A loop that waits for something to do is fine, and is not woken to say so. One that is at work is asked for a sign of
life; until that comes the stack of its thread is looked at more often. The verdict is spoken when it has come
(`perfkit.performance.blocking.stall`). Where no loop was at work for a while the looks are half as many.

A call into C that keeps the interpreter's lock keeps the watchdog away too. Then it gets its look right after, mostly
at the very line, and the CPU time of the loop's thread tells that it was the loop's own call. When the watchdog woke
late itself while the process used no CPU, everything stood still (stopped, a sleeping or overloaded machine): that is
counted, and is no block.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any, NamedTuple

from perfkit.core.code.places import source_line
from perfkit.performance.blocking.frames import is_idle, root_of, stack_of, uncollected
from perfkit.performance.blocking.heartbeat import Heartbeat
from perfkit.performance.blocking.metrics import BLOCKED_SECONDS, BLOCKS, LOOP_LAG, SUSPENDED
from perfkit.performance.blocking.report import BlockedLoop, Victim
from perfkit.performance.blocking.sites import Sites
from perfkit.performance.blocking.stall import Culprit, Sample, Stall
from perfkit.performance.blocking.victims import requests_of
from perfkit.store.layout import STARTED
from perfkit.store.series.bound import BoundHistogram

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from types import FrameType

    from perfkit.core.context import Context
    from perfkit.core.loops import SeenExchange, ServedLoop
    from perfkit.performance.settings import Blocking

__all__ = ["LoopWatch"]

INTERVAL = 0.2
"""Part of the threshold between two looks; twice that while all loops are idle."""

QUIET = 2.0
"""Seconds without work after which a loop counts as idle."""

PATIENCE = 0.6
"""Part of the threshold from which a late sign of life is worth a look at who else waited."""

LOOKS = 10
"""Looks in the time of the threshold; later, one in a twentieth of the time that the loop has been blocked."""

TURNS = 4
"""Turns of the loop after a block in which the requests that lay in the sockets begin."""

IDLE = 0.2
"""Part of a CPU below which a process did nothing."""

MAX_STACK, MAX_VICTIMS = 30, 20


class Late(NamedTuple):
    """A sign of life that came late: asked for when, come when, the CPU used, what was seen in the loop right after."""

    beat: Heartbeat
    asked_at: float
    at: float
    cpu: float
    seen: dict[int, SeenExchange]
    arrived: int


class LoopWatch:
    """Watches the loops that serve the app in one process. Starts its thread when the first one is there."""

    def __init__(self, context: Context, settings: Blocking) -> None:
        """Watch the loops of *context* once `start` was called."""
        self._context, self._settings = context, settings
        self._store, self._clock = context.store, context.clock
        self._interval = settings.threshold * INTERVAL
        self._is_told = False
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._beats: tuple[Heartbeat, ...] = ()
        self._worked_at = 0.0
        self._stalls: dict[Heartbeat, Stall] = {}
        self._late: deque[Late] = deque(maxlen=64)
        self._starved: deque[tuple[float, float]] = deque(maxlen=64)
        self._lost: deque[tuple[float, float]] = deque(maxlen=16)
        self._alarm = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_running = False
        self.sites = Sites(self._store, self._settings.max_sites)

    def start(self) -> None:
        """Watch the loops that are there and those to come; called again it does nothing."""
        if self._pid != os.getpid():
            self._begin()
        if self._is_running:
            return
        self._is_running = True
        if self._is_told:
            for served in self._context.loops.alive():
                self._enter(served)
            return
        self._is_told = True
        self._context.loops.on_enter(self._enter)

    def stop(self) -> None:
        """End the thread, within a second; nothing stays in the loops. Called again it does nothing."""
        if not self._is_running or self._pid != os.getpid():
            return
        self._is_running = False
        with self._lock:
            self._beats = ()
            self._stalls.clear()
            thread, self._thread = self._thread, None
            alarm, self._alarm = self._alarm, threading.Lock()
        if thread is not None and thread is not threading.current_thread():
            _release(alarm)
            thread.join(1.0)

    def tick(self, now: float) -> None:
        """Write down what changed, and forget loops that are closed; once a second."""
        self.sites.tick(now)
        with self._lock:
            if any(beat.served.loop is None for beat in self._beats):
                self._beats = tuple(beat for beat in self._beats if beat.served.loop is not None)
                for beat in [each for each in list(self._stalls) if each not in self._beats]:
                    self._stalls.pop(beat, None)

    def _enter(self, served: ServedLoop) -> None:
        """Watch one more loop; from any thread."""
        if not self._is_running or self._pid != os.getpid():
            return
        store = self._store
        beat = Heartbeat(
            served,
            interval=self._interval,
            patience=self._settings.threshold * PATIENCE,
            observe=BoundHistogram(store, store.row(LOOP_LAG, (served.name,))).observe,
            on_late=self._on_late,
        )
        with self._lock:
            self._beats = (*self._beats, beat)
            self._worked_at = monotonic()
            if self._thread is None:
                self._alarm.acquire(blocking=False)
                self._thread = threading.Thread(
                    target=self._run, args=(self._alarm,), name="perfkit-loop-watch", daemon=True
                )
                self._thread.start()
        _release(self._alarm)

    def _on_late(self, beat: Heartbeat, asked_at: float, at: float, cpu: float) -> None:
        """In the loop, right after it was late: look who was kept waiting, and who comes in now."""
        errors, seen = self._context.errors, dict[int, "SeenExchange"]()
        loop = beat.served.loop
        with errors.guarded("performance", "could not look for waiting requests"):
            if loop is not None:
                seen = requests_of(loop, self._context.loops.exchange_in)
        began = self._store.values[STARTED]

        def turn(left: int) -> None:
            if left and loop is not None:
                loop.call_soon(turn, left - 1)
                return
            arrived = max(0, int(self._store.values[STARTED] - began))
            self._late.append(Late(beat, asked_at, at, cpu, seen, arrived))
            _release(self._alarm)

        turn(TURNS)

    def _run(self, alarm: threading.Lock) -> None:
        """Look again and again, until there is another alarm. The rest of a wake-up costs more than the look itself."""
        errors, clock, used, look = self._context.errors, monotonic, process_time, self._look
        now = clock()
        while self._alarm is alarm:
            wait = 1.0
            try:
                wait = look(now)
            except Exception as error:  # noqa: BLE001 - the boundary: the watch goes on
                errors.report("performance", error, doing="the watch over the event loops failed")
            planned, cpu = clock() + wait, used()
            alarm.acquire(timeout=wait)
            now = clock()
            if now - planned >= self._interval:
                self._note_late(planned, now, used() - cpu)

    def _note_late(self, since: float, until: float, cpu: float) -> None:
        """Remember that the watchdog itself came late, and that everything stood still if little CPU was used."""
        self._starved.append((since, until))
        if until - since >= self._settings.threshold and cpu < IDLE * (until - since):
            self._lost.append((since, until))
            self._store.add(self._store.row(SUSPENDED), until - since)

    def _look(self, now: float) -> float:
        """Look at all loops; return the seconds until the next look."""
        while self._late:
            self._judge(self._late.popleft())
        beats = self._beats
        if not beats:
            return 1.0
        if self._stalls:
            self._drop_answered()
        wait = self._interval * (2.0 if now - self._worked_at > QUIET else 1.0)
        for beat in beats:
            if beat.asked_at or not beat.waits_in_asyncio():
                wait = min(wait, self._look_closely(beat, now))
            else:
                beat.fine_at = now
                beat.observe(0.0)
        return wait

    def _drop_answered(self) -> None:
        """Let go of looks at loops that answered in time: they hold frames, and these hold what they worked with."""
        # Copied and taken out so that it does not matter who else stops or forgets a loop at this moment.
        for beat in [each for each in list(self._stalls) if not (each.asked_at or each.is_late)]:
            self._stalls.pop(beat, None)

    def _look_closely(self, beat: Heartbeat, now: float) -> float:
        """Look at a loop that is not plainly idle; return the seconds until it wants another look."""
        loop, asked_at = beat.served.loop, beat.asked_at
        if loop is None:
            return 1.0
        if not loop.is_running():
            beat.was_asleep, beat.fine_at = bool(asked_at), now
            return 1.0
        if asked_at:
            self._sample(beat, loop, asked_at)
            return max(self._settings.threshold / LOOKS, (now - asked_at) / 20)
        frames = stack_of(beat.thread, 2)
        if beat.base is not None and frames and self._is_idle(frames, beat, loop):
            beat.fine_at = now
            beat.observe(0.0)
            return 1.0
        self._worked_at = now
        fine_at = beat.fine_at
        if beat.ask():
            asked_at = beat.asked_at or now
            self._stalls[beat] = Stall(fine_at, asked_at)
            self._sample(beat, loop, asked_at)
        return 1.0

    @staticmethod
    def _is_idle(frames: list[FrameType], beat: Heartbeat, loop: AbstractEventLoop) -> bool:
        return is_idle(frames, beat.base) and sys.modules["asyncio"].current_task(loop) is None

    def _sample(self, beat: Heartbeat, loop: AbstractEventLoop, asked_at: float) -> None:
        """Add a look at the loop's thread to the stall that began with the question of *asked_at*."""
        stall = self._stalls.get(beat)
        frames = stack_of(beat.thread)
        if stall is None or stall.asked_at != asked_at or not frames:
            return
        task: Any = sys.modules["asyncio"].current_task(loop)
        exchange = None
        if len(stall.samples) % 8 == 3:
            with uncollected():
                exchange = self._context.loops.exchange_in(frames)
        sample = Sample(
            at=monotonic(),
            root=None if self._is_idle(frames, beat, loop) else root_of(frames, task),
            frames=tuple((frame.f_code, frame.f_lineno or 0) for frame in frames),
            task=task.get_name() if task is not None else "",
            exchange=exchange,
        )
        frames.clear()
        if beat.asked_at == asked_at:
            stall.add(sample)

    def _judge(self, late: Late) -> None:
        stall = self._stalls.pop(late.beat, None)
        late.beat.is_late = False
        if stall is None or stall.asked_at != late.asked_at:
            return
        culprit = stall.culprit(
            late.at, self._settings.threshold, cpu=late.cpu, starved=tuple(self._starved), lost=tuple(self._lost)
        )
        if culprit is None:
            return
        store, name = self._store, late.beat.served.name
        store.add(store.row(BLOCKS, (name,)), 1.0)
        store.add(store.row(BLOCKED_SECONDS, (name,)), culprit.seconds)
        block = self._report(culprit, late, name)
        self.sites.add(block, monotonic())
        if self._context.events.has_listeners("blocked_loop"):
            self._context.events.emit("blocked_loop", block)

    def _report(self, culprit: Culprit, late: Late, name: str) -> BlockedLoop:
        own = culprit.exchange
        waited = [seen for key, seen in late.seen.items() if own is None or key != own.key]
        victims = [
            Victim(
                method=seen.method,
                route=seen.route,
                waited=culprit.seconds if seen.age is None else min(culprit.seconds, seen.age),
            )
            for seen in waited
        ]
        victims.sort(key=lambda victim: -victim.waited)
        place = culprit.site or culprit.blocked_in
        return BlockedLoop(
            at=self._clock.time(),
            loop=name,
            seconds=culprit.seconds,
            site=f"{place.path}:{place.line}" if place else "",
            function=place.function if place else "",
            code=source_line(place) if place else "",
            blocked_in=str(culprit.blocked_in) if culprit.blocked_in else "",
            task=culprit.task,
            method=own.method if own else "",
            route=own.route if own else "",
            stack=tuple(str(each) for each in culprit.stack[:MAX_STACK]),
            victims=tuple(victims[:MAX_VICTIMS]),
            waiting=len(victims),
            arrived=late.arrived,
            pid=os.getpid(),
        )


def _release(alarm: threading.Lock) -> None:
    """Wake who waits for *alarm*."""
    try:
        alarm.release()
    except RuntimeError:  # it was rung already
        return
