"""perfkit for WSGI: any WSGI app."""

from __future__ import annotations

from perfkit_wsgi.middleware import PerfkitMiddleware

__all__ = ["PerfkitMiddleware"]
