"""`perfkit explain`: what a code of a finding means, how to see it for yourself and how to fix it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from perfkit.cli.arguments import add_output
from perfkit.cli.console import Style, is_coloured

__all__ = ["add_arguments", "run"]

_LINK, LABEL = re.compile(r"\[([^\]]+)\]\([^)\s]+\)"), r"\1"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit explain` to *command*."""
    command.add_argument("code", metavar="CODE", nargs="?", type=str.upper, help="such as PK101; all without one")
    add_output(command)


def run(options: argparse.Namespace) -> int:
    """Print what is asked for; return 0."""
    from perfkit.advice.codes import explanation, explanations, page

    told = explanations() if options.code is None else (explanation(options.code),)
    if options.json:
        from perfkit.cli.documents.codes import Explain
        from perfkit.cli.documents.document import printed
        from perfkit.snapshot import SCHEMA_VERSION

        print(printed(Explain(version=SCHEMA_VERSION, codes=told)))
        return 0
    if options.quiet:
        return 0
    style = Style(is_coloured(options.color))
    if options.code is None:
        for each in told:
            print(f"{style(each.code, 'bold')}  {each.kind:<24}  {each.title}")
    else:
        print(*_lines(page(told[0], is_document=False), style), sep="\n")
    return 0


def _lines(markdown: str, style: Style) -> Iterator[str]:
    """Yield the lines of a page without what only a renderer of Markdown needs."""
    lines, is_code = markdown.splitlines(), False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("```"):
            is_code = not is_code
        elif is_code:
            yield f"    {line}" if line else ""
        elif line.startswith("#"):
            yield style(line.lstrip("# "), "bold")
        elif line.startswith("|"):
            name, _, said = line.strip("| ").partition(" | ")
            if not line.startswith("| ---") and not following.startswith("| ---"):
                yield f"  {name.strip('`'):<20} {_LINK.sub(LABEL, said)}"
        elif not line.startswith("<!--"):
            yield _LINK.sub(LABEL, line)
