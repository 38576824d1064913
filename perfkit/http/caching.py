"""The response cache of a system, for adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfkit.cache.http import HttpCache
    from perfkit.system import PerformanceSystem

__all__ = ["http_cache_of"]


def http_cache_of(system: PerformanceSystem) -> HttpCache | None:
    """Return the response cache of *system*; None where the settings name no route for it and do not look for any."""
    settings = system.config.cache
    if not (settings.enabled and (settings.http_cache or settings.http.sample)):
        return None
    from perfkit.cache.http import HttpCache

    return HttpCache(system.cache)
