"""The health checker: what is well, and what the probes should say."""

from __future__ import annotations

from perfkit.health.checker import HealthChecker
from perfkit.health.settings import HealthSettings
from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot

__all__ = ["CheckSnapshot", "HealthChecker", "HealthSettings", "HealthSnapshot"]
