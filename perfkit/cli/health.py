"""`perfkit health [URL]`: asks a running service how it is; for container health checks and scripts."""

from __future__ import annotations

import argparse
import http.client
import sys
from typing import TYPE_CHECKING
from urllib.parse import SplitResult

from perfkit.cli.arguments import add_service, given_url
from perfkit.cli.console import clean
from perfkit.cli.probing import Answer, ask, health_path, reason_of, token_in

if TYPE_CHECKING:
    from perfkit.cli.documents.probes import Health

__all__ = ["add_arguments", "run"]

NOT_WELL = 1
"""Also for a service that is silent: container engines know no other code (Docker reserves 2)."""

ILL = ("warning", "critical")
MOST_CHECKS = 200


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit health` to *command*."""
    add_service(command, timeout=3.0, about="of the service; /health is asked unless it has a path")
    add = command.add_argument
    add("--json", action="store_true", help="print one JSON object for programs")
    add("--quiet", action="store_true", help="say nothing; the exit code tells")


def run(options: argparse.Namespace) -> int:
    """Print what the service says; return 0 if it is well or warns, else 1."""
    url = given_url(options)
    token = token_in(options.token_file) if options.token_file else ""
    answer, reason = _asked(url, token, options.timeout)
    is_well = answer is not None and 200 <= answer.code < 300
    if options.json:
        from perfkit.cli.documents.document import printed

        print(printed(_document(answer, reason, is_well)))
    elif answer is None:
        if not options.quiet:
            print(f"perfkit health: {url.netloc} did not answer: {reason}.", file=sys.stderr)
    elif not options.quiet:
        print(clean(str(answer.document.get("status", f"HTTP {answer.code}"))))
        for check in _ill(answer):
            print(clean(f"{check['status']}: {check.get('name')}: {check.get('message')}"))
    return 0 if is_well else NOT_WELL


def _asked(url: SplitResult, token: str, timeout: float) -> tuple[Answer | None, str]:
    """Return the answer, or why there is none."""
    path = health_path(url)
    try:
        return ask(url, f"{path}?{url.query}" if url.query else path, timeout=timeout, token=token), ""
    except (OSError, http.client.HTTPException) as error:
        return None, reason_of(error)


def _ill(answer: Answer) -> list[dict[str, object]]:
    checks = answer.document.get("checks")
    found = checks[:MOST_CHECKS] if isinstance(checks, list) else ()
    return [check for check in found if isinstance(check, dict) and check.get("status") in ILL]


def _document(answer: Answer | None, reason: str, is_well: bool) -> Health:
    from perfkit.cli.documents.probes import CheckLine, Health
    from perfkit.snapshot import SCHEMA_VERSION

    checks = [] if answer is None else _ill(answer)
    lines = [
        CheckLine(**{name: clean(str(check.get(name) or "")) for name in ("name", "status", "message")})
        for check in checks
    ]
    return Health(
        version=SCHEMA_VERSION,
        is_well=is_well,
        status="" if answer is None else clean(str(answer.document.get("status", ""))),
        code=None if answer is None else answer.code,
        error=reason,
        checks=tuple(lines),
    )
