"""What is made invalid here is made invalid in all workers: each of these acts at once here, then tells the others.

Here first, so that it holds when the call returns, even where the control log cannot be written. The others notice at
their next look-up, as the log's epoch has changed. Keys that cannot be told to others (objects) empty their whole
namespace there: more than needed, never less.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from perfkit.cache.loads.flight import Flights
from perfkit.cache.memory.glob import Glob
from perfkit.cache.memory.space import Space
from perfkit.cache.memory.tier import Tier

__all__ = ["INVALIDATE", "Relay"]

INVALIDATE = "cache.invalidate"
"""The command's name in the control log."""

MOST_KEYS = 500
LONGEST = 100
"""Keys told in one command, and the longest text of one: a record of the log has an end."""


class Relay:
    """Makes things invalid, here and in the other workers."""

    def __init__(self, tier: Tier, flights: Flights) -> None:
        """Listen to the others; call `close` to stop."""
        self._tier, self._flights = tier, flights
        self._origin = uuid.uuid4().hex
        tier.control.on(INVALIDATE, self._hear)
        tier.control.on_missed(self._forget_all)

    def close(self) -> None:
        """Listen no more."""
        self._tier.control.off(INVALIDATE, self._hear)

    def tags(self, names: tuple[str, ...]) -> None:
        """Make everything with one of these tags invalid."""
        self._tier.invalidate_tags(names)
        self._tell(tags=list(names))

    def space(self, space: Space) -> None:
        """Clear a namespace."""
        self._tier.clear(space)
        self._tell(space=space.name)

    def everything(self) -> None:
        """Clear all namespaces."""
        self._tier.drop_all()
        self._tell(all=True)

    def keys(self, space: Space, keys: Iterable[Any]) -> int:
        """Remove *keys*; return how many were there."""
        keys = list(keys)
        removed = self._remove(space, keys)
        for start in range(0, len(keys), MOST_KEYS):
            some = keys[start : start + MOST_KEYS]
            if all(map(_is_tellable, some)):
                self._tell(space=space.name, keys=some)
            else:
                self._tell(space=space.name)
        return removed

    def pattern(self, space: Space, glob: Glob) -> int:
        """Remove the text keys that *glob* matches; return how many there were."""
        removed = self._match(space, glob)
        if len(glob.pattern) > 10_000:
            self._tell(space=space.name)
        else:
            self._tell(space=space.name, pattern=glob.pattern)
        return removed

    def _remove(self, space: Space, keys: Iterable[Any]) -> int:
        tier, removed = self._tier, 0
        with tier.lock:
            for key in keys:
                self._flights.fence(space, key)
                entry = tier.take(space, key)
                removed += entry is not None
        return removed

    def _match(self, space: Space, glob: Glob) -> int:
        tier, removed = self._tier, 0
        with tier.lock:
            self._flights.fence_matching(space, glob)
        for keys in space.matching(glob):
            with tier.lock:
                removed += sum(tier.take(space, key) is not None for key in keys)
        return removed

    def _tell(self, **what: Any) -> None:
        if not self._tier.control.append(INVALIDATE, {"origin": self._origin, **what}):
            # The epoch may not have risen, and entries here would be trusted without a look.
            self._tier.drop_all()

    def _hear(self, payload: dict[str, Any]) -> None:
        """Do what another worker did. In the order of its commands, in whichever thread notices first."""
        if payload.get("origin") == self._origin:
            return
        if payload.get("all"):
            self._tier.drop_all()
        elif "tags" in payload:
            self._tier.invalidate_tags(payload["tags"])
        else:
            self._hear_of_space(payload)

    def _hear_of_space(self, payload: dict[str, Any]) -> None:
        space = self._tier.spaces.get(payload["space"])
        if space is None:
            return
        if "keys" in payload:
            self._remove(space, map(_hashable, payload["keys"]))
        elif "pattern" in payload:
            self._match(space, Glob(payload["pattern"]))
        else:
            self._tier.clear(space)

    def _forget_all(self) -> None:
        self._tier.drop_all()


def _is_tellable(key: Any) -> bool:
    kind = type(key)
    if kind is tuple:
        return len(key) <= 8 and all(map(_is_tellable, key))
    if kind is str or kind is bytes:
        return len(key) <= LONGEST
    return kind in (bool, float, type(None)) or (kind is int and -(2**63) <= key < 2**64)


def _hashable(key: Any) -> Any:
    return tuple(map(_hashable, key)) if isinstance(key, list) else key
