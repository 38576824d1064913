"""Active checks: each server is asked regularly whether it is well, and believed after a few answers that agree.

Source: HAProxy, ``inter``, ``rise`` and ``fall``. Deviations: times are jittered by a tenth, so that many clients
do not ask at once; a check never takes longer than its timeout. `ActiveChecks` is pure: it says who is due and
takes the answers.
"""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Callable, Iterable
from time import monotonic
from urllib.parse import quote

from perfkit.load_balancer.servers import Server

__all__ = ["ActiveChecks", "Check", "http_check", "tcp_check"]

Check = Callable[[Server], object]
"""Asks one server: False or an exception is bad, anything else good."""

JITTER = 0.1

LONGEST_LINE = 1024
"""Bytes that a status line may have."""

_status_line = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: |\r?\n)").match


class _Record:
    """What is known of one server's checks."""

    __slots__ = ("due", "is_running", "row")

    def __init__(self, due: float) -> None:
        self.due, self.is_running, self.row = due, False, 0


class ActiveChecks:
    """Who is to be asked when, and what the answers mean. Not thread-safe: one thread asks it."""

    def __init__(self, *, interval: float, rise: int, fall: int, rng: random.Random) -> None:
        """Ask each server every *interval* seconds; believe *rise* good or *fall* bad answers in a row."""
        self._interval, self._rise, self._fall, self._rng = interval, rise, fall, rng
        self._records: dict[str, _Record] = {}

    def due(self, servers: Iterable[Server], now: float) -> list[Server]:
        """Return the servers to be asked at *now*, and count them as being asked; those that left are forgotten."""
        records = self._records
        found = []
        names = set()
        for server in servers:
            names.add(server.name)
            record = records.get(server.name)
            if record is None:
                record = records[server.name] = _Record(now + self._rng.random() * min(1.0, self._interval))
            if record.due <= now and not record.is_running:
                record.is_running = True
                found.append(server)
        for name in [name for name in records if name not in names]:
            del records[name]
        return found

    def begin(self) -> None:
        """Expect no more answers: those who asked are gone, with another process or another run."""
        for record in self._records.values():
            record.is_running = False

    def answered(self, server: Server, good: bool, now: float) -> bool | None:
        """Take an answer; return the new health of *server* if it changes by it, else None."""
        record = self._records.get(server.name)
        if record is None:
            return None
        record.is_running = False
        record.due = now + self._interval * (1.0 + JITTER * (2.0 * self._rng.random() - 1.0))
        if good is server.is_healthy:
            record.row = 0
            return None
        record.row += 1
        if record.row < (self._rise if good else self._fall):
            return None
        record.row = 0
        return good


def tcp_check(timeout: float) -> Check:
    """Return a check that opens a connection and closes it."""

    def check(server: Server) -> bool:
        with _connected(server, monotonic() + timeout):
            return True

    return check


def http_check(path: str, timeout: float) -> Check:
    """Return a check that gets *path*; a status below 400 is well.

    *timeout* bounds all of it, but for the look-up of a name: a server that sends a byte now and then is not well.
    """

    target = quote(path, safe="/:@!$&'()*+,;=~?%[]")

    def check(server: Server) -> bool:
        ends = monotonic() + timeout
        request = (
            f"GET {target} HTTP/1.1\r\nHost: {server.address}\r\nUser-Agent: perfkit\r\nAccept: */*\r\n"
            "Connection: close\r\n\r\n"
        )
        with _connected(server, ends) as connection:
            connection.sendall(request.encode("ascii"))
            line = b""
            while b"\n" not in line:
                connection.settimeout(_left(ends))
                piece = connection.recv(LONGEST_LINE)
                line += piece
                if not piece or len(line) > LONGEST_LINE:
                    return False
        found = _status_line(line)
        return found is not None and int(found[1]) < 400

    return check


def _connected(server: Server, ends: float) -> socket.socket:
    error: OSError = OSError(f"{server.host!r} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        server.host, server.port or 80, type=socket.SOCK_STREAM
    ):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_left(ends))
            connection.connect(address)
            connection.settimeout(_left(ends))
        except OSError as failed:
            connection.close()
            error = failed
        else:
            return connection
    raise error


def _left(ends: float) -> float:
    left = ends - monotonic()
    if left <= 0.0:
        raise TimeoutError("the check took too long")
    return left
