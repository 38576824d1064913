"""The `perfkit` command: finds the wanted command and turns its outcome into an exit code.

Everything heavy is imported by the command that needs it, when it runs, and of the commands only the one that is asked
for: `perfkit --help` answers at once.
"""

from __future__ import annotations

import argparse
import difflib
import io
import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from types import ModuleType

from perfkit import __version__

__all__ = ["COMMANDS", "EXIT_CODES", "main"]

FINE = 0
BROKEN = 1
WRONG_USE = 2
INTERRUPTED = 130

EXIT_CODES = (
    "Exit codes: 0 fine, 1 something found or a limit broken, 2 wrong use or settings, 3 the service cannot be asked, "
    "4 not allowed, 130 Ctrl-C."
)

COMMANDS = {
    "run": "serve any ASGI or WSGI app with perfkit around it, no line changed",
    "demo": "run a small shop with seeded problems, and watch it",
    "top": "watch a running service in the terminal",
    "check": "hold a running service against limits; for CI",
    "advise": "say what to do first: of a running service, or of a database alone",
    "explain": "say what a code of a finding means, and how to fix it",
    "report": "write what a running service knows into one HTML file",
    "export": "print the numbers of a running service for other programs",
    "compare": "say what changed between two exports",
    "doctor": "look whether perfkit is set up well, in an app or in a running service",
    "config": "show, explain and validate settings",
    "health": "ask a running service how it is",
    "drain": "have a running service say that it wants no new requests",
    "proxy": "pass requests on to several servers, balanced",
    "completion": "print a script that completes this command in a shell",
}
"""Every command with its one line of help; its module has `add_arguments` and `run`."""

_PLACES = {
    "advise": "reading.advise",
    "check": "reading.check",
    "compare": "comparing.compare",
    "doctor": "diagnosis.doctor",
    "explain": "diagnosis.explain",
    "export": "reading.export",
    "report": "reporting.report",
    "run": "launch.run",
    "top": "top.top",
}
"""Where a command's module is, of those that have a folder with others."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* (the process's own if None) ask for, and return the exit code.

    0 is fine, 1 something that was found, a limit that is broken or a service that is not well, 2 a wrong use, a wrong
    setting or a missing package, 3 a service that cannot be asked, 4 one that does not allow it, 130 Ctrl-C.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no dash must not cost the answer
    options = parser(_wanted(given)).parse_args(given)
    if options.verbose:
        _talk(options.command)
    if options.debug:
        return _run(options)
    from perfkit.core.errors import PerfkitError

    try:
        return _run(options)
    except PerfkitError as error:
        from perfkit.cli.console import clean

        print(f"perfkit {options.command}: {clean(str(error), lines=True)}", file=sys.stderr)
        return int(getattr(error, "exit_code", WRONG_USE))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has enough. Python would say so once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN
    except Exception as error:  # noqa: BLE001 - the outermost boundary: a person wants a sentence, not a trace
        from perfkit.cli.console import clean

        print(
            f"perfkit {options.command}: there was an internal error ({type(error).__name__}: {clean(str(error))}). "
            "There should be none. Run it again with --debug, and report what it says.",
            file=sys.stderr,
        )
        return WRONG_USE


def _run(options: argparse.Namespace) -> int:
    code: int | None = _module(options.command).run(options)
    sys.stdout.flush()
    return code or FINE


def _talk(command: str) -> None:
    """Have the commands say on stderr what they do."""
    import logging
    import platform

    logger, handler = logging.getLogger("perfkit.cli"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"perfkit {command}: %(message)s"))
    logger.handlers[:] = [handler]  # one, however often we are called in this process
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.debug("perfkit %s, Python %s, process %d", __version__, platform.python_version(), os.getpid())


def parser(wanted: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Return the parser of the whole command line, with the options of the *wanted* commands."""
    whole = _Parser(
        prog="perfkit",
        description="Measure, guard and speed up a Python web service.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"perfkit {__version__}")
    commands = whole.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(
            name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.", allow_abbrev=False
        )
        if name in wanted:
            command.add_argument("--debug", action="store_true", help="show the trace of an error")
            command.add_argument("-v", "--verbose", action="store_true", help="say on stderr what is done")
            _module(name).add_arguments(command)
    return whole


class _Parser(argparse.ArgumentParser):
    """A parser that says which command was probably meant."""

    def error(self, message: str) -> None:  # type: ignore[override]  # it does not return there either
        """Say what is wrong, and end with code 2."""
        import re

        unknown = re.match(r"argument COMMAND: invalid choice: '([^']*)'", message)
        if unknown is not None:
            near = difflib.get_close_matches(unknown[1], COMMANDS, n=1)
            meant = f"Did you mean {near[0]}?" if near else "perfkit --help lists them."
            message = f"there is no command {unknown[1]!r}. {meant}"
        elif message.endswith("are required: COMMAND"):
            message = "it needs a command; perfkit --help lists them"
        super().error(message)


def _module(name: str) -> ModuleType:
    return import_module(f"perfkit.cli.{_PLACES.get(name, name)}")


def _wanted(arguments: Sequence[str]) -> Collection[str]:
    """Return the command among *arguments*, if there is one: the others' options need not be known."""
    return [argument for argument in arguments if argument in COMMANDS][:1]
