"""The sum of all workers, slot by slot: the dearest part of a scrape, so it does nothing twice and nothing in vain.

``map(sum, zip(*views))`` is the fastest pure way (``map(add)`` three times slower). Most slots are zero in every
worker: a histogram has 120 buckets, of which a route fills a third. So it is remembered where anything but zeros was
ever seen; elsewhere one comparison for each stretch makes sure that there are zeros still, at a fiftieth of the price.
A stretch that no worker changed since the last time keeps its sums. One that changed is summed afresh, always in the
order of the workers: adding differences would change the last digit.
"""

from __future__ import annotations

import math
import re
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Sequence

from perfkit.store.layout import SLOT_BYTES

__all__ = ["Merge"]

GROUP = 8 * SLOT_BYTES
"""Bytes that are told apart: seen with numbers, or always zeros."""
STRETCH = 64
"""Groups that are summed in one go."""
TURN = 16 * 1024
"""Slots of all workers after which other threads may run, about half a millisecond."""
_SEEN = re.compile(rb"\x01{1,%d}" % STRETCH)
_UNSEEN = re.compile(rb"\x00+")
_ZEROS = bytes(GROUP)

# From 3.12 on sum() compensates rounding errors, and is no longer sure to rise when its parts rise; fsum() is exact.
_total: Callable[[Iterable[float]], float] = sum if sys.version_info < (3, 12) else math.fsum


class Merge:
    """The sums of the last reading. One thread at a time."""

    def __init__(self) -> None:
        """Begin without any reading."""
        self._numbers: tuple[int, ...] = ()
        self._rows: list[bytes] = []
        self._sums = array("d")
        self._size = 0
        self._seen = bytearray()
        self._stretches: list[tuple[int, int]] = []
        self._zeros: list[tuple[int, bytes]] = []

    def update(self, numbers: tuple[int, ...], rows: Sequence[bytes], *, polite: bool = False) -> array[float]:
        """Return the sums of *rows*, the slots of the workers *numbers*; not to be changed by the caller.

        Args:
            numbers: The n of each worker, ascending.
            rows: What each of them holds now.
            polite: Let other threads run every few rows; for callers that nobody waits for.
        """
        size = max(map(len, rows), default=0)
        whole = [data if len(data) == size else data.ljust(size, b"\0") for data in rows]
        changed = self._changed(numbers, whole)
        sums = self._sums if changed is not None else array("d", bytes(size))
        self._see(whole if changed is None else [new for new, _ in changed], size, polite=polite)
        views = [memoryview(data).cast("d") for data in whole]
        added = 0
        for at, stop in self._stretches if changed is None or changed else ():
            if changed is not None and all(new[at:stop] == old[at:stop] for new, old in changed):
                continue
            first, last = at // SLOT_BYTES, stop // SLOT_BYTES
            sums[first:last] = _add([view[first:last] for view in views])
            added += (last - first) * len(views)
            if polite and added >= TURN:
                added = 0
                time.sleep(0)
        self._numbers, self._rows, self._sums = numbers, whole, sums
        return sums

    def _changed(self, numbers: tuple[int, ...], whole: list[bytes]) -> list[tuple[bytes, bytes]] | None:
        """Return new and old rows of the workers that changed; None if all must be summed afresh."""
        if numbers != self._numbers or not whole or len(whole[0]) != len(self._rows[0]):
            return None
        return [(new, old) for new, old in zip(whole, self._rows, strict=True) if new != old]

    def _see(self, rows: Iterable[bytes], size: int, *, polite: bool) -> None:
        """Notice where *rows*, each of *size* bytes, have anything but zeros for the first time."""
        if size != self._size:
            self._size = size
            self._seen = self._seen.ljust(-(-size // GROUP), b"\0")
            self._divide()
        is_dirty = False
        for order, data in enumerate(rows):
            if polite and order % 4 == 3:
                time.sleep(0)
            surprises = [(at, len(zeros)) for at, zeros in self._zeros if not data.startswith(zeros, at)]
            for start, length in surprises:
                for at in range(start, start + length, GROUP):
                    if data[at : at + GROUP] != _ZEROS:
                        self._seen[at // GROUP] = 1
            is_dirty |= bool(surprises)
            if sum(length for _, length in surprises) > size // 4:
                # Most workers have numbers where others have: what is known now need not be found again.
                self._divide()
                is_dirty = False
        if is_dirty:
            self._divide()

    def _divide(self) -> None:
        """Divide the slots into stretches to be summed and stretches of zeros."""
        size = self._size
        groups = bytes(self._seen[: -(-size // GROUP)])
        self._stretches = _found(_SEEN, groups, size)
        self._zeros = [(at, bytes(stop - at)) for at, stop in _found(_UNSEEN, groups, size)]


def _found(kind: re.Pattern[bytes], groups: bytes, size: int) -> list[tuple[int, int]]:
    """Return where groups of that *kind* begin and end, in bytes; the last of all may be cut short."""
    spans = [found.span() for found in kind.finditer(groups)]
    return [(start * GROUP, stop * GROUP if stop < len(groups) else size) for start, stop in spans]


def _add(views: list[memoryview[float]]) -> array[float]:
    """Return the sums of the same slots of all workers."""
    if len(views) == 1:
        return array("d", views[0].tobytes())
    try:
        return array("d", map(_total, zip(*views, strict=True)))
    except (OverflowError, ValueError):  # fsum refuses to add infinities of both signs
        return array("d", [sum(slot) for slot in zip(*views, strict=True)])
