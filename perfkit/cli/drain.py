"""`perfkit drain [URL]`: has a running service say "not ready" in all workers, for a preStop hook; or ends that."""

from __future__ import annotations

import argparse
import http.client
import time

from perfkit.cli.arguments import add_service, given_url, seconds
from perfkit.cli.probing import ask, health_path, reason_of, token_in

__all__ = ["add_arguments", "run"]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit drain` to *command*."""
    add_service(command, timeout=3.0, about="of the service, or its health path where that is not /health")
    add = command.add_argument
    add("--end", action="store_true", help="take traffic again instead")
    add("--wait", type=seconds, metavar="SECONDS", help="then wait so long, until the load balancer has noticed")


def run(options: argparse.Namespace) -> int:
    """Drain the service, or end that.

    Raises:
        ServiceError, NotAllowedError: It does not drain.
    """
    from perfkit.cli.reading.service import NotAllowedError, ServiceError

    url = given_url(options)
    token = token_in(options.token_file) if options.token_file else ""
    path = f"{health_path(url)}/drain"
    try:
        code = ask(url, path, method="DELETE" if options.end else "POST", timeout=options.timeout, token=token).code
    except (OSError, http.client.HTTPException) as error:
        raise ServiceError(
            f"{url.netloc} did not answer ({reason_of(error)}). The service must run and be "
            "reachable from here. Look at its address."
        ) from None
    if code != 202:
        refused = NotAllowedError if code in (401, 403, 404) else ServiceError
        raise refused(
            f"{url.netloc} answered {path} with {code}. It must answer with 202. "
            "Give its token in PERFKIT_TOKEN or --token-file, and its health path in the URL."
        )
    print("serving" if options.end else "draining")
    if options.wait and not options.end:
        time.sleep(options.wait)
    return 0
