"""The health checker: what is well, and what the probes should say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.core.checks import CheckResult
    from perfkit.core.errors import HealthError
    from perfkit.health.checker import HealthChecker
    from perfkit.health.dependencies.database import database_check, django_check
    from perfkit.health.dependencies.http import http_check
    from perfkit.health.dependencies.redis import redis_check
    from perfkit.health.dependencies.tcp import tcp_check
    from perfkit.health.registered.registration import CheckOptions
    from perfkit.health.settings import HealthSettings
    from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot, StatusChange, WorkerHealth

__all__ = [
    "CheckOptions",
    "CheckResult",
    "CheckSnapshot",
    "HealthChecker",
    "HealthError",
    "HealthSettings",
    "HealthSnapshot",
    "StatusChange",
    "WorkerHealth",
    "database_check",
    "django_check",
    "http_check",
    "redis_check",
    "tcp_check",
]

__getattr__ = lazily(
    __name__,
    {
        "CheckResult": "perfkit.core.checks",
        "HealthError": "perfkit.core.errors",
        "HealthChecker": "perfkit.health.checker",
        "CheckOptions": "perfkit.health.registered.registration",
        "HealthSettings": "perfkit.health.settings",
        "CheckSnapshot": "perfkit.health.snapshot",
        "HealthSnapshot": "perfkit.health.snapshot",
        "StatusChange": "perfkit.health.snapshot",
        "WorkerHealth": "perfkit.health.snapshot",
        "database_check": "perfkit.health.dependencies.database",
        "django_check": "perfkit.health.dependencies.database",
        "http_check": "perfkit.health.dependencies.http",
        "redis_check": "perfkit.health.dependencies.redis",
        "tcp_check": "perfkit.health.dependencies.tcp",
    },
)
