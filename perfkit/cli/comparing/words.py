"""A comparison in the words of those who read it: people at a terminal, programs, and a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from perfkit.advice.wording import count
from perfkit.cli.comparing.differences import Change, Comparison
from perfkit.cli.console import Style, clean, fitted, table
from perfkit.cli.documents.document import Document, printed
from perfkit.cli.reading.overview import Overview
from perfkit.core.findings import Finding
from perfkit.snapshot import SCHEMA_VERSION

__all__ = ["Compare", "Side", "markdown", "people", "program"]

MOST_ROWS = 60
"""In a table for people; --json has all."""

MOST_FINDINGS = 50
LONGEST = 300
"""Characters of a finding's message in a pull request."""

_COLOURS = {"worse": ("red", "bold"), "better": ("green",)}
_MARKS = {"worse": "🔺 worse", "better": "✅ better", "unknown": "too few requests"}
_SPECIAL = re.compile(r"[\\`*_{}\[\]()<>#+!|~&^$-]")
# What becomes a link or tells somebody though it is no sign of Markdown: @name, #1, GH-1, http://, www.
_LINKED = re.compile(r"@|\\#|:(?=//)|(?<![0-9a-z])(?:www(?=\.)|gh\\-(?=[0-9]))", re.ASCII | re.IGNORECASE)


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of two exports."""

    service: str
    release: str | None
    at: float


class Compare(Document, frozen=True, kw_only=True, tag="compare"):
    """What changed between two exports.

    Attributes:
        is_worse: True where a number got worse or something new was found.
        new, gone: Findings that only the later, or only the earlier one has.
    """

    before: Side
    after: Side
    is_worse: bool
    changes: tuple[Change, ...]
    new: tuple[Finding, ...]
    gone: tuple[Finding, ...]


def people(comparison: Comparison, style: Style) -> list[str]:
    """Return lines for a terminal."""
    told, shown = _told(comparison)
    rows = [(fitted(change.subject or "service", 48), change.name, *change.words, change.verdict) for change in shown]
    lines = table(("", "", "before", "after", "chance", ""), rows, left=(0, 1, 5))
    marked = zip(lines[1:], shown, strict=True)
    lines = [lines[0], *(style(line, *_COLOURS.get(change.verdict, ())) for line, change in marked)]
    lines += [clean(line) for line in _left_out(comparison, told, shown)]
    for word, colour, findings in (("new", "red", comparison.new), ("gone", "green", comparison.gone)):
        lines += [
            f"{style(word, colour)}  {each.code}  {clean(each.message)}{f'  {each.site}' if each.site else ''}"
            for each in findings
        ]
    lines.append(style(f"Worse: {_reasons(comparison)}.", "red", "bold") if comparison.is_worse else "Not worse.")
    return lines


def _reasons(comparison: Comparison) -> str:
    """Say what makes it worse, so that nobody looks for it among numbers that got better."""
    numbers = sum(change.verdict == "worse" for change in comparison.changes)
    told = [(numbers, "number"), (len(comparison.new), "new finding")]
    return ", ".join(count(number, noun) for number, noun in told if number)


def markdown(before: Overview, after: Overview, comparison: Comparison) -> list[str]:
    """Return lines for a comment on a pull request; nothing that a service says is a link, a name or a tag there."""
    told, shown = _told(comparison)
    title = "worse" if comparison.is_worse else "not worse"
    lines = [
        f"### perfkit: {title}",
        "",
        f"{_text(_release(before))} → {_text(_release(after))}",
        "",
        "| | | before | after | chance | |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for change in shown:
        subject = _code(fitted(change.subject, 100)) if change.subject else "**service**"
        was, now, chance = change.words
        lines.append(f"| {subject} | {change.name} | {was} | {now} | {chance} | {_MARKS.get(change.verdict, '')} |")
    lines += ["", *_left_out(comparison, told, shown)]
    for title, findings in (("New", comparison.new), ("Gone", comparison.gone)):
        if findings:
            lines += ["", f"**{title}**", "", *map(_item, findings[:MOST_FINDINGS])]
        if len(findings) > MOST_FINDINGS:
            lines.append(f"- and {len(findings) - MOST_FINDINGS} more")
    return lines


def program(before: Overview, after: Overview, comparison: Comparison) -> str:
    """Return one JSON object."""
    sides = [Side(service=each.service, release=each.release, at=each.at) for each in (before, after)]
    return printed(
        Compare(
            version=SCHEMA_VERSION,
            before=sides[0],
            after=sides[1],
            is_worse=comparison.is_worse,
            **msgspec.structs.asdict(comparison),
        )
    )


def _told(comparison: Comparison) -> tuple[list[Change], list[Change]]:
    """Return what is to be told, and as much of it as is shown: the service whole, of its routes what changed."""
    told = [change for change in comparison.changes if not change.subject or change.verdict in ("better", "worse")]
    return told, told[:MOST_ROWS]


def _left_out(comparison: Comparison, told: Sequence[Change], shown: Sequence[Change]) -> list[str]:
    lines = []
    for verdict, words in (("same", "did not change"), ("unknown", "had too few requests")):
        number = sum(change.verdict == verdict and bool(change.subject) for change in comparison.changes)
        if number:
            lines.append(f"{count(number, 'number')} of routes {words}.")
    if len(told) > len(shown):
        lines.append(f"and {len(told) - len(shown)} more, in --json")
    return lines


def _release(overview: Overview) -> str:
    return f"{overview.service} {overview.release}" if overview.release else overview.service


def _item(finding: Finding) -> str:
    site = f" {_code(finding.site)}" if finding.site else ""
    return f"- **{_text(finding.code)}**{site} {_text(fitted(finding.message, LONGEST))}"


def _text(text: str) -> str:
    """Return *text* as it reads in Markdown; a mention, a reference or an address in it is none."""
    escaped = _SPECIAL.sub(lambda found: f"\\{found[0]}", clean(text))
    return _LINKED.sub(lambda found: f"{found[0]}\u200b", escaped)


def _code(text: str) -> str:
    """Return *text* as code within a table: its fence is longer than any run of backticks in it."""
    text = clean(text).replace("|", "\\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{blank}{text}{blank}{fence}"
