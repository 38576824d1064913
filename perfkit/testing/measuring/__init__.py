"""Measures what a block of code asks of the databases, how long it takes, and what perfkit finds wrong with it."""

from __future__ import annotations

from perfkit.testing.measuring.limits import Excess, Limits
from perfkit.testing.measuring.measurement import LimitExceededError, Measurement, Statement, measure
from perfkit.testing.measuring.mixin import MeasureMixin
from perfkit.testing.measuring.scaling import assert_scales, best_of

__all__ = [
    "Excess",
    "LimitExceededError",
    "Limits",
    "MeasureMixin",
    "Measurement",
    "Statement",
    "assert_scales",
    "best_of",
    "measure",
]
