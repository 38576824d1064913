"""The cache of a service: the default namespace, and what belongs to all namespaces."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, Self

from perfkit.cache.arguments import text
from perfkit.cache.construction import choose, context_of, make_engine, policy_of
from perfkit.cache.findings.rules import cacheable, find
from perfkit.cache.memory import traffic
from perfkit.cache.namespace import Namespace
from perfkit.cache.policies import Policy
from perfkit.cache.policies.foreign import is_foreign
from perfkit.cache.settings import CacheSettings
from perfkit.cache.shadow.published import publish
from perfkit.cache.shadow.shadow import Shadow
from perfkit.cache.snapshot import CacheSnapshot, read
from perfkit.core.checks import HealthCheck
from perfkit.core.clock import Clock
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.findings import Finding
from perfkit.store.backing.fork import watch
from perfkit.store.checkpoints import Shares

if TYPE_CHECKING:
    from perfkit.cache.http.candidates import Candidates

__all__ = ["CacheManager"]

DEFAULT = "default"
"""The name of the namespace in which the manager's own calls work."""


class CacheManager(Namespace, Component):
    """A bounded cache with time to live, tags, patterns and single flight. Thread-safe.

    Its calls work in the namespace ``default``; `namespace` gives others. Values live in this worker; what is deleted,
    cleared or invalidated in one worker is so in all of the host.
    """

    name = "cache"
    settings_type = CacheSettings

    candidates: Candidates | None = None
    """Routes whose responses could be cached, where the response cache looks for them (`cache.http.sample`)."""

    response_caches = 0
    """Apps that keep their responses here."""

    def __init__(
        self,
        *,
        strategy: str | Callable[[int], Policy] | MutableMapping[Any, Any] | None = None,
        max_size: int | None = None,
        max_bytes: int | None = None,
        default_ttl: float | None = None,
        compression: bool | None = None,
        value_format: str | None = None,
        sizeof: Callable[[Any], int] | None = None,
        redis_url: str | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        settings: CacheSettings | None = None,
        context: Context | None = None,
    ) -> None:
        """Make an empty cache; arguments go before *settings*.

        Args:
            strategy: A strategy's name, what makes a policy of your own, given the most entries, or a cache of
                cachetools, which is emptied and then says who leaves.
            max_size: The most values.
            max_bytes: The most bytes.
            default_ttl: Seconds that a value is fresh if its call does not say.
            compression: Compress large values.
            value_format: ``raw``, ``msgpack``, ``json`` or ``pickle``.
            sizeof: Returns the bytes of a value; without it they are estimated where `max_bytes` is set.
            redis_url: A Redis or Valkey server as second tier.
            clock: Time, for tests.
            rng: Chance, for tests.
            settings: What the arguments leave open.
            context: The system around it; without one it stands alone, with a store of its own in memory.

        Raises:
            CacheError: An argument cannot be.
        """
        context = context_of(context, clock)
        given = {
            "max_size": max_size,
            "max_bytes": max_bytes,
            "default_ttl": default_ttl,
            "compression": compression,
            "value_format": value_format,
            "redis_url": redis_url,
        }
        self.settings = choose(given, settings, strategy)
        self._context, self._store = context, context.store
        self.strategy, make_policy = policy_of(self.settings.strategy if strategy is None else strategy)
        engine = make_engine(
            self.settings,
            context,
            strategy=strategy,
            make_policy=make_policy,
            sizeof=sizeof,
            clock=clock,
            rng=rng,
        )
        self._numbers = engine.numbers
        self._storms = Shares(context.store, "cache.storm", traffic.Storm, most=traffic.MOST)
        self._is_sized = self.settings.max_bytes is not None or sizeof is not None
        self._server = None
        if self.settings.redis_url is not None:
            from perfkit.cache.remote.server import Server

            self._server = Server(self.settings, engine, context)
        Namespace.__init__(self, engine, DEFAULT)
        self._namespaces: dict[str, Namespace] = {DEFAULT: self}
        # A cache that was given is one; there is no second to try other sizes with.
        has_shadow = self.settings.shadow and not is_foreign(strategy)
        self._shadow = Shadow(engine.tier, self.strategy, make_policy, rng=engine.rng) if has_shadow else None
        watch(self)

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the cache of a system."""
        return cls(settings=settings, context=context)

    def namespace(self, name: str, *, is_local: bool = False) -> Namespace:
        """Return the part of the cache called *name*: its own keys and numbers, the same bounds and tags.

        Args:
            is_local: Keep its values in this process only, second tier or not; counts when it is first asked for.

        Raises:
            CacheError: *name* is no text, or empty.
        """
        known = self._namespaces.get(text("namespace", name))
        if known is None:
            known = self._namespaces.setdefault(name, Namespace(self._engine, name, is_local=is_local))
        return known

    def start(self) -> None:
        """Take notice of where the store now lives."""
        self._tier.settle()
        if self._server is not None:
            self._server.start()

    def stop(self) -> None:
        """Let the threads that refresh or listen end; values stay."""
        if self._server is not None:
            self._server.stop()
        self._engine.refreshes.stop()
        self._move_numbers()

    def tick(self, now: float) -> None:
        """Hear what others made invalid, remove what is due, move the counts into the store."""
        self._tier.settle()
        self._tier.sweep()
        self._move_numbers()
        self._watch()
        self._tell_storms()

    def _tell_storms(self) -> None:
        """Tell all workers of storms that this one saw."""
        now = self._store.clock.monotonic()
        for storm in self._tier.traffic.storms:
            self._storms.tell(f"{storm.namespace}: {storm.key}", storm, now)

    def _watch(self) -> None:
        """Let the shadow begin when it is time, and tell what it knows."""
        shadow = self._shadow
        if shadow is None:
            return
        try:
            shadow.tick()
            error = shadow.take_error()
        except Exception as failed:  # noqa: BLE001 - a policy of the user's own may refuse the sizes of ghosts
            error = failed
        if error is None:
            publish(self._store, shadow, self.strategy)
        else:
            self._shadow = self._tier.shadow = None
            self._context.errors.report("cache", error, doing="the shadow of the cache gave up")

    def _move_numbers(self) -> None:
        self._numbers.move(list(self._tier.spaces.values()))
        if self._server is not None:
            self._server.tell_state(self._numbers)
        self._numbers.hold(self._tier.count, self._tier.bytes if self._is_sized else None)

    def get_stats(self) -> CacheSnapshot:
        """Return hits, misses, loads, time saved, evictions and size of all workers, also by namespace."""
        self._move_numbers()
        self._watch()
        return read(
            self._store,
            strategy=self.strategy,
            max_size=self.settings.max_size,
            max_bytes=self.settings.max_bytes,
            is_sized=self._is_sized,
        )

    def findings(self) -> Iterable[Finding]:
        """Return what is wrong with how the cache is used, and what another size, strategy or route would gain."""
        self._tell_storms()
        storms = [traffic.merged(each) for each in self._storms.read().values()]
        yield from find(self.get_stats(), storms, list(self._tier.traffic.heavy.values()))
        if self.candidates is not None:
            yield from cacheable(self.candidates.found(self._engine.now()))

    def snapshot(self) -> CacheSnapshot:
        """Return the same as `get_stats`."""
        return self.get_stats()

    def clear(self) -> None:
        """Empty all namespaces in all workers."""
        self._changes.clear_all()

    async def aclear(self) -> None:
        """Do the same as `clear`."""
        await self._changes.aclear_all()

    def checks(self) -> Iterable[HealthCheck]:
        """Return the check of the cache server, where there is one."""
        return () if self._server is None else (self._server.check(),)

    def close(self) -> None:
        """Let go of the store: for a cache that ends before its system does."""
        self._engine.relay.close()
        self.stop()

    def __len__(self) -> int:
        """Return the number of values in all namespaces; what has expired or is invalid is removed first."""
        self._tier.settle()
        self._tier.sweep()
        return self._tier.count

    def after_fork(self) -> None:
        """In a forked child: begin empty, as what others make invalid may not be heard from the first moment on."""
        self._tier.after_fork()
        self._engine.flights.after_fork()
        if self._server is not None:
            self._server.after_fork()
        self._numbers.after_fork(list(self._tier.spaces.values()))
        if self._shadow is not None:
            self._shadow.after_fork()
