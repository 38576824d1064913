"""What makes values of a namespace invalid: here, in all workers, and on the second tier where there is one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from perfkit.cache.memory.glob import Glob
from perfkit.cache.memory.space import Space

if TYPE_CHECKING:
    from perfkit.cache.engine import Engine

__all__ = ["Changes"]


class Changes:
    """Makes values invalid. Thread-safe; sync and async are shells over the same steps."""

    __slots__ = ("_relay", "_shared", "_space")

    def __init__(self, engine: Engine, space: Space) -> None:
        """Work in *space*; tags and clearing all concern every namespace."""
        self._relay, self._shared, self._space = engine.relay, engine.shared(space), space

    def delete_many(self, keys: Iterable[Any]) -> int:
        """Remove *keys*; return how many were there."""
        shared = self._shared
        if shared is None:
            return self._relay.keys(self._space, keys)
        return shared.run(shared.invalidations.keys(self._space, list(keys)))

    async def adelete_many(self, keys: Iterable[Any]) -> int:
        """Do the same as `delete_many`."""
        shared = self._shared
        if shared is None:
            return self._relay.keys(self._space, keys)
        return await shared.arun(shared.invalidations.keys(self._space, list(keys)))

    def invalidate_tags(self, names: tuple[str, ...]) -> None:
        """Make everything that carries one of *names* invalid."""
        shared = self._shared
        if shared is None:
            self._relay.tags(names)
        else:
            shared.run(shared.invalidations.tags(names))

    async def ainvalidate_tags(self, names: tuple[str, ...]) -> None:
        """Do the same as `invalidate_tags`."""
        shared = self._shared
        if shared is None:
            self._relay.tags(names)
        else:
            await shared.arun(shared.invalidations.tags(names))

    def invalidate_pattern(self, glob: Glob) -> int:
        """Remove the text keys that *glob* matches; return how many there were."""
        shared = self._shared
        if shared is None:
            return self._relay.pattern(self._space, glob)
        return shared.run(shared.invalidations.pattern(self._space, glob))

    async def ainvalidate_pattern(self, glob: Glob) -> int:
        """Do the same as `invalidate_pattern`."""
        shared = self._shared
        if shared is None:
            return self._relay.pattern(self._space, glob)
        return await shared.arun(shared.invalidations.pattern(self._space, glob))

    def clear(self) -> None:
        """Empty the namespace."""
        shared = self._shared
        if shared is None:
            self._relay.space(self._space)
        else:
            shared.run(shared.invalidations.space(self._space))

    async def aclear(self) -> None:
        """Do the same as `clear`."""
        shared = self._shared
        if shared is None:
            self._relay.space(self._space)
        else:
            await shared.arun(shared.invalidations.space(self._space))

    def clear_all(self) -> None:
        """Empty all namespaces."""
        shared = self._shared
        if shared is None:
            self._relay.everything()
        else:
            shared.run(shared.invalidations.everything())

    async def aclear_all(self) -> None:
        """Do the same as `clear_all`."""
        shared = self._shared
        if shared is None:
            self._relay.everything()
        else:
            await shared.arun(shared.invalidations.everything())
