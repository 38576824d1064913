"""What others ask about a running app: whose frame is this, which function answers a route? No request pays for it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING

from perfkit.core.code.handlers import Finder
from perfkit.core.loops import SeenExchange
from perfkit_asgi.routes import RouteTable
from perfkit_asgi.types import ASGIApp, Scope

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["describer", "finder"]


def describer(system: PerformanceSystem, app: ASGIApp, scope: Scope) -> Callable[[FrameType], SeenExchange | None]:
    """Return what tells the request of *system* that a frame belongs to, if it has an ASGI scope in its hands.

    It has routes of its own, as it is asked in another thread than the one that counts; *app* and *system* are held
    weakly.
    """
    routes = RouteTable()
    routes.attach(app, scope)
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


def finder(app: ASGIApp, scope: Scope) -> Finder:
    """Return what finds the endpoint of a route; *app* is held weakly."""
    routes = RouteTable()
    routes.attach(app, scope)
    return routes.endpoint


_MIDDLEWARE = __file__.replace("sightings.py", "middleware.py")
"""The file of the middleware, one of whose frames knows when the request began."""
