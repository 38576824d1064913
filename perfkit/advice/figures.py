"""The evidence of a finding in words, on the page and in the terminal: figures in the unit of their name. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from perfkit.advice.wording import percent, seconds, significant, size

__all__ = ["figure"]

MOST_INSIDE = 5
"""Members shown of a figure that is a list or a table itself."""


def figure(name: str, value: object) -> str:
    """Return *value* in the unit that its *name* says; empty where there is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return _number(name, float(value))
    if isinstance(value, Mapping):
        shown = list(value.items())[: MOST_INSIDE + 1]
        if any(isinstance(each, Mapping) for _, each in shown):
            return _joined((f"{key}: {_row(name, each)}" for key, each in shown), "; ")
        return _joined((f"{key}: {figure(name, each)}" for key, each in shown), ", ")
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return _joined((figure(name, each) for each in value[: MOST_INSIDE + 1]), ", ")
    return "" if value is None else str(value)


def _row(name: str, value: object) -> str:
    """Return what a table tells of one thing: there each number has a name of its own, and "seconds" is its unit."""
    if not isinstance(value, Mapping):
        return figure(name, value)
    shown = list(value.items())[: MOST_INSIDE + 1]
    return _joined(
        (figure(key, each) if key == "seconds" else f"{figure(key, each)} {key}" for key, each in shown), ", "
    )


def _number(name: str, value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    if name.endswith("seconds") or name in ("longest", "p99"):
        return seconds(value)
    if name.endswith(("ratio", "share")):
        return percent(value)
    if "bytes" in name:
        return size(value)
    return f"{value:,.0f}" if value.is_integer() else significant(value)


def _joined(told: Iterable[str], between: str) -> str:
    shown = [each for each in told if each]
    return between.join(shown[:MOST_INSIDE]) + (f"{between.rstrip()} …" if len(shown) > MOST_INSIDE else "")
