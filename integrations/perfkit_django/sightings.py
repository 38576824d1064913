"""Which request the frame of a running site belongs to, for reports about stuck threads. No request pays for this."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING

from perfkit.core.loops import SeenExchange
from perfkit_django.routes import template

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["describer"]


def describer(system: PerformanceSystem) -> Callable[[FrameType], SeenExchange | None]:
    """Return what tells the request of *system*, held weakly, that a frame belongs to."""
    ours = weakref.ref(system)

    def describe(frame: FrameType) -> SeenExchange | None:
        if frame.f_code.co_filename != _MIDDLEWARE or frame.f_code.co_name not in ("__call__", "__acall__"):
            return None
        found = frame.f_locals
        request, start = found.get("request"), found.get("start")
        if not isinstance(start, float) or getattr(request, "perfkit", None) is not ours():
            return None
        return SeenExchange(
            key=id(request),
            method=str(getattr(request, "method", None) or ""),
            route=template(request),
            age=perf_counter() - start,
        )

    return describe


_MIDDLEWARE = __file__.replace("sightings.py", "middleware.py")
"""The file of the middleware, whose frames know the request and when it began."""
