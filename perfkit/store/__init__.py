"""The one store of numbers, shared by all workers of a service."""

from __future__ import annotations

from perfkit.store.history.ring import Column, Tick
from perfkit.store.history.window import Window
from perfkit.store.series.rows import Row
from perfkit.store.settings import StoreSettings
from perfkit.store.store import Store, Worker

__all__ = ["Column", "Row", "Store", "StoreSettings", "Tick", "Window", "Worker"]
