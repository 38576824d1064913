"""`perfkit explain`: what a code of a finding means, how to see it for yourself and how to fix it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfkit.cli.arguments import add_output
from perfkit.cli.console import Style, is_coloured

if TYPE_CHECKING:
    from perfkit.advice.codes import Meaning

__all__ = ["add_arguments", "run"]

_LINK, LABEL = re.compile(r"\[([^\]]+)\]\([^)\s]+\)"), r"\1"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit explain` to *command*."""
    command.add_argument("code", metavar="CODE", nargs="?", help="such as PK101 or n_plus_one; all without one")
    add_output(command)


def run(options: argparse.Namespace) -> int:
    """Print what is asked for; return 0."""
    from perfkit.advice.codes import explanations, page

    told = explanations() if options.code is None else (_meant(options.code),)
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


def _meant(word: str) -> Meaning:
    """Return the meaning of a code, in small letters too, or of the kind that stands beside it in the list."""
    from perfkit.advice.codes import explanation, explanations

    kind = word.lower().replace("-", "_")
    if not kind.startswith("pk"):
        for each in explanations():
            if each.kind == kind:
                return each
    return explanation(word.upper())


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
                yield f"  {name.strip('`'):<20} {_plain(said)}"
        elif not line.startswith("<!--"):
            yield _LINK.sub(LABEL, line)


def _plain(cell: str) -> str:
    """Return a *cell* of a table without links; one that is nothing but code needs no marks."""
    said = _LINK.sub(LABEL, cell)
    return said.strip("`") if said.count("`") == 2 and said.startswith("`") and said.endswith("`") else said
