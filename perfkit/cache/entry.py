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
    """One key and its value. Compared and hashed by identity.

    A class with slots and no more: a look-up writes into an entry, and assigning to a struct of msgspec's takes
    longer. Whoever makes very many makes them bare and assigns all fields, which spares the call of an `__init__`.

    Attributes:
        fresh_until: Monotonic seconds until which `get` returns it; `FOREVER` if it has no time to live.
        expires: Monotonic seconds at which it is dropped; later than `fresh_until` where stale values may serve.
        size: Bytes it counts for.
        stamps: Its tags, each with the tag's generation when it was stored.
        cost: Seconds that its value took to load; 0 if it was just set.
        sliding: Seconds by which each hit renews it; 0 for none.
        generation: That of its namespace when it was stored.
        epoch: The control log's epoch at which it was last known to be valid; -1 asks for a look.
        hits: Times it was found since its policy last looked, up to the most that the policy tells apart. Raised
            without a lock: a lost one does no harm.
        used: The tick of its last use, where the policy counts uses; 0 if it was not used since it came.
        due: The `expires` for which the tier has an alarm.
        retry_at: Monotonic seconds before which nobody tries again to refresh it.
        failures: Refreshes in a row that failed.
        is_alive: False once it has left the cache.
        rank: The tick by which such a policy has put it in its place.
    """

    # What a look-up reads comes first, side by side: one line of the processor's cache instead of three.
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
        "rank",
        "retry_at",
        "size",
        "sliding",
        "space",
        "stamps",
        "used",
        "value",
    )

    def __init__(
        self,
        key: Any,
        value: Any,
        fresh_until: float = FOREVER,
        epoch: int = -1,
        hits: int = 0,
        used: float = 0.0,
        space: Space | None = None,
        expires: float = FOREVER,
        size: int = 0,
        stamps: Stamps = (),
        cost: float = 0.0,
        sliding: float = 0.0,
        generation: int = 0,
        due: float = FOREVER,
    ) -> None:
        """Hold *value*; who leaves it at that has an entry without end or tags."""
        self.key = key
        self.value = value
        self.fresh_until = fresh_until
        self.epoch = epoch
        self.hits = hits
        self.used = used
        self.space = space
        self.expires = expires
        self.size = size
        self.stamps = stamps
        self.cost = cost
        self.sliding = sliding
        self.generation = generation
        self.due = due
        self.retry_at = 0.0
        self.failures = 0
        self.is_alive = True
        self.rank = 0.0
