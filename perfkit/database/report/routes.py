"""Which route a finding is about, and how much of the route's time: so that lost points can be told by their cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from perfkit.core.families import Family, Histogram
from perfkit.core.findings import Finding
from perfkit.core.names import route_name
from perfkit.database.report.texts import ShapeText

__all__ = ["seconds_by_route", "with_routes"]


def seconds_by_route(family: Family | None) -> dict[str, float]:
    """Return the seconds of all requests of *family*, the request duration, by route."""
    sums: dict[str, float] = {}
    for point in family.points if family is not None else ():
        if isinstance(point.value, Histogram):
            name = route_name(*point.labels[:2])
            sums[name] = sums.get(name, 0.0) + point.value.sum
    return sums


def with_routes(
    findings: Iterable[Finding], texts: Mapping[str, ShapeText], spent: Mapping[str, float]
) -> Iterator[Finding]:
    """Yield *findings* with their route, and ``routes`` and ``route_share`` in their evidence, where these are known.

    Args:
        findings: Some have routes already: they were found in requests. Others are about a statement, wherever it is
            sent from.
        texts: What is known of each shape, by its id.
        spent: Seconds of all requests by route.
    """
    for finding in findings:
        evidence = dict(finding.evidence)
        if "routes" not in evidence:
            evidence |= _of_shape(texts.get(str(evidence.get("shape", ""))))
        routes = evidence.get("routes")
        if not routes:
            yield finding
            continue
        whole = spent.get(evidence["route"], 0.0)
        if whole > 0.0:
            evidence["route_share"] = min(1.0, routes[evidence["route"]]["seconds"] / whole)
        yield msgspec.structs.replace(finding, route=evidence["route"], evidence=evidence)


def _of_shape(text: ShapeText | None) -> dict[str, Any]:
    if text is None or not text.routes:
        return {}
    return {
        "route": text.routes[0].route,
        "routes": {use.route: {"requests": use.requests, "seconds": use.seconds} for use in text.routes},
        "requests": sum(use.requests for use in text.routes),
    }
