"""perfkit for Flask."""

from __future__ import annotations

from perfkit_flask.cached import cached
from perfkit_flask.extension import Perfkit

__all__ = ["Perfkit", "cached"]
