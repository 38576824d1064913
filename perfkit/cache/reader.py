"""Read-through: a value from the cache, or loaded once for all who want it.

Sources: RFC 5861 for the two ways in which a stale value may serve (while it is loaded anew, or when loading fails);
Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention (VLDB 2015) for the early refresh: a
value that took long to load is loaded anew a little before its end, by one caller picked at random.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Any

from perfkit.cache.arguments import FOR_EVER, factor, seconds, tag_names
from perfkit.cache.engine import UNSET, Engine
from perfkit.cache.entry import FOREVER, MISSING, Entry
from perfkit.cache.loads.flight import LOST, UNDER_WAY, Flight, Outcome, running_loop
from perfkit.cache.memory.space import HITS, MISSES, SAVED, STALE, Space
from perfkit.cache.memory.traffic import MANY
from perfkit.cache.values.packing import Packed
from perfkit.core.shells import acall, call

__all__ = ["NEVER", "Plan", "Reader"]

ONE = 1.0
NEVER = 0.0
"""Known by its identity, as most calls leave these options out."""

EARLIEST = 10.0
"""Load times before its end at which a value may be loaded anew early at the earliest."""

LONGEST_BACK_OFF = 30.0
"""Seconds after a failed refresh before the next one at most."""


class Plan:
    """How a value is loaded and kept.

    Attributes:
        ttl: Seconds that it is fresh; None for ever.
        tags: Names of its tags.
        stale_while_revalidate: Seconds after its end in which it serves while somebody loads it anew.
        stale_if_error: Seconds after its end in which it serves when loading fails.
        early_refresh: How eagerly it is loaded anew before its end; 0 never, 1 as the paper has it.
        negative_ttl: Seconds that None is kept; not given: as any value.
    """

    __slots__ = (
        "early_refresh",
        "negative_ttl",
        "sliding",
        "stale_if_error",
        "stale_while_revalidate",
        "tags",
        "ttl",
    )

    def __init__(
        self,
        ttl: Any = UNSET,
        tags: Iterable[str] = (),
        *,
        stale_while_revalidate: float = NEVER,
        stale_if_error: float = NEVER,
        early_refresh: float = NEVER,
        negative_ttl: Any = UNSET,
        sliding: bool = False,
    ) -> None:
        """Look the options through.

        Raises:
            CacheError: One cannot be.
        """
        self.ttl = ttl if ttl is UNSET or ttl is None else seconds("ttl", ttl, FOR_EVER)
        self.tags = tag_names(tags) if tags else ()
        self.sliding = sliding
        self.stale_while_revalidate = self.stale_if_error = self.early_refresh = NEVER
        if stale_while_revalidate is not NEVER:
            self.stale_while_revalidate = seconds("stale_while_revalidate", stale_while_revalidate)
        if stale_if_error is not NEVER:
            self.stale_if_error = seconds("stale_if_error", stale_if_error)
        if early_refresh is not NEVER:
            self.early_refresh = factor("early_refresh", early_refresh)
        self.negative_ttl = negative_ttl
        if negative_ttl is not UNSET and negative_ttl is not None:
            self.negative_ttl = seconds("negative_ttl", negative_ttl, FOR_EVER)

    def ttl_of(self, value: Any) -> Any:
        """Return how long *value* is kept."""
        return self.negative_ttl if value is None and self.negative_ttl is not UNSET else self.ttl


class Reader:
    """Reads through the cache in one namespace. Thread-safe; sync and async are shells over the same steps."""

    __slots__ = ("_engine", "_shared", "_space")

    def __init__(self, engine: Engine, space: Space) -> None:
        """Read in *space*."""
        self._engine, self._space, self._shared = engine, space, engine.shared(space)

    def find(self, key: Any, plan: Plan, load: Callable[[], Any], *, in_loop: bool) -> Any:
        """Return the value that serves without waiting, or `MISSING`; counts it."""
        engine, space = self._engine, self._space
        entry = space.entries.get(key)
        counts = space.counts
        if entry is not None and (entry.epoch == engine.tier.control.slots[0] or engine.tier.is_current(entry)):
            fresh_until = entry.fresh_until
            if fresh_until is FOREVER:
                return self._hit(entry)
            now = engine.now()
            if now < fresh_until:
                if plan.early_refresh and self._is_early(entry, now, plan.early_refresh):
                    self._refresh(key, plan, load, entry, in_loop=in_loop)
                return self._hit(entry)
            if now < min(fresh_until + plan.stale_while_revalidate, entry.expires):
                value = engine.value(entry)
                if now >= entry.retry_at:
                    self._refresh(key, plan, load, entry, in_loop=in_loop)
                if value is not MISSING:
                    counts[STALE] += ONE
                    return value
        counts[MISSES] += ONE
        return MISSING

    def _hit(self, entry: Entry) -> Any:
        engine, counts, value = self._engine, self._space.counts, entry.value
        if value is MISSING:
            # It left at this very moment.
            counts[MISSES] += ONE
            return MISSING
        saved = entry.cost
        counts[HITS] += ONE
        counts[SAVED] += saved
        entry.hits += 1
        touch = engine.tier.touch
        if touch is not None:
            with contextlib.suppress(KeyError):
                touch(entry)
        return engine.packing.unpack(value) if value.__class__ is Packed else value

    def _is_early(self, entry: Entry, now: float, beta: float) -> bool:
        cost = entry.cost * beta
        if cost <= 0.0 or entry.fresh_until - now > EARLIEST * cost or now < entry.retry_at:
            return False
        return now - cost * math.log(1.0 - self._engine.rng.random()) >= entry.fresh_until

    def read(self, key: Any, plan: Plan, load: Callable[[], Any]) -> Any:
        """Return the value of *key*, loaded if need be, in this thread."""
        value = self.find(key, plan, load, in_loop=False)
        if value is not MISSING:
            return value
        engine = self._engine
        while True:
            flight, leads = engine.flights.join(self._space, key, plan.tags, in_loop=False)
            if leads:
                return self._value(self._load(flight, plan, load), key, plan, leads=True)
            if flight.blocks_itself():
                engine.flights.leave(flight)
                return call(load)
            self._tell_waiting(flight)
            outcome = engine.flights.wait(flight, engine.wait)
            if outcome is None:
                stale = self._late(key, plan)
                return stale if stale is not MISSING else call(load)
            if not outcome.is_lost:
                return self._value(outcome, key, plan, leads=False)

    async def aread(self, key: Any, plan: Plan, load: Callable[[], Any]) -> Any:
        """Return the value of *key*, loaded if need be, without blocking the loop."""
        value = self.find(key, plan, load, in_loop=True)
        if value is not MISSING:
            return value
        engine, loop = self._engine, running_loop()
        if loop is None:
            # Another event loop than asyncio's: no tasks of ours there.
            return await acall(load)
        while True:
            flight, leads = engine.flights.join(self._space, key, plan.tags, in_loop=True)
            if leads:
                self._begin_task(loop, flight, plan, load)
            else:
                self._tell_waiting(flight)
            outcome = await engine.flights.await_(flight, None if leads else engine.wait)
            if outcome is None:
                stale = self._late(key, plan)
                return stale if stale is not MISSING else await acall(load)
            if not outcome.is_lost:
                return self._value(outcome, key, plan, leads=leads)
            if leads:
                raise asyncio.CancelledError

    def _tell_waiting(self, flight: Flight) -> None:
        if flight.waiting > MANY:
            self._engine.tier.traffic.wait(flight.space.name, flight.key, flight.waiting - 1)

    def _late(self, key: Any, plan: Plan) -> Any:
        """Return the stale value that serves one who has waited long enough; without one it loads by itself."""
        return self._stale(key, max(plan.stale_while_revalidate, plan.stale_if_error))

    def _value(self, outcome: Outcome, key: Any, plan: Plan, *, leads: bool) -> Any:
        """Return the value of *outcome*, or what may stand for it.

        Raises:
            Exception: What the load raised, when no stale value may serve.
        """
        error = outcome.error if leads else outcome.for_another()
        if error is None:
            return outcome.value
        stale = self._stale(key, plan.stale_if_error)
        if stale is MISSING:
            raise error
        self._space.counts[STALE] += ONE
        return stale

    def _stale(self, key: Any, allowance: float) -> Any:
        engine = self._engine
        entry = engine.tier.find(self._space, key)
        if entry is None or engine.now() >= entry.fresh_until + allowance:
            return MISSING
        return engine.value(entry)

    def _stored_meanwhile(self, flight: Flight) -> Any:
        """Return the value that another load stored between our look and our lead, `MISSING` if there is none."""
        return MISSING if flight.is_refresh else self._stale(flight.key, 0.0)

    def _load(self, flight: Flight, plan: Plan, load: Callable[[], Any]) -> Outcome:
        """Load in this thread and end *flight*, whatever happens."""
        outcome, began = LOST, self._engine.now()
        token = UNDER_WAY.set((*UNDER_WAY.get(), flight))
        shared = self._shared
        try:
            stored = self._stored_meanwhile(flight)
            if stored is not MISSING:
                outcome = Outcome(stored, was_loaded=False)
            elif shared is None:
                outcome = Outcome(call(load))
            else:
                value, was_loaded = shared.loads.load(flight, plan, load)
                outcome = Outcome(value, was_loaded=was_loaded)
        except Exception as error:  # noqa: BLE001 - it is told to all who wait and raised there
            outcome = Outcome(error=error)
        finally:
            UNDER_WAY.reset(token)
            outcome = self._end(flight, plan, outcome, began)
        return outcome

    def _begin_task(self, loop: asyncio.AbstractEventLoop, flight: Flight, plan: Plan, load: Callable[[], Any]) -> None:
        task = flight.task = loop.create_task(self._aload(flight, plan, load))

        def ended(_: object) -> None:
            # A task that is cancelled before its first step runs none of its code.
            self._engine.flights.land(flight, LOST)

        task.add_done_callback(ended)

    async def _aload(self, flight: Flight, plan: Plan, load: Callable[[], Any]) -> None:
        outcome, began = LOST, self._engine.now()
        UNDER_WAY.set((*UNDER_WAY.get(), flight))
        shared = self._shared
        try:
            stored = self._stored_meanwhile(flight)
            if stored is not MISSING:
                outcome = Outcome(stored, was_loaded=False)
            elif shared is None:
                outcome = Outcome(await acall(load))
            else:
                value, was_loaded = await shared.loads.aload(flight, plan, load)
                outcome = Outcome(value, was_loaded=was_loaded)
        except Exception as error:  # noqa: BLE001 - it is told to all who wait and raised there
            outcome = Outcome(error=error)
        finally:
            self._end(flight, plan, outcome, began)

    def _end(self, flight: Flight, plan: Plan, outcome: Outcome, began: float) -> Outcome:
        """Store what was loaded, count it and wake those who wait. Trouble with storing is an outcome too."""
        engine, space = self._engine, self._space
        if not outcome.was_loaded:
            engine.flights.land(flight, outcome)
            return outcome
        seconds = engine.now() - began
        try:
            if not outcome.is_lost and outcome.error is None:
                engine.store_loaded(
                    flight,
                    outcome.value,
                    ttl=plan.ttl_of(outcome.value),
                    keep_stale=max(plan.stale_while_revalidate, plan.stale_if_error),
                    cost=seconds,
                    sliding=plan.sliding,
                )
            elif outcome.error is not None:
                self._put_off(flight.key)
        except Exception as error:  # noqa: BLE001 - a value that cannot be kept: its user hears why
            outcome = Outcome(error=error)
        finally:
            engine.flights.land(flight, outcome)
            word = "lost" if outcome.is_lost else "ok" if outcome.error is None else "error"
            engine.numbers.loaded(space.name, word, seconds)
        return outcome

    def _put_off(self, key: Any) -> None:
        """After a failed load: let the next refresh of a kept value wait, longer each time."""
        entry = self._space.entries.get(key)
        if entry is not None:
            entry.failures += 1
            entry.retry_at = self._engine.now() + min(2.0 ** min(entry.failures - 1, 10), LONGEST_BACK_OFF)

    def _refresh(self, key: Any, plan: Plan, load: Callable[[], Any], entry: Entry, *, in_loop: bool) -> None:
        """Begin one load in the background, unless one is under way."""
        engine = self._engine
        if engine.flights.is_under_way(self._space, key):
            return
        loop = running_loop() if in_loop else None
        flight, leads = engine.flights.join(self._space, key, plan.tags, in_loop=in_loop, waits=False)
        if not leads:
            return
        flight.is_refresh = True
        flight.future.add_done_callback(lambda future: self._report(future.result()))
        if loop is not None:
            self._begin_task(loop, flight, plan, load)
        elif not engine.refreshes.submit(lambda: self._load(flight, plan, load)):
            engine.flights.land(flight, LOST)

    def _report(self, outcome: Outcome) -> None:
        """Log the error of a refresh, which nobody waits for."""
        if outcome.error is not None:
            self._engine.errors.report("cache", outcome.error, doing="a value could not be loaded anew")
