"""Connections and the pools they come from: how many are out, for how long, and who waits."""

from __future__ import annotations

from typing import Any

from perfkit.core.context import Context
from perfkit.database.settings import DatabaseSettings

__all__ = ["Pools"]


class Pools:
    """The pools of this process."""

    def __init__(self, context: Context, settings: DatabaseSettings) -> None:
        """Count in the store of *context*."""
        self._context, self._settings = context, settings

    def watch(self, pool: Any) -> None:
        """Measure how long callers wait for a connection of *pool*."""

    def taken(self, pool: Any, record: Any) -> None:
        """A connection was taken out of *pool*."""

    def given_back(self, record: Any) -> None:
        """A connection was given back."""
