"""Django's statements, for the component `database`."""

from __future__ import annotations

from perfkit_django.sql.connections import capture, forget

__all__ = ["capture", "forget"]
