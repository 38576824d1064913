"""`perfkit report [URL] -o report.html`: what a service knows, in one file that needs nothing else.

It is the dashboard's own page, made here from the service's JSON (`perfkit.cli.reporting.contained`), and it carries
the numbers that `perfkit compare` needs.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from perfkit.cli.arguments import add_service

if TYPE_CHECKING:
    from perfkit.cli.reading.overview import Overview
    from perfkit.dashboard import OverviewData

__all__ = ["add_arguments", "page", "run"]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit report` to *command*."""
    add_service(command)
    add = command.add_argument
    add("-o", "--output", metavar="FILE", default="-", help="the file to write; stdout by default")
    add("--from", dest="source", metavar="FILE", help="make it of what perfkit export wrote, and ask no service")


def run(options: argparse.Namespace) -> int:
    """Write the report.

    Raises:
        ServiceError, NotAllowedError: The service cannot be asked.
        PerfkitError: A file cannot be read or written.
    """
    from perfkit.cli.console import say
    from perfkit.cli.reading.overview import decoded, of_file
    from perfkit.cli.reading.service import Service
    from perfkit.cli.written import written

    if options.source is not None:
        overview = of_file(options.source)
    else:
        service = Service.of(options)
        overview = decoded(service.overview(), service.name)
    body = page(overview).encode("utf-8", "replace")
    if options.output == "-":
        sys.stdout.buffer.write(body)
        return 0
    written(options.output, body)
    say(f"perfkit: {options.output} holds {overview.service} as of {datetime.fromtimestamp(overview.at):%F %T}.")
    return 0


def page(overview: Overview) -> str:
    """Return the report as a whole HTML document."""
    from perfkit.cli.reading.carried import carrier
    from perfkit.cli.reading.service import ServiceError
    from perfkit.cli.reporting.contained import self_contained
    from perfkit.dashboard import asset, asset_names
    from perfkit.dashboard import overview as rendered

    sheets = [found for name in asset_names() if name.endswith(".css") and (found := asset(name)) is not None]
    style = "\n".join(sheet.body.decode() for sheet in sheets)
    try:
        document, head, note = rendered(_data(overview)), carrier(overview), _note(overview)
    except (ArithmeticError, OSError, ValueError) as error:  # so do times say that no calendar holds them
        raise ServiceError(
            f"The service tells numbers that no page can show ({error}). They must be those of a perfkit. "
            "Look at the address or the file."
        ) from None
    return self_contained(document, style, head=head, note=note)


def _note(overview: Overview) -> str:
    """Say what the file is: whoever finds it in a ticket knows neither when nor by what it was made."""
    at = datetime.fromtimestamp(overview.at).astimezone()
    release = f" {overview.release}" if overview.release else ""
    return (
        f"A report of {overview.service}{release} in {overview.environment} as of {at:%Y-%m-%d %H:%M:%S %Z}, "
        f"by perfkit {overview.perfkit}. Nothing in it is live."
    )


def _data(overview: Overview) -> OverviewData:
    import msgspec

    from perfkit.alerts.snapshot import AlertsSnapshot
    from perfkit.cache.snapshot import CacheSnapshot
    from perfkit.cli.reading.service import ServiceError
    from perfkit.dashboard import OverviewData
    from perfkit.database.snapshot import DatabaseSnapshot
    from perfkit.http.dashboard.absent import NO_HEALTH, NO_PERFORMANCE
    from perfkit.load_balancer.snapshot import LoadBalancerSnapshot

    def converted(value: Any, kind: Any) -> Any:
        try:
            return None if value is None else msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise ServiceError(
                f"The service says what this command does not know ({error}). Both must be of one release. "
                "Use the perfkit command of the service's own perfkit."
            ) from None

    return OverviewData(
        service=overview.service,
        environment=overview.environment,
        release=overview.release or "",
        version=overview.perfkit,
        verdict=overview.verdict,
        score=overview.score,
        outlook=overview.outlook,
        recommendations=overview.recommendations,
        fixed=overview.fixed,
        snoozed=overview.snoozed,
        releases=overview.releases,
        performance=overview.performance or NO_PERFORMANCE,
        health=overview.health or NO_HEALTH,
        cache=converted(overview.cache, CacheSnapshot),
        database=converted(overview.database, DatabaseSnapshot),
        load_balancer=converted(overview.load_balancer, LoadBalancerSnapshot),
        alerts=converted(overview.alerts, AlertsSnapshot),
        off=overview.off,
        asleep=overview.asleep,
        missing=tuple(word for word in ("performance", "health") if getattr(overview, word) is None),
        targets=overview.targets,
        at=overview.at,
        timezone=datetime.now().astimezone().tzinfo or UTC,
        is_shared=overview.is_shared,
        degraded=overview.degraded,
        home_url="",
        health_url="",
        metrics_url="",
    )
