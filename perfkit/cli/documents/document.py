"""The head of all documents, and how they are written."""

from __future__ import annotations

import json

import msgspec

__all__ = ["Document", "printed"]


class Document(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    """What a command prints with ``--json``: one object; ``command`` says whose it is.

    Attributes:
        version: Of all JSON of perfkit.
    """

    version: int


def printed(document: Document, *, indent: int | None = 1) -> str:
    """Return *document* as JSON in ASCII, which every terminal and every coding has; what is no number becomes null."""
    separators = (",", ":") if indent is None else None
    return json.dumps(msgspec.json.decode(msgspec.json.encode(document)), indent=indent, separators=separators)
