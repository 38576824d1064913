"""What is in the memory: objects by type, allocations by line. Opt-in; off the requests, within a time budget."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from random import random
from time import perf_counter
from typing import TYPE_CHECKING, Any

from perfkit.core.code.places import is_users

if TYPE_CHECKING:
    import tracemalloc

__all__ = ["Allocations", "OwnTypes", "grown", "home_of", "types"]

BUDGET = 0.05
"""Seconds of work that one count by type may take; what is left then is estimated from what was seen."""

CHUNK = 2000
"""Objects after which other threads get their turn."""

MOST = 5
"""Types or lines told."""

MOST_OWN = 3
"""Types told that the user's own code defines, where those that grew most are others: they tell where to look."""

LOOKED_AT = 500
"""Types that are looked at for these."""

MOST_NAMES, MOST_TYPES, POINTS = 20_000, 200, 60
"""Names known, types followed and counts of each."""

PATIENCE = 0.25
"""Seconds of work that such a count may take: one that is estimated from a part is not steady."""

LEAST_MORE = 100
"""Objects by which a type must have become more to be told."""


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
    """Return the types of which there are more now, those that grew most first: five, and three of the user's own."""
    more = Counter({name: grew for name, count in after.items() if (grew := count - before.get(name, 0)) > 0})
    first = more.most_common(LOOKED_AT)
    own = [each for each in first[MOST:] if _file_of(_class(each[0]))]
    return dict(first[:MOST] + own[:MOST_OWN])


class OwnTypes:
    """The objects of the user's own types over the last *window* seconds: which of them become steadily more?"""

    def __init__(self, window: float) -> None:
        """Know nothing yet."""
        self._window = window
        self._is_own: dict[str, bool] = {}
        self._points: dict[str, deque[tuple[float, float]]] = {}

    def look(self, now: float) -> None:
        """Count them at *now* (monotonic seconds)."""
        for name, count in types(budget=PATIENCE).items():
            is_own = self._is_own.get(name)
            if is_own is None:
                if len(self._is_own) >= MOST_NAMES:
                    self._is_own.clear()
                is_own = self._is_own[name] = bool(_file_of(_class(name)))
            if is_own and (name in self._points or len(self._points) < MOST_TYPES):
                self._points.setdefault(name, deque(maxlen=POINTS)).append((now, float(count)))

    def steady(self) -> dict[str, int]:
        """Return the types of which there are more and more, with how many there are more; the most first."""
        from perfkit.performance.memory.slope import floor_of, slope

        more: Counter[str] = Counter()
        for name, points in self._points.items():
            line = slope(floor_of(points, self._window))
            if line is not None and line.is_steady and line.low > 0.0 and line.seconds >= self._window / 3:
                more[name] = round(line.growth)
        return {name: count for name, count in more.most_common(MOST_OWN) if count >= LEAST_MORE}


def home_of(name: str) -> str:
    """Return ``path:line`` of the class called *name*, as `types` calls it; empty where it is not the user's own.

    It reads the source, so never call it where anybody waits.
    """
    found = _class(name)
    file = _file_of(found)
    if found is None or not file:
        return ""
    import inspect

    try:
        line = inspect.getsourcelines(found)[1]
    except (OSError, TypeError):
        return ""
    return f"{file.removeprefix(os.getcwd() + os.sep)}:{line}"


def _file_of(found: type | None) -> str:
    """Return the file of the module that defines a class, if it is the user's own, else nothing."""
    file = getattr(sys.modules.get(found.__module__), "__file__", None) if found is not None else None
    return file if file and is_users(file) else ""


def _class(name: str) -> type | None:
    """Return the class *name*, whose module and qualified name are one text: the longest that is a module counts."""
    module = name
    while "." in module:
        module, _, _ = module.rpartition(".")
        if module in sys.modules:
            found: Any = sys.modules[module]
            for part in name.removeprefix(f"{module}.").split("."):
                found = getattr(found, part, None)
            return found if isinstance(found, type) else None
    return None


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
