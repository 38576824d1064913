"""A leader's whole state as parts that fit the control log and the texts: compressed, cut, put together again.

The newest complete state counts, by the generation of the leader's lease and its own number. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, TypeAlias

__all__ = ["MOST_PARTS", "PART", "Assembly", "Order", "split"]

PART = 24 * 1024
"""Bytes of a part: below an eighth of a ring of texts, and well below the largest command."""

MOST_PARTS = 32
MOST_WAITING = 4
"""States of which some parts are missing yet."""

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of a state once it is unpacked: what claims more is damaged."""

Order: TypeAlias = "tuple[int, int]"
"""Generation and number; of two states the one with the higher order is the newer."""


def split(document: bytes, order: Order) -> Iterator[dict[str, Any]]:
    """Yield *document*, the state of that *order*, as payloads of commands or records of texts."""
    body = zlib.compress(document, 1)
    pieces = [body[at : at + PART] for at in range(0, len(body), PART)]
    for part, piece in enumerate(pieces[:MOST_PARTS]):
        yield {"generation": order[0], "number": order[1], "part": part, "of": len(pieces), "body": piece}


class Assembly:
    """The states of which some parts have come. One thread at a time."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: dict[Order, dict[int, bytes]] = {}

    def take(self, payload: dict[str, Any]) -> tuple[Order, bytes] | None:
        """Take one part; return order and document of the state that is complete with it.

        Raises:
            KeyError, TypeError, ValueError, zlib.error: It is no part of a state.
        """
        order = (int(payload["generation"]), int(payload["number"]))
        parts = self._waiting.setdefault(order, {})
        parts[int(payload["part"])] = payload["body"]
        if len(parts) < int(payload["of"]):
            while len(self._waiting) > MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
            return None
        del self._waiting[order]
        unpacking = zlib.decompressobj()
        document = unpacking.decompress(b"".join(body for _, body in sorted(parts.items())), MOST_BYTES)
        if not unpacking.eof:
            raise ValueError("a state is cut off, or larger than any is")
        return order, document
