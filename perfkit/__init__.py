"""perfkit measures, guards and speeds up a Python web service.

Importing it loads nothing and starts nothing: each public name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.config import PerformanceConfig, get_performance_config, validate_performance_config
    from perfkit.core.errors import PerfkitError
    from perfkit.core.findings import Finding
    from perfkit.core.status import Status
    from perfkit.snapshot import PerformanceDashboard
    from perfkit.system import PerformanceSystem

__version__ = "0.1.0.dev0"

__all__ = [
    "Finding",
    "PerfkitError",
    "PerformanceConfig",
    "PerformanceDashboard",
    "PerformanceSystem",
    "Status",
    "__version__",
    "get_performance_config",
    "validate_performance_config",
]

_HOMES = {
    "Finding": "perfkit.core.findings",
    "PerfkitError": "perfkit.core.errors",
    "PerformanceConfig": "perfkit.config",
    "PerformanceDashboard": "perfkit.snapshot",
    "PerformanceSystem": "perfkit.system",
    "Status": "perfkit.core.status",
    "get_performance_config": "perfkit.config",
    "validate_performance_config": "perfkit.config",
}


__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
