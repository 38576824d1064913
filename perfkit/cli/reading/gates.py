"""The outcome of a check in the words of those who read it: people, programs, GitHub and whoever reads JUnit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from perfkit.cli.console import Style, clean, fitted
from perfkit.cli.documents.document import Document, printed
from perfkit.cli.reading.limits import Outcome
from perfkit.cli.reading.overview import Overview
from perfkit.core.findings import Finding
from perfkit.core.status import Status
from perfkit.snapshot import SCHEMA_VERSION

__all__ = ["Check", "github", "junit", "people", "place_of", "program"]

_PLACE = re.compile(r"(.+):(\d{1,9})")


class Check(Document, frozen=True, kw_only=True, tag="check"):
    """What became of each limit.

    Attributes:
        at: Unix seconds.
        status: The service's own verdict.
        passed: Whether all limits hold.
        new_findings: Those that the export of before had not.
    """

    at: float
    service: str
    environment: str
    release: str | None
    status: Status
    passed: bool
    limits: tuple[Outcome, ...]
    new_findings: tuple[Finding, ...]


def people(overview: Overview, outcomes: Sequence[Outcome], fresh: Sequence[Finding], style: Style) -> list[str]:
    """Return lines for a terminal."""
    verdict = overview.verdict
    # Each in one line: a runner takes any line that begins with two colons for a command, whoever wrote it.
    lines = [_line(f"{overview.service}/{overview.environment}  {verdict.status.word}: {verdict.headline}")]
    for outcome in outcomes:
        word = style("ok  ", "green") if outcome.passed else style("FAIL", "red", "bold")
        lines.append(f"{word}  {_line(f'{outcome.name:<8}  {outcome.value}, limit {outcome.limit}')}")
    for finding in fresh:
        site = f"  {finding.site}" if finding.site else ""
        lines.append(f"{style('new ', 'yellow')}  {_line(f'{finding.code:<8}  {finding.message}{site}')}")
    return [fitted(line, 400) for line in lines]


def program(overview: Overview, outcomes: Sequence[Outcome], fresh: Sequence[Finding]) -> str:
    """Return one JSON object."""
    return printed(
        Check(
            version=SCHEMA_VERSION,
            service=overview.service,
            environment=overview.environment,
            release=overview.release,
            at=overview.at,
            status=overview.verdict.status,
            passed=all(outcome.passed for outcome in outcomes),
            limits=tuple(outcomes),
            new_findings=tuple(fresh),
        )
    )


def github(overview: Overview, outcomes: Sequence[Outcome], fresh: Sequence[Finding]) -> list[str]:
    """Return workflow commands: an error for each broken limit and new finding, a warning for each other finding.

    GitHub shows one that has a file and a line at that line of a pull request.
    """
    lines = [
        f"::error title={_property(f'perfkit {outcome.name}')}::{_data(outcome.sentence)}"
        for outcome in outcomes
        if not outcome.passed
    ]
    for finding in overview.recommendations:
        kind = "error" if finding in fresh else "warning"
        path, line = place_of(finding)
        where = f"file={_property(path)},line={line}," if path else ""
        lines.append(
            f"::{kind} {where}title={_property(f'perfkit {finding.code}')}::"
            f"{_data(f'{finding.code} {finding.message} {finding.action}')}"
        )
    return lines


def junit(overview: Overview, outcomes: Sequence[Outcome], fresh: Sequence[Finding]) -> str:
    """Return a JUnit report: a test for each limit and for each new finding."""
    cases = [(f"{outcome.name} within {outcome.limit}", outcome.passed, outcome.sentence) for outcome in outcomes]
    cases += [(f"no {each.code} at {each.site or each.object or 'all'}", False, each.message) for each in fresh]
    failed = sum(not passed for _, passed, _ in cases)
    suite = quoteattr(f"perfkit {overview.service}")
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<testsuites><testsuite name={suite} tests="{len(cases)}" failures="{failed}" errors="0" skipped="0">',
    ]
    for name, passed, said in cases:
        opening = f'<testcase classname={suite} name={quoteattr(_line(name))} time="0"'
        failure = f"><failure message={quoteattr(_line(said))}>{escape(_line(said))}</failure></testcase>"
        lines.append(f"{opening}/>" if passed else f"{opening}{failure}")
    return "\n".join([*lines, "</testsuite></testsuites>"])


def place_of(finding: Finding) -> tuple[str, int]:
    """Return the file and the line of *finding*; an empty name where it has none in the project's folder."""
    found = _PLACE.fullmatch(finding.site or "")
    if found is None or found[1].startswith(("/", "<", "../")) or re.match(r"[A-Za-z]:", found[1]):
        return "", 0
    return found[1], int(found[2])


def _line(text: str) -> str:
    return clean(text)


def _data(text: str) -> str:
    """Escape what a workflow command says."""
    return _line(text).replace("%", "%25")


def _property(text: str) -> str:
    """Escape a property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
