"""The flight recorder: keeps whole exchanges where that is worth it, and says what a change to them would save."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.recorder.estimate import Estimate
    from perfkit.recorder.kept import KeptError, KeptExchange, KeptFrame, KeptSpan
    from perfkit.recorder.recorder import FlightRecorder
    from perfkit.recorder.settings import RecorderSettings
    from perfkit.recorder.snapshot import RecorderSnapshot

__all__ = [
    "Estimate",
    "FlightRecorder",
    "KeptError",
    "KeptExchange",
    "KeptFrame",
    "KeptSpan",
    "RecorderSettings",
    "RecorderSnapshot",
]

__getattr__ = lazily(
    __name__,
    {
        "Estimate": "perfkit.recorder.estimate",
        "FlightRecorder": "perfkit.recorder.recorder",
        "KeptError": "perfkit.recorder.kept",
        "KeptExchange": "perfkit.recorder.kept",
        "KeptFrame": "perfkit.recorder.kept",
        "KeptSpan": "perfkit.recorder.kept",
        "RecorderSettings": "perfkit.recorder.settings",
        "RecorderSnapshot": "perfkit.recorder.snapshot",
    },
)
