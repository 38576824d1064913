"""What an eviction policy is: it is told who comes and says who goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from perfkit.cache.entry import Entry

__all__ = ["Policy", "toucher"]


class Policy(Protocol):
    """Chooses who leaves. Both methods are called with the cache's lock held and must not wait.

    A hit takes no lock and tells nobody: it raises `entry.hits`, which the policy reads (and may set to 0) when it
    chooses. A policy that needs the order of hits has a third method besides, ``touch(entry)``; it is called at each
    hit *without* the lock, possibly for an entry that has just left, so it must be one atomic step;
    all it may raise is KeyError.
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
    """Return what *policy* wants to be called at each hit, None if it does not."""
    touch: Callable[[Entry], object] | None = getattr(policy, "touch", None)
    return touch
