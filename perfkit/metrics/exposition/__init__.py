"""Exposition: families of numbers as Prometheus text, OpenMetrics, JSON or CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.metrics.exposition.exposition import Exposition, render
    from perfkit.metrics.exposition.formats import Escaping, Format, content_type
    from perfkit.metrics.exposition.selection import Selection

__all__ = ["Escaping", "Exposition", "Format", "Selection", "content_type", "render"]

__getattr__ = lazily(
    __name__,
    {
        "Escaping": "perfkit.metrics.exposition.formats",
        "Exposition": "perfkit.metrics.exposition.exposition",
        "Format": "perfkit.metrics.exposition.formats",
        "Selection": "perfkit.metrics.exposition.selection",
        "content_type": "perfkit.metrics.exposition.formats",
        "render": "perfkit.metrics.exposition.exposition",
    },
)
