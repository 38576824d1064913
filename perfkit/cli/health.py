"""`perfkit health URL`: asks a running service how it is; for container health checks and scripts."""

from __future__ import annotations

import argparse
import http.client
import sys

from perfkit.cli.arguments import seconds, service_url
from perfkit.cli.console import clean
from perfkit.cli.probing import ask

__all__ = ["add_arguments", "run"]

NOT_WELL = 1


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit health` to *command*."""
    add = command.add_argument
    add(
        "url",
        metavar="URL",
        type=service_url,
        help="of the service, such as http://127.0.0.1:8000; /health unless it has a path",
    )
    add("--timeout", type=seconds, default=3.0, metavar="SECONDS", help="wait so long for the answer (3)")
    add("--quiet", action="store_true", help="say nothing; the exit code tells")


def run(options: argparse.Namespace) -> int:
    """Print what the service says; return 0 if it is well or warns, else 1."""
    parts = options.url
    path = parts.path if parts.path not in ("", "/") else "/health"
    try:
        answer = ask(parts, f"{path}?{parts.query}" if parts.query else path, timeout=options.timeout)
    except (OSError, http.client.HTTPException) as error:
        if not options.quiet:
            reason = clean(str(error)) or type(error).__name__
            print(f"perfkit health: {parts.netloc} did not answer: {reason}.", file=sys.stderr)
        return NOT_WELL
    is_well = 200 <= answer.code < 300
    if not options.quiet:
        print(clean(str(answer.document.get("status", f"HTTP {answer.code}"))))
        checks = answer.document.get("checks")
        for check in checks if isinstance(checks, list) else ():
            if isinstance(check, dict) and check.get("status") in ("warning", "critical"):
                print(clean(f"{check['status']}: {check.get('name')}: {check.get('message')}"))
    return 0 if is_well else NOT_WELL
