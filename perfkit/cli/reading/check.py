"""`perfkit check [URL]`: holds a running service against limits; a gate for CI."""

from __future__ import annotations

import argparse

from perfkit.cli.arguments import add_output, add_service, latency, points, share

__all__ = ["add_arguments", "run"]

BROKEN = 1


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit check` to *command*."""
    add_service(command)
    add = command.add_argument
    add("--max-p95", type=latency, metavar="DURATION", help="95 of 100 requests take at most this, such as 300ms")
    add("--max-errors", type=share, metavar="SHARE", help="at most so large a part of requests fails, such as 0.01")
    add("--min-score", type=points, metavar="POINTS", help="the least score, 0 to 100")
    add("--no-new-findings", metavar="FILE", help="nothing is found that is not in this export of before")
    add("--format", choices=("text", "github", "junit"), default="text", help="for whom it is printed (text)")
    add_output(command)


def run(options: argparse.Namespace) -> int:
    """Print what holds and what does not; return 0 if all does, else 1.

    Raises:
        ServiceError, NotAllowedError: The service cannot be asked.
        PerfkitError: The file of findings cannot be used.
    """
    from perfkit.advice.ranking import identity
    from perfkit.cli.console import Style, is_coloured
    from perfkit.cli.reading import gates
    from perfkit.cli.reading.limits import Limits, judged, new_findings
    from perfkit.cli.reading.overview import decoded, of_file
    from perfkit.cli.reading.service import Service

    known = None
    if options.no_new_findings:
        known = frozenset(map(identity, of_file(options.no_new_findings).recommendations))
    limits = Limits(p95=options.max_p95, errors=options.max_errors, score=options.min_score, known=known)
    service = Service.of(options)
    overview = decoded(service.overview(), service.name)
    outcomes = judged(overview, limits)
    fresh = [] if known is None else new_findings(overview, known)
    if options.json:
        print(gates.program(overview, outcomes, fresh))
    elif options.format == "junit":
        print(gates.junit(overview, outcomes, fresh))
    elif options.format == "github":
        for line in gates.github(overview, outcomes, fresh):
            print(line)
    elif not options.quiet:
        print(*gates.people(overview, outcomes, fresh, Style(is_coloured(options.color))), sep="\n")
    return 0 if all(outcome.passed for outcome in outcomes) else BROKEN
