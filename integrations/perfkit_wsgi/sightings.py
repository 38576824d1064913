"""Which request the frame of a running app belongs to, for reports about stuck threads. No request pays for this."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any

from perfkit.core.loops import SeenExchange
from perfkit_wsgi.exchange import Exchange

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["describer"]


def describer(system: PerformanceSystem, mark: str, frames: Any) -> Callable[[FrameType], SeenExchange | None]:
    """Return what tells the request of *system* that a frame belongs to.

    Args:
        system: Held weakly.
        mark: The key of the environ that holds the system.
        frames: The functions that have an `Exchange` in their hands, under the name `exchange` or `self`.
    """
    codes, ours = frozenset(each.__code__ for each in frames), weakref.ref(system)

    def describe(frame: FrameType) -> SeenExchange | None:
        if frame.f_code not in codes:
            return None
        found = frame.f_locals
        exchange = found.get("exchange", found.get("self"))
        if not isinstance(exchange, Exchange) or exchange.environ.get(mark) is not ours():
            return None
        environ, route_of = exchange.environ, exchange.middleware.route_of
        return SeenExchange(
            key=id(exchange),
            method=str(environ.get("REQUEST_METHOD", "")),
            route=exchange.route or (route_of(environ) if route_of is not None else ""),
            age=perf_counter() - exchange.start,
        )

    return describe
