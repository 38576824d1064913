"""What the recorder says of itself."""

from __future__ import annotations

import msgspec

__all__ = ["RecorderSnapshot"]


class RecorderSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The recorder as of now, all workers together.

    Attributes:
        kept: Exchanges kept since the start, by reason; older ones have made room.
        dropped: Exchanges that were worth keeping and were not, by what was full: ``queue``, ``bytes`` or ``size``.
        series: Kinds of exchanges that this worker watches.
    """

    kept: dict[str, int]
    dropped: dict[str, int]
    series: int
