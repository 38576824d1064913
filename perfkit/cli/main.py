"""The `perfkit` command: finds the wanted command and turns its outcome into an exit code.

Everything heavy is imported by the command that needs it, when it runs: `perfkit --help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from perfkit import __version__

__all__ = ["COMMANDS", "main"]

FINE = 0
WRONG_USE = 2
INTERRUPTED = 130

COMMANDS = {
    "demo": "run a small shop with seeded problems, and watch it",
    "advise": "say which indexes a database wants, and what is wrong with its statements",
    "health": "ask a running service how it is",
    "drain": "have a running service say that it wants no new requests",
    "proxy": "pass requests on to several servers, balanced",
}
"""Every command with its one line of help; its module in this folder has `add_arguments` and `run`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* (the process's own if None) ask for, and return the exit code.

    0 is fine, 1 a service that is not well or did not do what was asked, 2 a wrong use, a wrong setting or a missing
    package, 130 Ctrl-C.
    """
    options = parser().parse_args(arguments)
    from perfkit.core.errors import PerfkitError

    try:
        code: int | None = import_module(f"perfkit.cli.{options.command}").run(options)
    except PerfkitError as error:
        print(f"perfkit {options.command}: {error}", file=sys.stderr)
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED
    return code or FINE


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="perfkit", description="Measure, guard and speed up a Python web service.", allow_abbrev=False
    )
    whole.add_argument("--version", action="version", version=f"perfkit {__version__}")
    commands = whole.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=f"{purpose.capitalize()}.", allow_abbrev=False)
        import_module(f"perfkit.cli.{name}").add_arguments(command)
    return whole
