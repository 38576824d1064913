"""Commands of `perfkit` under a framework's own command line: they know the app's address, paths and token already.

The command line lies above the adapters, which know it by its name alone; it is imported when a command runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from perfkit.config import PerformanceConfig
from perfkit.http.peers import is_local_host

__all__ = ["PASSED", "pass_on"]

PASSED = {
    "doctor": "Look whether perfkit is set up well in this app.",
    "advise": "Say what to do first, of the running service.",
    "health": "Ask the running service how it is.",
    "top": "Watch the running service in the terminal.",
    "report": "Write what the running service knows into one HTML file.",
    "export": "Print the numbers of the running service for other programs.",
}
"""Every command that is passed on, with its line of help."""

URL, TOKEN = "PERFKIT_URL", "PERFKIT_TOKEN"

_ADDRESS = re.compile(r"(?:https?://([^/?#]*)|([^/?#]+:[0-9]{1,5})(?=[/?#]|\Z))", re.ASCII | re.IGNORECASE)


def pass_on(command: str, arguments: Sequence[str], *, config: PerformanceConfig, port: int, app: str) -> int:
    """Run *command*, one of `PASSED`, and return its exit code.

    Args:
        arguments: As they were written; an address or an app among them is asked instead of ours.
        config: The settings of the app.
        port: Where the framework's development server listens, where `PERFKIT_URL` does not say otherwise.
        app: The app as ``module:attribute``, for the doctor; empty where it has no such name.
    """
    http = config.http
    given = list(arguments)
    place = f"http://127.0.0.1:{port}{http.prefix}"
    variables = {URL: f"{place}{http.dashboard_path or ''}"}
    if command == "doctor":
        # The doctor looks at the token's place, too: it must find it where the app does.
        given += [app] if app and not any(":" in each for each in given) else []
    elif config.access.token and _stays_here(given):
        variables[TOKEN] = config.access.token
    if command == "health" and not any("://" in each for each in given) and "--help" not in given:
        base = os.environ.get(URL)
        given.append(base if base else f"{place}{http.health_path or '/health'}")
    with _unless_set(variables):
        code: int = import_module("perfkit.cli.main").main([command, *given])
    return code


def _stays_here(given: Sequence[str]) -> bool:
    """Return True where no other machine is asked: the app's own token is for the app alone, and http is readable.

    Who asks another one gives the token by himself, in `PERFKIT_TOKEN`.
    """
    said = (_ADDRESS.match(each) for each in (*given, os.environ.get(URL, "").strip()))
    named = [each[1] or each[2] or "" for each in said if each]
    return all(map(is_local_host, named))


@contextmanager
def _unless_set(variables: dict[str, str]) -> Iterator[None]:
    """Have *variables* in the environment, where it has not its own."""
    added = [name for name in variables if not os.environ.get(name)]
    os.environ.update((name, variables[name]) for name in added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
