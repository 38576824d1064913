"""The health checker: what is well, and what the probes should say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.health.checker import HealthChecker
    from perfkit.health.settings import HealthSettings
    from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot

__all__ = [
    "CheckSnapshot",
    "HealthChecker",
    "HealthSettings",
    "HealthSnapshot",
]

__getattr__ = lazily(
    __name__,
    {
        "HealthChecker": "perfkit.health.checker",
        "HealthSettings": "perfkit.health.settings",
        "CheckSnapshot": "perfkit.health.snapshot",
        "HealthSnapshot": "perfkit.health.snapshot",
    },
)
