"""What an eviction policy is: it is told who comes and says who goes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

from perfkit.cache.entry import Entry

__all__ = ["Policy", "most_hits", "replacer", "toucher"]


class Policy(Protocol):
    """Chooses who leaves. Both methods are called with the cache's lock held and must not wait.

    A hit takes no lock and tells nobody: it raises `entry.hits`, which the policy reads (and may set to 0) when it
    chooses. A policy that tells only a few hits apart says so with an attribute besides, ``most_hits``: no hit is
    counted beyond that many, which spares a write at most hits; 0 if hits are of no interest. A policy that needs
    the order of hits has a third method, ``touch(entry)``; it is called at each hit *without* the lock, possibly for an
    entry that has just left, so it must be one atomic step; all it may raise is KeyError. A fourth,
    ``replace(entry)``, is the same as `remove` and then `add`, with the lock held, for those that can do it quicker.
    """

    def add(self, entry: Entry) -> None:
        """Take *entry* in; it is not in yet."""
        ...

    def remove(self, entry: Entry | None = None) -> Entry:
        """Forget *entry*, which was deleted or has expired; without one choose who leaves, and return it.

        From then on its `is_alive` is False.

        Raises:
            LookupError: There is nobody to choose from.
        """
        ...


def toucher(policy: Policy) -> Callable[[Entry], object] | None:
    """Return what is to be called at each hit for *policy*, None if nothing is."""
    touch: Callable[[Entry], object] | None = getattr(policy, "touch", None)
    most = most_hits(policy)
    if touch is None or not most:
        return touch

    def count_and_touch(entry: Entry) -> None:
        if entry.hits < most:
            entry.hits += 1
        touch(entry)

    return count_and_touch


def most_hits(policy: Policy) -> int:
    """Return how many hits of one entry *policy* tells apart."""
    most: int = getattr(policy, "most_hits", sys.maxsize)
    return most


def replacer(policy: Policy) -> Callable[[Entry], Entry]:
    """Return what takes an entry in after choosing who leaves for it."""
    own: Callable[[Entry], Entry] | None = getattr(policy, "replace", None)
    if own is not None:
        return own

    def replace(entry: Entry) -> Entry:
        gone = policy.remove()
        policy.add(entry)
        return gone

    return replace
