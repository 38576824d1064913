"""A request to perfkit's own paths and its answer, in no framework's words."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["Request", "Response"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter knows of a request to one of our paths.

    Attributes:
        path: Decoded path below the application root (`root_path` stripped).
        query: Raw query string without ``?``.
        headers: Lower-case names; of repeated headers the values joined with ``, ``.
        peer: Address of the connected peer as the server saw the socket, or None (unix socket, unknown).
        root_path: Application root in front of *path*, empty or starting with ``/``.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    peer: str | None = None
    scheme: str = "http"
    root_path: str = ""
    body: bytes = b""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer; the adapter sends it as it is.

    Attributes:
        headers: Name and value pairs, lower-case names, ``content-length`` included.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
