"""What tests need: fakes of ours to put into your tests, and kits to prove your own parts with."""

from __future__ import annotations

from perfkit.testing.clock import FakeClock

__all__ = ["FakeClock"]
