"""THE table of components: one line each.

A component's one word is its folder, its settings section, its attribute of the system and its tests folder. The class
is named, not imported: importing perfkit loads no component, and components do not know each other.
"""

from __future__ import annotations

import importlib

from perfkit.core.component import Component

__all__ = ["COMPONENTS", "load"]

COMPONENTS = {
    "metrics": "perfkit.metrics.collector:MetricsCollector",
    "performance": "perfkit.performance.monitor:PerformanceMonitor",
    "health": "perfkit.health.checker:HealthChecker",
    "load_balancer": "perfkit.load_balancer.balancer:LoadBalancer",
    "alerts": "perfkit.alerts.manager:AlertManager",
    "cache": "perfkit.cache.manager:CacheManager",
    "database": "perfkit.database.optimizer:DatabaseOptimizer",
    "recorder": "perfkit.recorder.recorder:FlightRecorder",
}
"""Word → class, in the order in which they are built and started; they stop in the opposite order."""


def load(name: str) -> type[Component]:
    """Import and return the class of the component *name*."""
    module, _, attribute = COMPONENTS[name].partition(":")
    component: type[Component] = getattr(importlib.import_module(module), attribute)
    return component
