"""`perfkit compare before.json after.json`: what changed between two exports, and whether it got worse."""

from __future__ import annotations

import argparse

from perfkit.cli.arguments import add_output, share

__all__ = ["add_arguments", "run"]

WORSE = 1


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit compare` to *command*."""
    add = command.add_argument
    add("before", metavar="BEFORE", help="what perfkit export or perfkit report wrote earlier; - for stdin")
    add("after", metavar="AFTER", help="what it wrote later")
    add("--tolerance", type=share, default=0.2, metavar="SHARE", help="a latency may grow by this part (0.2)")
    add("--format", choices=("text", "markdown"), default="text", help="for a person or a pull request (text)")
    add_output(command)


def run(options: argparse.Namespace) -> int:
    """Print what changed; return 1 if something got worse or a finding is new, else 0.

    Raises:
        PerfkitError: A file cannot be used.
    """
    from perfkit.cli.comparing import words
    from perfkit.cli.comparing.differences import compared
    from perfkit.cli.console import Style, is_coloured
    from perfkit.cli.reading.overview import of_file
    from perfkit.core.errors import PerfkitError

    if options.before == options.after:
        raise PerfkitError(
            f"{options.before} was given twice. There must be one export of before and one of after. Give the other."
        )
    before, after = of_file(options.before), of_file(options.after)
    comparison = compared(before, after, tolerance=options.tolerance)
    if options.json:
        print(words.program(before, after, comparison))
    elif options.quiet:
        pass
    elif options.format == "markdown":
        print(*words.markdown(before, after, comparison), sep="\n")
    else:
        print(*words.people(comparison, Style(is_coloured(options.color))), sep="\n")
    return WORSE if comparison.is_worse else 0
