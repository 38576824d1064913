"""`perfkit demo`: the shop with its seeded problems, its visitors, and perfkit watching."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from perfkit.cli.arguments import seconds, whole_number

__all__ = ["add_arguments", "run"]

PACKAGES = {
    "fastapi": ("fastapi", "uvicorn", "sqlalchemy", "greenlet", "aiosqlite"),
    "flask": ("flask", "gunicorn", "sqlalchemy"),
    "django": ("django", "gunicorn"),
}
"""What the shop of each framework needs, all of it in the extra `demo`."""

FIXES = ("n1", "index", "cpu", "storm", "block", "leak", "flaky", "dup", "cols")
"""The seeded problems, in their order."""

MOST_WORKERS = 16


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit demo` to *command*."""
    add = command.add_argument
    add(
        "--framework",
        choices=PACKAGES,
        default="fastapi",
        metavar="FRAMEWORK",
        help="framework of the shop: fastapi, flask or django (fastapi)",
    )
    add(
        "--port",
        type=whole_number(0, 65535),
        default=8000,
        help="port on 127.0.0.1, 0 for any free one (8000)",
    )
    add("--workers", type=whole_number(1, MOST_WORKERS), default=1, help="worker processes, at most 16 (1)")
    add("--no-traffic", action="store_true", help="no visitors: the shop waits for yours")
    add("--open", action="store_true", help="open the dashboard in a browser")
    add("--seed", type=int, default=0, help="decides the data, the visitors and the failures (0)")
    add("--fix", action="append", choices=FIXES, default=[], metavar="NAME", help=f"mend a problem: {', '.join(FIXES)}")
    add("--no-story", action="store_true", help="all problems from the start: no bad release after a minute")
    add("--duration", type=seconds, metavar="SECONDS", help="stop by itself after so many seconds")


def run(options: argparse.Namespace) -> None:
    """Run the demo until Ctrl-C, which is its normal end.

    Raises:
        MissingDependencyError: A package of the extra `demo` is not installed.
    """
    from perfkit.core.errors import MissingDependencyError

    for package in PACKAGES[options.framework]:
        if find_spec(package) is None:
            raise MissingDependencyError(package, extra="demo", wanted_by="It")

    from perfkit_demo.run import Demo
    from perfkit_demo.run import run as run_demo

    run_demo(
        Demo(
            framework=options.framework,
            port=options.port,
            workers=options.workers,
            traffic=not options.no_traffic,
            opens_browser=options.open,
            seed=options.seed,
            duration=options.duration,
            fixes=tuple(options.fix),
            has_story=not options.no_story,
        )
    )
