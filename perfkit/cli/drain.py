"""`perfkit drain URL`: has a running service say "not ready" in all workers, for a preStop hook; or ends that."""

from __future__ import annotations

import argparse
import http.client
import sys
import time

from perfkit.cli.arguments import seconds, service_url
from perfkit.cli.console import clean
from perfkit.cli.probing import ask

__all__ = ["add_arguments", "run"]

NOT_DRAINED = 1


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit drain` to *command*."""
    add = command.add_argument
    add(
        "url",
        metavar="URL",
        type=service_url,
        help="of the service, such as http://127.0.0.1:8000; /health unless it has a path",
    )
    add("--timeout", type=seconds, default=3.0, metavar="SECONDS", help="wait so long for the answer (3)")
    add("--end", action="store_true", help="take traffic again instead")
    add("--wait", type=seconds, metavar="SECONDS", help="then wait so long, until the load balancer has noticed")


def run(options: argparse.Namespace) -> int:
    """Drain the service, or end that; return 0 if it does, else 1. Its token is taken from PERFKIT_TOKEN."""
    parts = options.url
    path = f"{parts.path.rstrip('/') or '/health'}/drain"
    try:
        code = ask(parts, path, method="DELETE" if options.end else "POST", timeout=options.timeout).code
    except (OSError, http.client.HTTPException) as error:
        reason = clean(str(error)) or type(error).__name__
        print(f"perfkit drain: {parts.netloc} did not answer: {reason}.", file=sys.stderr)
        return NOT_DRAINED
    if code != 202:
        print(
            f"perfkit drain: {parts.netloc} answered {path} with {code}. It must answer with 202. "
            "Give its token in the environment variable PERFKIT_TOKEN, and its health path in the URL.",
            file=sys.stderr,
        )
        return NOT_DRAINED
    print("serving" if options.end else "draining")
    if options.wait and not options.end:
        time.sleep(options.wait)
    return 0
