"""Settings: presets, layers, environment variables and validation."""

from __future__ import annotations

from perfkit.config.loader import get_performance_config, validate_performance_config
from perfkit.config.performance_config import PerformanceConfig
from perfkit.config.sections import AccessSettings, DashboardSettings, HttpSettings
from perfkit.config.sources import config_sources
from perfkit.config.validation import Issue, Validation

__all__ = [
    "AccessSettings",
    "DashboardSettings",
    "HttpSettings",
    "Issue",
    "PerformanceConfig",
    "Validation",
    "config_sources",
    "get_performance_config",
    "validate_performance_config",
]
