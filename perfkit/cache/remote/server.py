"""The second tier as the manager has it: begins, ends, says how it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.cache.numbers import Numbers
from perfkit.cache.remote.listener import Listener
from perfkit.cache.remote.shared import join
from perfkit.cache.remote.tier import SharedTier
from perfkit.cache.settings import CacheSettings
from perfkit.core.checks import HealthCheck
from perfkit.core.context import Context

if TYPE_CHECKING:
    from perfkit.cache.engine import Engine

__all__ = ["Server"]


class Server:
    """One cache's use of a server.

    Attributes:
        tier: What the namespaces share.
    """

    def __init__(self, settings: CacheSettings, engine: Engine, context: Context) -> None:
        """Give the namespaces of *engine* the second tier of *settings*; nothing connects yet."""
        self.tier = SharedTier(settings, service=context.service, store=context.store, errors=context.errors)
        join(engine, self.tier)
        self._listener = Listener(
            self.tier, apply=engine.relay.apply, flush=engine.tier.drop_all, errors=context.errors
        )

    def start(self) -> None:
        """Hear what others change from now on."""
        self._listener.start()

    def stop(self) -> None:
        """Hear nothing more, and close the connections."""
        self._listener.stop()
        self.tier.link.close()

    def after_fork(self) -> None:
        """In a forked child: begin anew."""
        self._listener.after_fork()
        self.tier.link.after_fork()

    def check(self) -> HealthCheck:
        """Return what health should watch: it warns, as each worker goes on by itself."""
        return HealthCheck(name="cache_server", run=self.tier.check, critical=False)

    def tell_state(self, numbers: Numbers) -> None:
        """Set the gauge of workers that are in touch with the server."""
        numbers.connected(not self.tier.link.breaker.is_open)
