"""The metrics: what is counted, and how it is shown to Prometheus and to people."""

from __future__ import annotations

from perfkit.metrics.collector import MetricsCollector
from perfkit.metrics.settings import MetricsSettings

__all__ = ["MetricsCollector", "MetricsSettings"]
