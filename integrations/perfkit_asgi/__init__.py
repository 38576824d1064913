"""perfkit for ASGI: Starlette, FastAPI and any other ASGI app."""

from __future__ import annotations

from perfkit_asgi.dependency import cache_of
from perfkit_asgi.middleware import PerfkitMiddleware

__all__ = ["PerfkitMiddleware", "cache_of"]
