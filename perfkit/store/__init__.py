"""The one store of numbers, shared by all workers of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.store.history.ring import Column, Tick
    from perfkit.store.history.window import Window
    from perfkit.store.series.bound import BoundCounter, BoundGauge, BoundHistogram, BoundSummary
    from perfkit.store.series.rows import Row
    from perfkit.store.settings import StoreSettings
    from perfkit.store.store import Store, Worker

__all__ = [
    "BoundCounter",
    "BoundGauge",
    "BoundHistogram",
    "BoundSummary",
    "Column",
    "Row",
    "Store",
    "StoreSettings",
    "Tick",
    "Window",
    "Worker",
]

__getattr__ = lazily(
    __name__,
    {
        "BoundCounter": "perfkit.store.series.bound",
        "BoundGauge": "perfkit.store.series.bound",
        "BoundHistogram": "perfkit.store.series.bound",
        "BoundSummary": "perfkit.store.series.bound",
        "Column": "perfkit.store.history.ring",
        "Tick": "perfkit.store.history.ring",
        "Window": "perfkit.store.history.window",
        "Row": "perfkit.store.series.rows",
        "StoreSettings": "perfkit.store.settings",
        "Store": "perfkit.store.store",
        "Worker": "perfkit.store.store",
    },
)
