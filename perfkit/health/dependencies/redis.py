"""A check that a Redis or Valkey server answers, by a client of the app's or over a connection of its own.

Source: Redis serialization protocol specification (RESP): a command is an array of bulk strings; answers to AUTH and
PING are a line that begins with + or, for an error, with -.
"""

from __future__ import annotations

import inspect
import socket
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from perfkit.core.checks import CheckResult
from perfkit.core.errors import ConfigurationError
from perfkit.core.status import Status
from perfkit.health.dependencies.asked import Asked
from perfkit.health.dependencies.tcp import TIMEOUT

__all__ = ["redis_check"]

SCHEMES = ("redis", "rediss", "unix")
MOST_LINE = 4096


def redis_check(server: Any, *, timeout: float = TIMEOUT) -> Callable[[], Any]:
    """Return a check that pings a Redis or Valkey server.

    Args:
        server: A client with `ping()`, sync or async (redis, valkey), or a URL: ``redis://[user:password@]host[:port]``,
            ``rediss://`` with TLS, ``unix:///path``. A URL needs no package.
        timeout: Seconds for the connection of a URL; a client has its own.

    Raises:
        ConfigurationError: It is neither.
    """
    if not isinstance(server, str):
        return _of_client(server)
    parts = _split(server)
    shown = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"

    def ask() -> CheckResult:
        began = time.perf_counter()
        with closing(_connect(parts, timeout)) as connection, connection.makefile("rb") as answers:
            if parts.password:
                user = (unquote(parts.username),) if parts.username else ()
                connection.sendall(_command("AUTH", *user, unquote(parts.password)))
                _read(answers)
            connection.sendall(_command("PING"))
            _read(answers)
        return CheckResult(Status.HEALTHY, f"{shown} answers", time.perf_counter() - began, "seconds")

    return Asked(f"redis {shown}", ask)


def _of_client(client: Any) -> Callable[[], Any]:
    ping = getattr(client, "ping", None)
    if not callable(ping):
        raise ConfigurationError(
            f"redis_check was given {type(client).__name__}. It must be a URL such as redis://localhost:6379 or a "
            "client with ping(). Give one of them."
        )

    async def answered(awaitable: Any, began: float) -> CheckResult:
        return _answered(await awaitable, began)

    def ask() -> Any:
        began = time.perf_counter()
        answer = ping()
        # An async client's ping() only begins; what it answers comes on the app's loop.
        return answered(answer, began) if inspect.isawaitable(answer) else _answered(answer, began)

    return Asked("redis", ask)


def _answered(answer: object, began: float) -> CheckResult:
    if answer is False:
        return CheckResult(Status.CRITICAL, "the server did not answer the ping")
    return CheckResult(Status.HEALTHY, "answers", time.perf_counter() - began, "seconds")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in SCHEMES and bool(parts.path if parts.scheme == "unix" else parts.hostname)
        is_good = is_good and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, is_good = urlsplit(""), False
    if not is_good:
        raise ConfigurationError(
            "The URL of a Redis check cannot be used. It must begin with redis://, rediss:// or unix:// and name a "
            "host or a path. Write it as in redis_check('redis://localhost:6379')."
        )
    return parts


def _connect(parts: SplitResult, timeout: float) -> socket.socket:
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(unquote(parts.path))
        except BaseException:
            connection.close()
            raise
        return connection
    connection = socket.create_connection((parts.hostname or "", parts.port or 6379), timeout)
    if parts.scheme != "rediss":
        return connection
    import ssl

    try:
        return ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname)
    except BaseException:
        connection.close()
        raise


def _command(*words: str) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def _read(answers: Any) -> None:
    """Take one answer.

    Raises:
        ConnectionError: It is an error, or none at all.
    """
    line = answers.readline(MOST_LINE)
    if not line.startswith(b"+"):
        said = line[1:].decode(errors="replace").strip() or "nothing"
        raise ConnectionError(f"the server answered: {said}")
