"""A namespace that the second tier has a part in: what its calls ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from perfkit.cache.memory.space import Space
from perfkit.cache.remote.invalidations import Invalidations
from perfkit.cache.remote.loads import SharedLoads
from perfkit.cache.remote.tier import SharedTier
from perfkit.cache.remote.transport.link import Operation
from perfkit.cache.remote.values import Values

if TYPE_CHECKING:
    from perfkit.cache.engine import Engine
    from perfkit.cache.lookup import Get

__all__ = ["SharedSpace", "join"]

T = TypeVar("T")


class SharedSpace:
    """The operations of a namespace, and the two shells that carry them out.

    Attributes:
        values: What reads and writes.
        loads: What loads once for all hosts.
        invalidations: What makes invalid.
    """

    __slots__ = ("_link", "invalidations", "loads", "space", "values")

    def __init__(self, engine: Engine, shared: SharedTier, invalidations: Invalidations, space: Space) -> None:
        """Work in *space*."""
        self._link, self.invalidations, self.space = shared.link, invalidations, space
        self.values = Values(engine, shared, space)
        self.loads = SharedLoads(self.values)

    def run(self, operation: Operation[T]) -> T:
        """Carry out *operation* in this thread."""
        return self._link.run(operation)

    async def arun(self, operation: Operation[T]) -> T:
        """Carry out *operation* in this task."""
        return await self._link.arun(operation)

    def get(self, local: Get) -> Get:
        """Return the look-up that asks *local* first, then the server."""
        run, ask = self.run, self.values.get
        absent = object()

        def get(key: Any, default: Any = None) -> Any:
            value = local(key, absent)
            return value if value is not absent else run(ask(key, default))

        return get


def join(engine: Engine, shared: SharedTier) -> Invalidations:
    """Give all namespaces of *engine* the second tier *shared*; return what makes things invalid on it."""
    invalidations = Invalidations(engine.relay, shared)
    engine.shared = lambda space: SharedSpace(engine, shared, invalidations, space)
    engine.local_limit = shared.local_limit
    engine.tier.hears_elsewhere = True
    engine.relay.on_undelivered = shared.link.journal.add
    shared.link.on_back = engine.tier.drop_all
    return invalidations
