"""What is in the memory: objects by type, allocations by line. Opt-in; off the requests, within a time budget."""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import random
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tracemalloc

__all__ = ["Allocations", "grown", "types"]

BUDGET = 0.05
"""Seconds of work that one count by type may take; what is left then is estimated from what was seen."""

CHUNK = 2000
"""Objects after which other threads get their turn."""

MOST = 5
"""Types or lines told."""


def types(budget: float = BUDGET) -> dict[str, int]:
    """Return about how many objects of each type the garbage collector knows, from every n-th if there are very many.

    To list them is one call that holds up all threads, 10 ms for a million objects; the rest gives way to them.
    """
    objects = gc.get_objects()
    step = max(1, len(objects) // 200_000)
    counts: Counter[type] = Counter()
    seen, spent = 0, 0.0
    wanted = range(0, len(objects), step)
    for first in range(0, len(wanted), CHUNK):
        began = perf_counter()
        part: Sequence[int] = wanted[first : first + CHUNK]
        if step > 1:
            # Objects and their dictionaries may lie alternately: every n-th would be one of the two each time.
            part = [min(index + int(random() * step), len(objects) - 1) for index in part]
        counts.update(type(objects[index]) for index in part)
        seen += len(part)
        spent += perf_counter() - began
        if spent > budget:
            break
        time.sleep(0)
    scale = len(objects) / seen if seen else 1.0
    del objects
    return {f"{kind.__module__}.{kind.__qualname__}": round(count * scale) for kind, count in counts.items()}


def grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return the types of which there are more now, those that grew most first, at most five."""
    more = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in Counter(more).most_common(MOST) if count > 0}


class Allocations:
    """Where memory is allocated, by tracemalloc, between two looks."""

    def __init__(self) -> None:
        """Trace nothing yet."""
        self._is_ours = False
        self._before: Any = None

    def start(self) -> None:
        """Trace from now on, unless somebody does already."""
        import tracemalloc

        if not tracemalloc.is_tracing():
            tracemalloc.start(1)
            self._is_ours = True

    def stop(self) -> None:
        """Trace no longer, if it was us who began."""
        tracing = sys.modules.get("tracemalloc")
        if tracing is not None and self._is_ours:
            tracing.stop()
        self._is_ours, self._before = False, None

    def mark(self) -> None:
        """Remember what is there now."""
        self._before = _snapshot()

    def grown(self) -> dict[str, int]:
        """Return the lines whose allocations grew most since `mark`, with the bytes, at most five."""
        if self._before is None:
            return {}
        return dict(_lines(_snapshot(), self._before))


def _snapshot() -> tracemalloc.Snapshot | None:
    import tracemalloc

    if not tracemalloc.is_tracing():
        return None
    hidden = [tracemalloc.Filter(False, tracemalloc.__file__), tracemalloc.Filter(False, "<frozen*")]
    return tracemalloc.take_snapshot().filter_traces(hidden)


def _lines(after: tracemalloc.Snapshot | None, before: tracemalloc.Snapshot | None) -> Iterator[tuple[str, int]]:
    if after is None or before is None:
        return
    for each in after.compare_to(before, "lineno")[:MOST]:
        if each.size_diff > 0:
            yield f"{each.traceback[0].filename}:{each.traceback[0].lineno}", each.size_diff
