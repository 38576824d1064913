"""Who leaves when the cache is full: one module a policy, all behind one Protocol of two methods."""

from __future__ import annotations

from collections.abc import Callable

from perfkit.cache.policies.adaptive import Adaptive
from perfkit.cache.policies.fifo import Fifo
from perfkit.cache.policies.lfu import Lfu
from perfkit.cache.policies.lru import Lru
from perfkit.cache.policies.policy import Policy
from perfkit.cache.policies.ttl import Ttl

__all__ = ["POLICIES", "Adaptive", "Fifo", "Lfu", "Lru", "Policy", "Ttl"]

POLICIES: dict[str, Callable[[int], Policy]] = {"lru": Lru, "lfu": Lfu, "fifo": Fifo, "ttl": Ttl, "adaptive": Adaptive}
"""Strategy of the settings → what makes its policy, given the most entries that the cache holds."""
