"""What was read of one worker."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from perfkit.store.layout import FIXED, SLOT_BYTES

__all__ = ["Reading", "unpack_fixed"]

_FIXED = struct.Struct(f"={FIXED}d")


class Reading(NamedTuple):
    """One worker's numbers, taken in one read.

    Attributes:
        started_at: Unix time at which the worker opened its file.
        fixed: The fixed slots.
        rows: The slots of the table's rows as bytes, from `Table.first` on.
    """

    number: int
    pid: int
    started_at: float
    is_alive: bool
    is_self: bool
    fixed: Sequence[float]
    rows: bytes


def unpack_fixed(data: bytes, offset: int) -> tuple[float, ...]:
    """Return the fixed slots that lie at *offset* bytes in *data*; zeros where *data* ends before."""
    if len(data) < offset + FIXED * SLOT_BYTES:
        return (0.0,) * FIXED
    return _FIXED.unpack_from(data, offset)
