"""`perfkit compare before.json after.json`: what changed between two exports, and whether it got worse."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from perfkit.cli.arguments import add_output, share

if TYPE_CHECKING:
    from perfkit.cli.console import Style
    from perfkit.cli.reading.differences import Comparison

__all__ = ["add_arguments", "run"]

WORSE = 1
MOST_ROWS = 60
"""In the table for people; --json has all."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit compare` to *command*."""
    add = command.add_argument
    add("before", metavar="BEFORE", help="what perfkit export wrote earlier; - for stdin")
    add("after", metavar="AFTER", help="what it wrote later")
    add("--tolerance", type=share, default=0.2, metavar="SHARE", help="a latency may grow by this part (0.2)")
    add_output(command)


def run(options: argparse.Namespace) -> int:
    """Print what changed; return 1 if something got worse or a finding is new, else 0.

    Raises:
        PerfkitError: A file cannot be used.
    """
    import msgspec

    from perfkit.cli.console import Style, is_coloured
    from perfkit.cli.reading.differences import compared
    from perfkit.cli.reading.document import of_file
    from perfkit.core.errors import PerfkitError
    from perfkit.snapshot import SCHEMA_VERSION

    if options.before == options.after:
        raise PerfkitError(
            f"{options.before} was given twice. There must be one export of before and one of after. Give the other."
        )
    before, after = of_file(options.before), of_file(options.after)
    comparison = compared(before, after, tolerance=options.tolerance)
    if options.json:
        document = {
            "version": SCHEMA_VERSION,
            "command": "compare",
            "before": {"service": before.service, "release": before.release, "at": before.at},
            "after": {"service": after.service, "release": after.release, "at": after.at},
            "is_worse": comparison.is_worse,
            **msgspec.to_builtins(comparison),
        }
        print(json.dumps(document, indent=1))
    elif not options.quiet:
        print(*_page(comparison, Style(is_coloured(options.color))), sep="\n")
    return WORSE if comparison.is_worse else 0


def _page(comparison: Comparison, style: Style) -> list[str]:
    from perfkit.advice.wording import count
    from perfkit.cli.console import clean, fitted, table

    # The service whole; of its routes what changed.
    told = [change for change in comparison.changes if not change.subject or change.verdict in ("better", "worse")]
    shown = told[:MOST_ROWS]
    rows = [(fitted(change.subject or "service", 48), change.name, *change.words, change.verdict) for change in shown]
    lines = table(("", "", "before", "after", ""), rows, left=(0, 1, 4))
    colours = {"worse": ("red", "bold"), "better": ("green",)}
    marked = zip(lines[1:], shown, strict=True)
    lines = [lines[0], *(style(line, *colours.get(change.verdict, ())) for line, change in marked)]
    same = sum(change.verdict == "same" and bool(change.subject) for change in comparison.changes)
    if same:
        lines.append(f"{count(same, 'number')} of routes did not change.")
    if len(told) > len(shown):
        lines.append(f"and {len(told) - len(shown)} more, in --json")
    for word, colour, findings in (("new", "red", comparison.new), ("gone", "green", comparison.gone)):
        lines += [
            f"{style(word, colour)}  {each.code}  {clean(each.message)}{f'  {each.site}' if each.site else ''}"
            for each in findings
        ]
    lines.append(style("Worse.", "red", "bold") if comparison.is_worse else "Not worse.")
    return lines
