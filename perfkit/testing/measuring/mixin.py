"""For tests of unittest, Django's among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from perfkit.testing.measuring.measurement import Measurement, measure
from perfkit.testing.measuring.scaling import assert_scales

__all__ = ["MeasureMixin"]


class MeasureMixin:
    """Put before the test case: ``class CartTests(MeasureMixin, TestCase)``."""

    def measure(self, **limits: Any) -> AbstractContextManager[Measurement]:
        """Do what `perfkit.testing.measure` does."""
        return measure(**limits)

    def assertScales(  # noqa: N802 - as unittest names its assertions
        self, function: Callable[[int], Any], *, sizes: Sequence[int] = (1, 10), max_growth: int = 0
    ) -> None:
        """Do what `perfkit.testing.assert_scales` does."""
        __tracebackhide__ = True
        assert_scales(function, sizes=sizes, max_growth=max_growth)
