"""What the cache holds of one key."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfkit.cache.memory.space import Space
    from perfkit.cache.memory.tags import Stamps

__all__ = ["FOREVER", "MISSING", "Entry"]

FOREVER = math.inf
"""When an entry without a time to live expires. Known by its identity, which spares a look at the clock."""


class _Missing:
    """Stands for "nothing there", as None is a value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


class Entry:
    """One key and its value. Compared and hashed by identity; a class with slots has the cheapest attributes.

    Attributes:
        hits: Times it was found since its policy last looked. Raised without a lock: a lost one does no harm.
        fresh_until: Monotonic seconds until which `get` returns it; `FOREVER` if it has no time to live.
        expires: Monotonic seconds at which it is dropped; later than `fresh_until` where stale values may serve.
        due: The `expires` for which the tier has an alarm.
        epoch: The control log's epoch at which it was last known to be valid; -1 asks for a look.
        generation: That of its namespace when it was stored.
        stamps: Its tags, each with the tag's generation when it was stored.
        size: Bytes it counts for.
        cost: Seconds that its value took to load; 0 if it was just set.
        sliding: Seconds by which each hit renews it; 0 for none.
        retry_at: Monotonic seconds before which nobody tries again to refresh it.
        failures: Refreshes in a row that failed.
        is_alive: False once it has left the cache.
    """

    __slots__ = (
        "cost",
        "due",
        "epoch",
        "expires",
        "failures",
        "fresh_until",
        "generation",
        "hits",
        "is_alive",
        "key",
        "retry_at",
        "size",
        "sliding",
        "space",
        "stamps",
        "value",
    )

    def __init__(
        self,
        key: Any,
        value: Any,
        space: Space | None = None,
        fresh_until: float = FOREVER,
        expires: float = FOREVER,
        size: int = 0,
        stamps: Stamps = (),
        cost: float = 0.0,
        sliding: float = 0.0,
        generation: int = 0,
        epoch: int = -1,
    ) -> None:
        """Hold *value* under *key*."""
        self.key = key
        self.value = value
        self.space = space
        self.hits = 0
        self.fresh_until = fresh_until
        self.expires = self.due = expires
        self.size = size
        self.stamps = stamps
        self.cost = cost
        self.sliding = sliding
        self.generation = generation
        self.epoch = epoch
        self.retry_at = 0.0
        self.failures = 0
        self.is_alive = True
