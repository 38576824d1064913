"""A check that a port takes connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from perfkit.core.checks import CheckResult
from perfkit.core.errors import ConfigurationError
from perfkit.core.status import Status
from perfkit.health.dependencies.asked import Asked

__all__ = ["TIMEOUT", "tcp_check"]

TIMEOUT = 1.5
"""Seconds; below the default timeout of a check, so that what is told is the connection's own error."""


def tcp_check(host: str, port: int, *, timeout: float = TIMEOUT) -> Callable[[], Any]:
    """Return a check that connects to *port* of *host* and hangs up, within *timeout* seconds.

    Raises:
        ConfigurationError: There is no such port.
    """
    if not host or not 0 < port < 65_536:
        raise ConfigurationError(
            f"The address of the check is {host!r}, port {port!r}. It must be a host and a port from 1 to 65535. "
            "Give both."
        )

    def ask() -> CheckResult:
        began = time.perf_counter()
        socket.create_connection((host, port), timeout).close()
        seconds = time.perf_counter() - began
        return CheckResult(Status.HEALTHY, f"{host}:{port} connects", seconds, "seconds")

    return Asked(f"{host}:{port}", ask)
