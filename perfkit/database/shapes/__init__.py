"""Shapes of SQL statements: what is left when comments and values are gone."""

from __future__ import annotations

from perfkit.database.shapes.shape import QueryShape, fingerprint

__all__ = ["QueryShape", "fingerprint"]
