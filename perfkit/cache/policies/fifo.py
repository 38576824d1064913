"""First in, first out: the oldest leaves, however often it is used."""

from __future__ import annotations

from collections import OrderedDict

from perfkit.cache.entry import Entry

__all__ = ["Fifo"]


class Fifo:
    """Entries in the order in which they came. All operations are O(1).

    An `OrderedDict`, not a dict: taking the first of a dict again and again walks over all that were taken before.
    """

    __slots__ = ("_order",)
    most_hits = 0

    def __init__(self, max_size: int = 0) -> None:
        """Begin empty; *max_size* is of no interest here."""
        self._order: OrderedDict[Entry, None] = OrderedDict()

    def add(self, entry: Entry) -> None:
        """Put *entry* at the end."""
        self._order[entry] = None

    def remove(self, entry: Entry | None = None) -> Entry:
        """Forget *entry*, or return the first."""
        if entry is None:
            entry = self._order.popitem(last=False)[0]
        else:
            del self._order[entry]
        entry.is_alive = False
        return entry

    def replace(self, entry: Entry) -> Entry:
        """Return the first, and put *entry* at the end."""
        order = self._order
        gone = order.popitem(last=False)[0]
        gone.is_alive = False
        order[entry] = None
        return gone
