"""Commands of `perfkit` under a framework's own command line: they know the app's address, paths and token already.

The command line lies above the adapters, which know it by its name alone; it is imported when a command runs.
"""

from __future__ import annotations

import os
import re
import socket
import sys
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

PATIENCE = 1.0
"""Seconds for which somebody is waited for, once a command has failed."""

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""Where a server is asked that listens on all addresses of its machine."""

_ADDRESS = re.compile(r"(?:https?://([^/?#]*)|([^/?#]+:[0-9]{1,5})(?=[/?#]|\Z))", re.ASCII | re.IGNORECASE)


def pass_on(
    command: str,
    arguments: Sequence[str],
    *,
    config: PerformanceConfig,
    port: int,
    app: str,
    host: str = "127.0.0.1",
    server: str = "the development server",
) -> int:
    """Run *command*, one of `PASSED`, and return its exit code.

    Args:
        arguments: As they were written; an address or an app among them is asked instead of ours, and so is that of
            ``--url``, to which the app's own paths are added where it has none.
        config: The settings of the app.
        port: Where the framework's development server listens, where `PERFKIT_URL` does not say otherwise.
        app: The app as ``module:attribute``, for the doctor; empty where it has no such name.
        host: On which address it listens.
        server: What is told to listen there, and how, if nobody answers.
    """
    http = config.http
    given, url = _parted(arguments)
    host = EVERYWHERE.get(host, host)
    named = f"[{host}]" if ":" in host else host
    own = f"http://{named}:{port}"
    place = f"{url or own}{http.prefix}"
    variables, health = {URL: f"{place}{http.dashboard_path or ''}"}, f"{place}{http.health_path or '/health'}"
    is_ours = not (url or os.environ.get(URL) or any(map(_ADDRESS.match, given)))
    if url is not None:
        has_path = "/" in url.partition("://")[2]
        given.append(url if has_path else health if command == "health" else variables[URL])
    if command == "doctor":
        # The doctor looks at the token's place, too: it must find it where the app does.
        given += [app] if app and not any(":" in each for each in given) else []
    elif config.access.token and (is_local_host(named) if is_ours else _stays_here(given)):
        variables[TOKEN] = config.access.token
    if command == "health" and not any("://" in each for each in given) and "--help" not in given:
        base = os.environ.get(URL)
        given.append(base if base else health)
    with _unless_set(variables):
        code: int = import_module("perfkit.cli.main").main([command, *given])
    if code and is_ours and command != "doctor" and "--quiet" not in given and not _answers(host, port):
        sys.stderr.write(
            f"{own} was asked, where {server}. Nobody answers there. "
            f"Name another address with --url http://host:port, or in {URL}.\n"
        )
    return code


def _parted(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Return *arguments* without ``--url``, and its value: with its scheme, without a slash at its end."""
    left, url = list(arguments), None
    for at, each in enumerate(left):
        name, sign, value = each.partition("=")
        if name == "--url" and (sign or at + 1 < len(left)):
            url = value if sign else left[at + 1]
            del left[at : at + (1 if sign else 2)]
            break
    if not url:
        return left, None
    return left, (url if "://" in url else f"http://{url}").rstrip("/")


def _answers(host: str, port: int) -> bool:
    """Return whether somebody listens at *host* and *port*."""
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError:
        return False
    return True


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
