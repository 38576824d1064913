"""A port of loopback that nobody takes away before its server is there."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

__all__ = ["reserved_port"]


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Hold a free port for a server that binds it with SO_REUSEADDR, as servers do.

    The socket that holds it never listens. So the kernel gives the port to nobody who asks for any free one, and lets
    whoever names it bind it and listen.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])
