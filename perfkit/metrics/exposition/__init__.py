"""Exposition: families of numbers as Prometheus text, OpenMetrics, JSON or CSV."""

from __future__ import annotations

from perfkit.metrics.exposition.exposition import Exposition, render
from perfkit.metrics.exposition.formats import Escaping, Format, content_type
from perfkit.metrics.exposition.selection import Selection

__all__ = ["Escaping", "Exposition", "Format", "Selection", "content_type", "render"]
