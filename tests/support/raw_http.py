"""Bytes to a server and what comes back, for requests that no client would send."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

__all__ = ["RawAnswer", "raw_exchange"]


@dataclass(frozen=True)
class RawAnswer:
    """What a server sent until it closed the connection or fell silent.

    Attributes:
        status: 0 where nothing came that looks like HTTP.
        headers: Lower-case names, in order, without those that differ from answer to answer.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""
        return next((value for key, value in self.headers if key == name), None)


def raw_exchange(port: int, request: bytes, *, patience: float = 60.0, hangs_up: bool = False) -> RawAnswer:
    """Send *request* to *port* of loopback and read until the end, or until *patience* seconds pass in silence.

    Args:
        hangs_up: Close our side after the request, as who has no more to say; many servers take that as the end.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        # A server that has seen enough may close before it has read all.
        with contextlib.suppress(OSError):
            connection.sendall(request)
            if hangs_up:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while piece := connection.recv(65536):
                received += piece
    return parsed(received)


def parsed(received: bytes) -> RawAnswer:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    status = int(words[1]) if len(words) > 1 and words[0].startswith("HTTP/") and words[1].isdigit() else 0
    pairs = [line.partition(":") for line in lines]
    headers = tuple((name.lower(), value.strip()) for name, _, value in pairs if name.lower() != "date")
    return RawAnswer(status, headers, body, received)
