"""The second tier of one cache: what its namespaces share."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable

from perfkit.cache.remote.envelope import Sealing
from perfkit.cache.remote.keys import Names
from perfkit.cache.remote.transport.connections import Connections
from perfkit.cache.remote.transport.link import Batch, Command, Link, Replies
from perfkit.cache.settings import CacheSettings
from perfkit.core.checks import CheckResult
from perfkit.core.errors import ErrorLog
from perfkit.core.status import Status
from perfkit.store import Store

__all__ = ["SharedTier"]

VERSION_FACTOR = 2.0
"""Versions live this many times as long as the longest value, so that no value outlives what it depends on by much."""

LONGEST_UNHEARD = 1.0


class SharedTier:
    """A server, and how this process uses it.

    Attributes:
        hears: Changes that others make are heard, so values of the server may be kept here for a while.
        origin: Marks what this very cache tells, which it need not hear.
        max_ttl: Seconds that a value lies on the server at most.
        lock_ttl: Seconds for which a load of one process holds off the others.
        blind_limit: Seconds that a value may be kept here which the server did not take, without others being heard.
    """

    def __init__(self, settings: CacheSettings, *, service: str, store: Store, errors: ErrorLog) -> None:
        """Use the server of *settings*; nothing connects yet.

        Raises:
            MissingDependencyError: redis-py is not installed.
            ConfigurationError: The URL cannot be used.
        """
        connections = Connections(settings.redis_url or "", timeout=settings.redis_timeout)
        self.link = Link(
            connections, timeout=settings.redis_timeout, most=settings.redis_connections, store=store, errors=errors
        )
        self.names = Names(settings.redis_prefix or service)
        self.sealing = Sealing(settings.redis_pickle_key)
        self.origin = uuid.uuid4().hex
        self.max_ttl, self.lock_ttl = settings.redis_max_ttl, settings.redis_lock_ttl
        self._local_ttl = settings.redis_local_ttl
        self._version_life = int(VERSION_FACTOR * settings.redis_max_ttl * 1000)
        self.blind_limit = min(settings.redis_local_ttl, LONGEST_UNHEARD)
        self.hears = False

    def local_limit(self) -> float:
        """Return the seconds that a value may be kept here; 0 where it must not.

        While the server is down what is here is all there is; it goes when the server is back.
        """
        return self._local_ttl if self.hears or self.link.breaker.is_open else 0.0

    def versions(self, names: Iterable[bytes]) -> list[Command]:
        """Return the commands after which each of the versions *names* is there and lives long enough."""
        commands: list[Command] = []
        for name in names:
            commands.append(("SET", name, os.urandom(8), "NX", "PX", self._version_life))
            commands.append(("PEXPIRE", name, self._version_life))
        return commands

    def check(self) -> CheckResult:
        """Say whether the server is in use, from what the calls saw."""
        shown, breaker = self.link.connections.shown, self.link.breaker
        if breaker.is_open:
            seconds = time.monotonic() - breaker.opened_at
            return CheckResult(
                Status.WARNING,
                f"{shown} has not answered for {seconds:.0f} s; each worker caches for itself",
                seconds,
                "seconds",
            )
        if not self.hears:
            return CheckResult(Status.HEALTHY, f"{shown} is in use; changes of others are not heard yet")
        return CheckResult(Status.HEALTHY, f"{shown} is in use")


def is_refused(replies: Replies) -> bool:
    """Return whether the server refused one of the commands: it is full, or may not write."""
    return any(isinstance(reply, Exception) for reply in replies)


__all__ += ["Batch", "is_refused"]
