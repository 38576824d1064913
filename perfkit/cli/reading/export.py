"""`perfkit export [URL]`: the numbers of a running service, for other programs."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from perfkit.cli.arguments import add_service, duration

if TYPE_CHECKING:
    from perfkit.cli.reading.service import Service

__all__ = ["add_arguments", "run"]

LEAST_PAUSE = 0.2
"""Seconds; a service answers with what it computed in the last second anyway."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit export` to *command*."""
    add_service(command)
    add = command.add_argument
    formats = ("json", "ndjson", "csv", "prometheus", "openmetrics", "otlp")
    add("--format", choices=formats, default="json", help="how it is written (json)")
    add("--output", metavar="FILE", help="write it there, not to stdout")
    add("--every", type=duration, metavar="DURATION", help="do it again and again, such as 10s; for ndjson and otlp")


def run(options: argparse.Namespace) -> int:
    """Print what is asked for.

    Raises:
        ServiceError, NotAllowedError: The service cannot be asked.
        PerfkitError: The options do not go together, or the file cannot be written.
    """
    from perfkit.cli.console import clean
    from perfkit.cli.reading.service import Service
    from perfkit.cli.written import written
    from perfkit.core.errors import PerfkitError

    if options.every is not None and options.format not in ("ndjson", "otlp"):
        raise PerfkitError(
            f"--every goes with a stream, and {options.format} is none. A stream is lines that come one after the "
            "other. Choose --format ndjson or otlp."
        )
    service = Service.of(options)
    body = _body(service, options.format)
    if options.output is not None:
        written(options.output, body)
        return 0
    while True:
        if sys.stdout.isatty():  # what a program gets keeps its bytes; a terminal would obey some of them
            body = clean(body.decode("utf-8", "replace"), lines=True).encode()
        sys.stdout.buffer.write(body if body.endswith(b"\n") else body + b"\n")
        sys.stdout.flush()
        if options.every is None:
            return 0
        time.sleep(max(LEAST_PAUSE, options.every))
        body = _body(service, options.format)


def _body(service: Service, format: str) -> bytes:
    """Return what `export` prints once."""
    import msgspec

    from perfkit.cli.reading.overview import decoded

    if format in ("csv", "prometheus", "openmetrics"):
        return service.metrics(format)
    if format == "otlp":
        return _otlp(service)
    body = service.overview()
    decoded(body, service.name)
    if format == "json":
        return body
    # What keeps its words is what came; it is the lines that make a stream of it.
    lines = (msgspec.json.encode(item) for item in _items(msgspec.json.decode(body)))
    return b"\n".join(lines) + b"\n"


def _items(overview: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one object for the service, each route, worker, check and finding; each says its kind and its time."""
    common = {"version": overview["version"], "at": overview["at"], "service": overview["service"]}
    performance, health = overview.get("performance") or {}, overview.get("health") or {}
    whole = {
        key: value
        for key, value in overview.items()
        if not isinstance(value, list | dict) or key in ("verdict", "score", "targets")
    }
    numbers = {key: value for key, value in performance.items() if not isinstance(value, list)}
    yield {"kind": "service", **common, **whole, "performance": numbers}
    for kind, found in (
        ("route", performance.get("routes")),
        ("worker", performance.get("workers")),
        ("check", health.get("checks")),
        ("finding", overview.get("recommendations")),
    ):
        for each in found or ():
            yield {"kind": kind, **common, **({"finding": each} if kind == "finding" else each)}


def _otlp(service: Service) -> bytes:
    import msgspec

    from perfkit.cli.reading.otlp import Resource, request
    from perfkit.cli.reading.overview import decoded
    from perfkit.cli.reading.service import ServiceError
    from perfkit.metrics.exposition.structured import FamilyDocument

    overview = decoded(service.overview(), service.name)
    try:
        families = msgspec.json.decode(service.metrics("json"), type=list[FamilyDocument])
    except msgspec.DecodeError as error:
        raise ServiceError(
            f"{service.name} has metrics that are none of perfkit's JSON ({error}). They must be. "
            "Give the address of a service with perfkit."
        ) from None
    uptime = overview.performance.uptime if overview.performance is not None else 0.0
    resource = Resource(
        service=overview.service,
        environment=overview.environment,
        release=overview.release or "",
        started_at=overview.at - uptime,
        at=overview.at,
    )
    try:
        return request(families, resource).encode() + b"\n"
    except (ArithmeticError, ValueError) as error:  # of a bucket or a quantile that is no number
        raise ServiceError(
            f"{service.name} tells numbers that OTLP cannot hold ({error}). They must be those of a perfkit. "
            "Give the address of a service with perfkit."
        ) from None
