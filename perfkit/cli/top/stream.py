"""`perfkit top --json`: an object a line for programs, one for each answer."""

from __future__ import annotations

import time

from perfkit.advice import Verdict
from perfkit.cli.documents.document import Document, printed
from perfkit.cli.reading.overview import Overview, decoded
from perfkit.cli.reading.service import Service
from perfkit.performance.snapshot import Latency, RouteSnapshot

__all__ = ["Top", "stream"]


class Top(Document, frozen=True, kw_only=True, tag="top"):
    """What one frame of `perfkit top` shows.

    Attributes:
        at: Unix seconds.
        score: Points, 0-100; None while there is nothing to score from.
        workers: Live ones; this and the numbers are None where the performance component is off.
        rate: Requests a second.
        findings: How many.
    """

    at: float
    service: str
    environment: str
    verdict: Verdict
    score: int | None
    workers: int | None
    rate: float | None
    error_rate: float | None
    latency: Latency | None
    routes: tuple[RouteSnapshot, ...]
    findings: int


def stream(service: Service, overview: Overview, interval: float | None) -> int:
    """Print *overview*, and every *interval* seconds another one; None: no other.

    Raises:
        ServiceError, NotAllowedError: The service cannot be asked.
    """
    while True:
        print(printed(_told(overview), indent=None), flush=True)
        if interval is None:
            return 0
        time.sleep(interval)
        overview = decoded(service.overview(), service.name)


def _told(overview: Overview) -> Top:
    performance = overview.performance
    return Top(
        version=overview.version,
        at=overview.at,
        service=overview.service,
        environment=overview.environment,
        verdict=overview.verdict,
        score=overview.score.value if overview.score is not None else None,
        workers=len(performance.workers) if performance is not None else None,
        rate=performance.rate if performance is not None else None,
        error_rate=performance.error_rate if performance is not None else None,
        latency=performance.latency if performance is not None else None,
        routes=performance.routes if performance is not None else (),
        findings=len(overview.recommendations),
    )
