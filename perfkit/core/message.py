"""A request to perfkit's own paths and its answer, in no framework's words; and the version of what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["SCHEMA_VERSION", "Request", "Response", "json_bytes"]

SCHEMA_VERSION = 1
"""Of all JSON: a field may join within a version; one that goes or changes its meaning raises it."""


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


def json_bytes(document: object) -> bytes:
    """Return *document* as JSON.

    Halves of surrogate pairs, as in the name of a file that is no UTF-8, become ``?``; a value of the app's that JSON
    does not know becomes its repr, a number that is none null.
    """
    try:
        return msgspec.json.encode(document)
    except (TypeError, UnicodeEncodeError):
        return msgspec.json.encode(_plain(msgspec.to_builtins(document, str_keys=True, enc_hook=repr)))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_plain(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
