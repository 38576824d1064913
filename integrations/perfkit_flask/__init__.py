"""perfkit for Flask."""

from __future__ import annotations

from perfkit_flask.extension import Perfkit

__all__ = ["Perfkit"]
