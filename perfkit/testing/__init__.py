"""What tests need: fakes of ours, kits to prove your own parts with, and limits on what your code asks of databases."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfkit.testing.clock import FakeClock
    from perfkit.testing.measuring import LimitExceededError, Measurement, MeasureMixin, assert_scales, best_of, measure

__all__ = ["FakeClock", "LimitExceededError", "MeasureMixin", "Measurement", "assert_scales", "best_of", "measure"]


def __getattr__(name: str) -> Any:
    """Import what is asked for: the pytest plugin lies here, and every run of pytest imports it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "perfkit.testing.clock" if name == "FakeClock" else "perfkit.testing.measuring"
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
