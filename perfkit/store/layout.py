"""Where things lie in a worker's slots, and in the file that holds them.

slot      0 … 63     fixed slots: the same number in every worker of every service
slot     64 … 1087   the sink: writes that belong nowhere; nobody reads it
slot   1088 …        rows

byte      0 … 4095   the header of a file (`perfkit.store.files.mapped`)
byte   4096 …        the slots, float64 in the machine's own order
"""

from __future__ import annotations

__all__ = [
    "FINISHED",
    "FIXED",
    "HEADER_BYTES",
    "LAYOUT_VERSION",
    "LOST",
    "MAX_WIDTH",
    "OVERFLOW",
    "ROWS",
    "SINK",
    "SLOT_BYTES",
    "STARTED",
]

LAYOUT_VERSION = 1
"""Raised whenever files of an older version could be misread: slots, header, key log, fine boundaries."""

STARTED = 0
"""Fixed slot: exchanges begun."""
FINISHED = 1
"""Fixed slot: exchanges ended. In flight = started - finished, over the live workers."""
LOST = 2
"""Fixed slot: exchanges in flight in a worker that was killed; added up when its file is adopted."""
OVERFLOW = 3
"""Fixed slot: how often a series was asked for that found no room of its own."""

FIXED = 64
"""Number of fixed slots."""
SINK = 64
"""First slot of the sink."""
MAX_WIDTH = 1024
"""Widest row, and the width of the sink."""
ROWS = SINK + MAX_WIDTH
"""First slot of the first row."""

SLOT_BYTES = 8
HEADER_BYTES = 4096
