"""The findings of a running service, the most urgent first: what `perfkit advise URL` prints."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence

from perfkit.advice.figures import figure
from perfkit.advice.gains import gains_told
from perfkit.advice.ranking import identity
from perfkit.advice.wording import CONFIDENCE, count
from perfkit.cli.console import Style, clean, is_coloured
from perfkit.cli.documents.document import Document, printed
from perfkit.cli.reading.overview import Overview, decoded
from perfkit.cli.reading.service import Service
from perfkit.core.findings import Finding, Priority, State
from perfkit.core.status import Status
from perfkit.snapshot import SCHEMA_VERSION

__all__ = ["Advise", "page", "run"]

SOMETHING = 1
WIDTH = 100
MOST_FIXED = 3
MOST_LINES = 40
"""Lines of one fix."""

_COLOURS = {
    Priority.CRITICAL: ("red", "bold"),
    Priority.HIGH: ("yellow", "bold"),
    Priority.MEDIUM: ("cyan",),
    Priority.LOW: ("dim",),
}
_LANGUAGES = {"sql": "SQL", "django": "Django", "sqlalchemy": "SQLAlchemy", "alembic": "Alembic", "python": "Python"}


class Advise(Document, frozen=True, kw_only=True, tag="advise"):
    """The findings of a running service, the most urgent first.

    Attributes:
        at: Unix seconds.
        total: Findings that were chosen; no more than ``--top`` are shown.
    """

    at: float
    service: str
    environment: str
    total: int
    findings: tuple[Finding, ...]


def run(options: argparse.Namespace) -> int:
    """Print what is found; return 0 if that is nothing, else 1."""
    service = Service.of(options)
    overview = decoded(service.overview(), service.name)
    prefix = (options.code or "").upper()
    chosen = [finding for finding in overview.recommendations if finding.code.startswith(prefix)]
    shown = chosen[: options.top]
    if options.json:
        print(_program(overview, shown, len(chosen)))
    elif not options.quiet:
        style = Style(is_coloured(options.color))
        print(*page(overview, shown, len(chosen), style, explains=options.explain, prefix=prefix), sep="\n")
    return SOMETHING if chosen else 0


def page(
    overview: Overview, findings: Sequence[Finding], total: int, style: Style, *, explains: bool, prefix: str = ""
) -> Iterator[str]:
    """Yield the lines that people read; *prefix* is what the codes were to begin with."""
    verdict, score = overview.verdict, overview.score
    scored = f"  score {score.value} of 100" if score is not None else ""
    yield f"{overview.service}/{overview.environment}  {verdict.status.word}: {verdict.headline}{scored}"
    if not findings:
        yield _nothing(overview, prefix)
        yield from _past(overview, style)
        return
    if verdict.comes_before_findings:
        # What the first of them says is not all there is: something that is no finding comes before.
        yield from _wrapped(f"Do this first: {verdict.action}", indent="")
    for number, finding in enumerate(findings, 1):
        yield ""
        yield from _finding(number, finding, _points(overview, finding), style, explains=explains)
    if total > len(findings):
        yield ""
        yield f"and {count(total - len(findings), 'finding')} more: --top {min(total, 100)}"
    if overview.outlook is not None and score is not None:
        first = "the first" if len(overview.outlook.fingerprints) == 1 else "the first two that cost points"
        yield ""
        yield f"Without {first} the score would be about {overview.outlook.score}."
    yield from _past(overview, style)
    if not explains:
        yield ""
        yield f"--explain shows evidence and text of each fix; perfkit explain {findings[0].code} says what it means."


def _nothing(overview: Overview, prefix: str) -> str:
    """Say that nothing was found, and why that may mean nothing."""
    if prefix and overview.recommendations:
        return f"Nothing of {clean(prefix)}; {count(len(overview.recommendations), 'finding')} of other codes."
    if overview.verdict.status is Status.UNKNOWN:
        return "Nothing found yet: that takes requests. Send some, and ask again."
    return "Nothing to do: nothing was found."


def _past(overview: Overview, style: Style) -> Iterator[str]:
    """Yield what is mended, with its proof, and what nobody wants to hear of."""
    if overview.fixed:
        yield ""
        yield style("Fixed:", "green")
    for each in overview.fixed[:MOST_FIXED]:
        release = f"  since release {each.release}" if each.release else ""
        yield f"    {each.code}  {textwrap.shorten(clean(each.message), WIDTH - 11, placeholder=' …')}"
        yield f"           {clean(each.proof)}{release}"
    if overview.snoozed:
        yield ""
        cost = sum(_points(overview, each.finding) for each in overview.snoozed)
        still = f", still {count(cost, 'point')} of the score" if cost else ""
        yield f"{count(len(overview.snoozed), 'finding')} snoozed{still}."


def _finding(number: int, finding: Finding, points: int, style: Style, *, explains: bool) -> Iterator[str]:
    head = f"{number:>2}  {style(finding.priority, *_COLOURS[finding.priority])}  {style(finding.code, 'bold')}"
    returned = "came back" if finding.state is State.RETURNED else ""
    facts = [returned, finding.site or "", *_gains(finding, points)]
    yield "  ".join([head, *filter(None, facts)])
    yield from _wrapped(finding.message)
    yield from _wrapped(f"Do: {finding.action}")
    if not explains:
        return
    for name, value in finding.evidence.items():
        if said := figure(name, value):
            yield from _wrapped(f"{name.replace('_', ' ')}: {said}"[:600], indent="      ")
    if finding.basis:
        yield from _wrapped(f"estimated from: {finding.basis}", indent="      ")
    for language, fix in finding.fix.items():
        yield f"      {_LANGUAGES.get(language, language)}:"
        lines = fix.splitlines()
        yield from (f"        {line}" for line in lines[:MOST_LINES])
        if len(lines) > MOST_LINES:
            yield f"        and {count(len(lines) - MOST_LINES, 'line')} more"


def _gains(finding: Finding, points: int) -> Iterator[str]:
    yield from gains_told(finding)
    if points:
        yield f"wins {count(points, 'point')}"
    if finding.confidence != "sure":
        yield CONFIDENCE.get(finding.confidence, finding.confidence)


def _points(overview: Overview, finding: Finding) -> int:
    """Return the points of the score that *finding* costs."""
    parts = overview.score.parts if overview.score is not None else ()
    return sum(loss.points for part in parts for loss in part.losses if loss.fingerprint == identity(finding))


def _wrapped(text: str, indent: str = "    ") -> list[str]:
    return textwrap.wrap(clean(text), WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _program(overview: Overview, findings: Sequence[Finding], total: int) -> str:
    return printed(
        Advise(
            version=SCHEMA_VERSION,
            service=overview.service,
            environment=overview.environment,
            at=overview.at,
            total=total,
            findings=tuple(findings),
        )
    )
