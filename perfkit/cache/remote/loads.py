"""One load for all hosts: who holds the lock loads, the others wait for its value, or for the lock's end if it died."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from perfkit.cache.loads.flight import Flight
from perfkit.cache.loads.watch import Watch
from perfkit.cache.remote.envelope import Envelope, seal
from perfkit.cache.remote.looking import Found, Look
from perfkit.cache.remote.scripts import STORE, release
from perfkit.cache.remote.transport.link import Batch, Operation, Pause, UnreachableError
from perfkit.cache.remote.values import Values
from perfkit.core.shells import acall, call

if TYPE_CHECKING:
    from perfkit.cache.reader import Plan

__all__ = ["FENCE", "SharedLoads"]

FENCE = 120.0
"""Seconds for which a deleted key is remembered. A load that takes longer is not stored on the server."""

EARLIEST = 10.0
"""Load times before its end from which on a value may be loaded anew; as in the reader."""

FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.1
"""Seconds between two looks for the value that another process loads."""


class Lease(NamedTuple):
    """A load that may be stored on the server."""

    name: bytes
    seen: Look
    lock: bytes
    began: float


class SharedLoads:
    """Loads of one namespace."""

    def __init__(self, values: Values) -> None:
        """Load for the namespace of *values*."""
        self._values, self._shared = values, values.shared

    def load(self, flight: Flight, plan: Plan, load: Callable[[], Any]) -> tuple[Any, bool]:
        """Return the value of the server, or what *load* returns, and whether it was loaded."""
        link = self._shared.link
        begun = link.run(self._begin(flight, plan))
        if isinstance(begun, Found):
            return begun.value, False
        if begun is None:
            return call(load), True
        is_done = False
        try:
            value = call(load)
            is_done = True
        finally:
            if not is_done:
                link.run(self._release(begun))
        link.run(self._finish(begun, plan, value))
        return value, True

    async def aload(self, flight: Flight, plan: Plan, load: Callable[[], Any]) -> tuple[Any, bool]:
        """Do the same without blocking."""
        link = self._shared.link
        begun = await link.arun(self._begin(flight, plan))
        if isinstance(begun, Found):
            return begun.value, False
        if begun is None:
            return await acall(load), True
        is_done = False
        try:
            value = await acall(load)
            is_done = True
        finally:
            if not is_done:
                await link.arun(self._release(begun))
        await link.arun(self._finish(begun, plan, value))
        return value, True

    def _begin(self, flight: Flight, plan: Plan) -> Operation[Found | Lease | None]:
        """Return a value that serves, or a lease to load one; None where the server has no part in it."""
        values = self._values
        name = values.name(flight.key)
        if name is None:
            return None
        flights = values.engine.flights
        watch = flights.watch(flight.space, flight.key)
        try:
            seen = (yield from values.look(name, plan.tags)).found
            if seen is not None and _serves(seen, flight, plan):
                return self._hit(seen, watch, flight)
            if seen is not None:
                # Should loading fail, it may serve.
                values.keep(watch, seen)
            begun = yield from self._wait_for_turn(name, flight, plan)
            return self._hit(begun, watch, flight) if isinstance(begun, Found) else begun
        except UnreachableError:
            return None
        finally:
            flights.unwatch(watch)

    def _hit(self, found: Found, watch: Watch, flight: Flight) -> Found:
        if flight.is_refresh:
            # Whoever asked got another value already.
            self._values.keep(watch, found)
        else:
            self._values.hit(watch, found)
        return found

    def _wait_for_turn(self, name: bytes, flight: Flight, plan: Plan) -> Operation[Found | Lease]:
        """Return the lease, or the value that another process loaded meanwhile."""
        values, shared = self._values, self._shared
        lock, token = values.names.lock(name), os.urandom(16)
        take = ("SET", lock, token, "NX", "PX", int(shared.lock_ttl * 1000))
        give_up_at = time.monotonic() + min(shared.lock_ttl, values.engine.wait)
        pause = FIRST_PAUSE
        while True:
            try:
                (is_ours,) = yield Batch(take)
            except UnreachableError as error:
                if error.was_asked:
                    self._lose(lock, token)
                raise
            except GeneratorExit:
                self._lose(lock, token)
                raise
            began = time.monotonic()
            lease = Lease(name, Look(None, b"", {}, ""), token if is_ours else b"", began)
            try:
                seen = yield from values.look_to_change(name, plan.tags)
            except UnreachableError:
                yield from self._release(lease)
                raise
            except GeneratorExit:
                if lease.lock:
                    self._lose(lock, lease.lock)
                raise
            lease = lease._replace(seen=seen)
            if seen.found is not None and _is_new(seen.found, flight, plan):
                yield from self._release(lease)
                return seen.found
            if is_ours or isinstance(is_ours, Exception) or began >= give_up_at:
                return lease
            yield Pause(pause)
            pause = min(2.0 * pause, LONGEST_PAUSE)

    def _release(self, lease: Lease) -> Operation[None]:
        if lease.lock:
            lock = self._values.names.lock(lease.name)
            try:
                yield Batch(release(lock, lease.lock))
            except (UnreachableError, GeneratorExit) as error:
                self._lose(lock, lease.lock)
                if isinstance(error, GeneratorExit):
                    raise

    def _lose(self, lock: bytes, token: bytes) -> None:
        """Remember a lock that may be ours and was not let go of: others would wait for its end for nothing."""
        self._shared.link.journal.add({"locks": [(lock, token)]})

    def _finish(self, lease: Lease, plan: Plan, value: Any) -> Operation[None]:
        """Store *value* on the server, unless something made it out of date meanwhile, and let go of the lock."""
        values = self._values
        seconds = values.engine.seconds_fresh(plan.ttl_of(value))
        cost = time.monotonic() - lease.began
        lock = values.names.lock(lease.name)
        commands: list[tuple[Any, ...]] = [release(lock, lease.lock)] if lease.lock else []
        if seconds is not None and cost < FENCE:
            sealed = values.sealed(lease.name, value)
            if sealed is not None:
                keep_stale = max(plan.stale_while_revalidate, plan.stale_if_error)
                stamps = values.stamps(lease.seen, plan.tags)
                slide = seconds if plan.sliding else 0.0
                envelope = Envelope(lease.seen.server, *stamps, keep_stale, slide, cost, *sealed)
                fence = values.names.fence(values.space.name)
                life = values.milliseconds(seconds + keep_stale)
                was = lease.seen.versions[fence] or b""
                commands.insert(0, ("EVAL", STORE, 2, lease.name, fence, lease.seen.seen, was, seal(envelope), life))
        if commands:
            try:
                yield Batch(*commands)
            except (UnreachableError, GeneratorExit) as error:
                if lease.lock:
                    self._lose(lock, lease.lock)
                if isinstance(error, GeneratorExit):
                    raise


def _is_new(found: Found, flight: Flight, plan: Plan) -> bool:
    """Return whether *found* is what a load would bring; one that is near its end is not what a refresh is for."""
    return found.fresh_for > (EARLIEST * plan.early_refresh * found.cost if flight.is_refresh else 0.0)


def _serves(found: Found, flight: Flight, plan: Plan) -> bool:
    if flight.is_refresh:
        return _is_new(found, flight, plan)
    return found.fresh_for + min(found.keep_stale, plan.stale_while_revalidate) > 0.0
