"""Which request the frame of a running app belongs to, for reports about a blocked loop. No request pays for this."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING

from perfkit.core.loops import SeenExchange
from perfkit_asgi.routes import RouteTable

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["describer"]


def describer(system: PerformanceSystem, routes: RouteTable) -> Callable[[FrameType], SeenExchange | None]:
    """Return what tells the request of *system* that a frame belongs to, if it has an ASGI scope in its hands.

    Args:
        system: Held weakly.
        routes: Of the app, and no table that requests use: it is asked in another thread than the one that counts.
    """
    ours = weakref.ref(system)

    def describe(frame: FrameType) -> SeenExchange | None:
        code = frame.f_code
        if "scope" not in code.co_varnames and "scope" not in code.co_freevars:
            return None
        found = frame.f_locals
        scope = found.get("scope")
        if not isinstance(scope, dict) or scope.get("type") != "http" or scope.get("perfkit") is not ours():
            return None
        start = found.get("start") if code.co_filename == _MIDDLEWARE and code.co_name == "__call__" else None
        return SeenExchange(
            key=id(scope.get("state")),
            method=str(scope.get("method", "")),
            route=routes.find(scope)[0],
            age=perf_counter() - start if isinstance(start, float) else None,
        )

    return describe


_MIDDLEWARE = __file__.replace("sightings.py", "middleware.py")
"""The file of the middleware, one of whose frames knows when the request began."""
