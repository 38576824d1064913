"""The sum of all workers, slot by slot: the dearest part of a scrape, so it does nothing twice.

``map(sum, zip(*views))`` is the fastest pure way (``map(add)`` three times slower); it runs over pieces of 4 KiB,
which stay in the processor's cache and between which other threads may run. A piece that no worker changed since
the last time keeps its sums; a worker that has only zeros in a piece is left out of it. A piece that changed is
summed afresh, always in the order of the workers: adding differences would change the last digit.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from perfkit.store.layout import SLOT_BYTES

__all__ = ["Merge"]

PIECE = 512 * SLOT_BYTES
_ZEROS = bytes(PIECE)

# From 3.12 on sum() compensates rounding errors, and is no longer sure to rise when its parts rise; fsum() is exact.
_total: Callable[[Iterable[float]], float] = sum if sys.version_info < (3, 12) else math.fsum


class Merge:
    """The sums of the last reading. One thread at a time."""

    def __init__(self) -> None:
        """Begin without any reading."""
        self._numbers: tuple[int, ...] = ()
        self._rows: list[bytes] = []
        self._sums: list[float] = []

    def update(self, numbers: tuple[int, ...], rows: Sequence[bytes], *, polite: bool = False) -> list[float]:
        """Return the sums of *rows*, the slots of the workers *numbers*; not to be changed by the caller.

        Args:
            numbers: The n of each worker, ascending.
            rows: What each of them holds now.
            polite: Let other threads run every few rows; for callers that nobody waits for.
        """
        size = max(map(len, rows), default=0)
        whole = [data if len(data) == size else data.ljust(size, b"\0") for data in rows]
        changed = self._changed(numbers, whole)
        sums = self._sums if changed is not None else [0.0] * (size // SLOT_BYTES)
        for at in range(0, size, PIECE) if changed is None or changed else ():
            stop = at + PIECE
            if changed is not None and all(new[at:stop] == old[at:stop] for new, old in changed):
                continue
            sums[at // SLOT_BYTES : stop // SLOT_BYTES] = _add([data[at:stop] for data in whole])
            if polite:
                time.sleep(0)
        self._numbers, self._rows, self._sums = numbers, whole, sums
        return sums

    def _changed(self, numbers: tuple[int, ...], whole: list[bytes]) -> list[tuple[bytes, bytes]] | None:
        """Return new and old rows of the workers that changed; None if all must be summed afresh."""
        if numbers != self._numbers or not whole or len(whole[0]) != len(self._rows[0]):
            return None
        return [(new, old) for new, old in zip(whole, self._rows, strict=True) if new != old]


def _add(pieces: list[bytes]) -> list[float]:
    """Return the sums of the pieces of all workers."""
    size = len(pieces[0])
    zeros = _ZEROS[:size]
    views = [memoryview(piece).cast("d") for piece in pieces if piece != zeros]
    if len(views) == 1:
        return list(views[0])
    if not views:
        return [0.0] * (size // SLOT_BYTES)
    try:
        return list(map(_total, zip(*views, strict=True)))
    except (OverflowError, ValueError):  # fsum refuses to add infinities of both signs
        return [sum(slot) for slot in zip(*views, strict=True)]
