"""The routes of a service over a longer range than its overview has."""

from __future__ import annotations

import msgspec

from perfkit.cli.reading.overview import Overview, decoded, plain
from perfkit.cli.reading.service import Service, ServiceError
from perfkit.performance.snapshot import RouteSnapshot, Trend

__all__ = ["RANGES", "Past", "past"]

RANGES = ("5m", "1h", "6h", "24h")
"""How far back a service tells; the first is what its overview tells anyway."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What a service tells of a range.

    Attributes:
        range: One of `RANGES`.
        window: Seconds that it covers; fewer while the service is younger.
        routes: At most a hundred, those that took most of the time.
    """

    range: str
    window: float
    routes: tuple[RouteSnapshot, ...]
    trend: Trend | None = None


class _Routes(msgspec.Struct, frozen=True):
    window: float
    routes: tuple[RouteSnapshot, ...]


def past(service: Service, range: str) -> tuple[Overview, Past | None]:
    """Return the overview, and what the *range* tells; None for the range that the overview has itself.

    Raises:
        ServiceError, NotAllowedError: The service cannot be asked, or says what are no routes.
    """
    if range == RANGES[0]:
        return decoded(service.overview(), service.name), None
    overview = decoded(service.overview(f"range={range}"), service.name)
    reply = service.get(f"{service.mount}/api/routes?range={range}")
    try:
        if reply.code != 200:
            raise ValueError(f"the code is {reply.code}")
        told = msgspec.convert(plain(reply.body), _Routes)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise ServiceError(
            f"{service.name} did not tell its routes of {range} ({error}). It must answer with JSON. "
            "Look at the service and what is in front of it."
        ) from None
    return overview, Past(range=range, window=told.window, routes=_known(told.routes, overview), trend=overview.trend)


def _known(routes: tuple[RouteSnapshot, ...], overview: Overview) -> tuple[RouteSnapshot, ...]:
    """Return *routes* with the statements a request, which only the overview tells."""
    recent = overview.performance.routes if overview.performance is not None else ()
    queries = {(route.method, route.route): route.queries for route in recent}
    return tuple(
        msgspec.structs.replace(route, queries=queries.get((route.method, route.route), route.queries))
        for route in routes
    )
