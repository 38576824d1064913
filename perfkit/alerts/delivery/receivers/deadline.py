"""Reading from a socket up to a deadline: a server that sends a byte now and then must not hold us for ever."""

from __future__ import annotations

import io
import socket
import time

__all__ = ["Until", "remaining"]

MOST = 1024 * 1024
"""Bytes that are read of one socket at most: no answer that we ask for is that long."""


class Until(io.RawIOBase):
    """What a socket sends until *deadline* (monotonic seconds); a single read ends after *step* seconds too."""

    def __init__(self, sock: socket.socket, deadline: float, *, step: float = float("inf")) -> None:
        """Read *sock*, which stays the caller's."""
        self._sock, self._deadline, self._step, self._left = sock, deadline, step, MOST
        # It keeps the socket open when http.client closes the connection before the body is read.
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Return True: it is there to be read."""
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]  # what BufferedReader gives
        """Read into *buffer*.

        Raises:
            TimeoutError: Nothing came in time.
            ConnectionAbortedError: More came than anybody asked for.
        """
        self._sock.settimeout(min(self._step, remaining(self._deadline)))
        read = self._raw.readinto(buffer)
        self._left -= read or 0
        if self._left < 0:
            raise ConnectionAbortedError(f"more than {MOST} bytes came")
        return read

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


def remaining(deadline: float) -> float:
    """Return the seconds until *deadline*.

    Raises:
        TimeoutError: It has passed.
    """
    left = deadline - time.monotonic()
    if left <= 0.0:
        raise TimeoutError
    return left
