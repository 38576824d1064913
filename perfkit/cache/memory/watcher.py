"""Somebody who watches a sample of the keys: what the tier tells of them."""

from __future__ import annotations

from typing import Any, Protocol

from perfkit.cache.entry import Entry
from perfkit.cache.memory.space import Space
from perfkit.cache.memory.tags import Stamps

__all__ = ["WATCHED", "Watcher", "tell"]

WATCHED = -2
"""The epoch of an entry whose next hit is told; like -1 no look-up trusts it, so that all others cost nothing."""


class Watcher(Protocol):
    """What is told of a sample of the keys. All with the tier's lock held.

    Attributes:
        low, high: Texts are watched whose hashes lie from the one up to the other.
    """

    low: int
    high: int

    def arrive(self, space: Space, key: Any, expires: float, stamps: Stamps) -> bool:
        """A value came in for a key that had none; return whether the key is watched."""
        ...

    def renew(self, space: Space, key: Any, expires: float, stamps: Stamps) -> bool:
        """A key that was there has another value; return whether it is watched."""
        ...

    def forget(self, space: Space, key: Any) -> None:
        """A key was deleted."""
        ...

    def note(self, entry: Entry) -> None:
        """A watched entry was hit."""
        ...


def tell(shadow: Watcher, space: Space, key: Any, expires: float, stamps: Stamps, *, is_new: bool) -> bool:
    """Tell *shadow* of a value that is stored; return whether it wants to hear of the next hit."""
    return (shadow.arrive if is_new else shadow.renew)(space, key, expires, stamps)
