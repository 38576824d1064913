"""Numbers as both text formats want them: one form each, so that a change of format never makes a second series."""

from __future__ import annotations

from math import isfinite

__all__ = ["bound", "number"]


def number(value: float) -> str:
    """Return *value* as the shortest text that reads back as the same float: ``12.0``, ``NaN``, ``+Inf``."""
    value = float(value)
    if isfinite(value):
        return repr(value)
    if value != value:
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


def bound(value: float) -> str:
    """Return *value* as the text of a label ``le`` or ``quantile``: OpenMetrics' canonical form.

    It is `number` below a million and Go's shortest form from there on (``1e+06``, ``4.194304e+06``), which is what the
    Prometheus clients of Go and Python print.
    """
    text = number(value)
    if abs(value) < 1e6 or "e" in text or not isfinite(value):
        return text
    sign, digits = ("-", text[1:]) if value < 0 else ("", text)
    whole, _, fraction = digits.partition(".")
    mantissa = f"{whole[0]}.{whole[1:]}{fraction}".rstrip("0").rstrip(".")
    return f"{sign}{mantissa}e+{len(whole) - 1:02d}"
