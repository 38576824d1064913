"""What is made invalid here is made invalid in all workers: each of these acts at once here, then tells the others.

Here first, so that it holds when the call returns, even where the control log cannot be written. The others notice at
their next look-up, as the log's epoch has changed. Keys that cannot be told to others (objects) empty their whole
namespace there: more than needed, never less.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
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
LONGEST_PATTERN = 10_000


class Relay:
    """Makes things invalid, here and in the other workers.

    Attributes:
        on_undelivered: Called with what another worker could not tell the second tier, so that we tell it too.
    """

    def __init__(self, tier: Tier, flights: Flights) -> None:
        """Listen to the others; call `close` to stop."""
        self._tier, self._flights = tier, flights
        self._origin = uuid.uuid4().hex
        self.on_undelivered: Callable[[dict[str, Any]], object] | None = None
        tier.control.on(INVALIDATE, self._hear)
        tier.control.on_missed(self._forget_all)

    def close(self) -> None:
        """Listen no more."""
        self._tier.control.off(INVALIDATE, self._hear)

    def tags(self, names: tuple[str, ...]) -> None:
        """Make everything with one of these tags invalid."""
        self._tier.invalidate_tags(names)
        self.tell({"tags": list(names)})

    def space(self, space: Space) -> None:
        """Clear a namespace."""
        self._tier.clear(space)
        self.tell({"space": space.name})

    def everything(self) -> None:
        """Clear all namespaces."""
        self._tier.drop_all()
        self.tell({"all": True})

    def keys(self, space: Space, keys: Iterable[Any]) -> int:
        """Remove *keys*; return how many were there."""
        keys = list(keys)
        removed = self.remove(space, keys)
        for start in range(0, len(keys), MOST_KEYS):
            self.tell({"space": space.name, "keys": keys[start : start + MOST_KEYS]})
        return len(removed)

    def pattern(self, space: Space, glob: Glob) -> int:
        """Remove the text keys that *glob* matches; return how many there were."""
        removed = self.match(space, glob)
        self.tell({"space": space.name, "pattern": glob.pattern})
        return removed

    def remove(self, space: Space, keys: Iterable[Any]) -> list[Any]:
        """Remove *keys* here; return those that were there."""
        tier, removed = self._tier, []
        with tier.lock:
            for key in keys:
                self._flights.fence(space, key)
                if tier.take(space, key) is not None:
                    removed.append(key)
        return removed

    def match(self, space: Space, glob: Glob) -> int:
        """Remove the text keys that *glob* matches here; return how many there were."""
        tier, removed = self._tier, 0
        with tier.lock:
            self._flights.fence_matching(space, glob)
        for keys in space.matching(glob):
            with tier.lock:
                removed += sum(tier.take(space, key) is not None for key in keys)
        return removed

    def tell(self, what: dict[str, Any], *, is_delivered: bool = True) -> None:
        """Tell the other workers of this host; *is_delivered* says whether the second tier, if there is one, knows."""
        if self._tier.control.raise_epoch(INVALIDATE):
            return
        told = _told(what)
        extra = {} if is_delivered else {"undelivered": True}
        if not self._tier.control.append(INVALIDATE, {"origin": self._origin, **told, **extra}):
            # The epoch may not have risen, and entries here would be trusted without a look.
            self._tier.drop_all()

    def _hear(self, payload: dict[str, Any]) -> None:
        """Do what another worker did. In the order of its commands, in whichever thread notices first."""
        if payload.get("origin") == self._origin:
            return
        if "keys" in payload:
            payload["keys"] = list(map(_hashable, payload["keys"]))
        if payload.get("undelivered") and self.on_undelivered is not None:
            self.on_undelivered(payload)
        self.apply(payload)

    def apply(self, payload: dict[str, Any]) -> None:
        """Do here what *payload* says."""
        if payload.get("all"):
            self._tier.drop_all()
        elif "tags" in payload:
            self._tier.invalidate_tags(payload["tags"])
        else:
            self._apply_to_space(payload)

    def _apply_to_space(self, payload: dict[str, Any]) -> None:
        space = self._tier.spaces.get(payload["space"])
        if space is None:
            return
        if "keys" in payload:
            self.remove(space, payload["keys"])
        elif "pattern" in payload:
            self.match(space, Glob(payload["pattern"]))
        else:
            self._tier.clear(space)

    def _forget_all(self) -> None:
        self._tier.drop_all()


def _told(what: dict[str, Any]) -> dict[str, Any]:
    """Return *what* as it may be told; for keys that mean nothing elsewhere, or are too long, the whole namespace."""
    is_tellable = all(map(_is_tellable, what.get("keys", ()))) and len(what.get("pattern", "")) <= LONGEST_PATTERN
    return what if is_tellable else {"space": what["space"]}


def _is_tellable(key: Any) -> bool:
    kind = type(key)
    if kind is tuple:
        return len(key) <= 8 and all(map(_is_tellable, key))
    if kind is str or kind is bytes:
        return len(key) <= LONGEST
    return kind in (bool, float, type(None)) or (kind is int and -(2**63) <= key < 2**64)


def _hashable(key: Any) -> Any:
    return tuple(map(_hashable, key)) if isinstance(key, list) else key
