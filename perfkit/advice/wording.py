"""How numbers and routes are said: the same words on the page, in the terminal and in a log line."""

from __future__ import annotations

from collections.abc import Iterable

from perfkit.core.names import route_name

__all__ = [
    "CONFIDENCE",
    "NOTHING",
    "age",
    "count",
    "factor",
    "listed",
    "percent",
    "rate",
    "route_name",
    "seconds",
    "significant",
    "size",
    "window",
]

NOTHING = "—"
CONFIDENCE = {"likely": "likely, not certain", "guess": "a guess"}
"""What is said of a finding that is not sure."""
_MEBIBYTE = 1024.0 * 1024.0


def significant(value: float, digits: int = 3) -> str:
    """Return *value* with that many significant digits, never with an exponent nor four decimals."""
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1])
    return f"{value:,.{min(3, max(0, digits - 1 - exponent))}f}"


def seconds(value: float | None) -> str:
    """Say a duration: ms below one second, s above."""
    if value is None:
        return NOTHING
    milliseconds = value * 1000.0
    if milliseconds <= 0.0:
        return "0 ms"
    if milliseconds < 0.0005:
        return "<0.001 ms"
    if milliseconds < 999.5:
        return f"{significant(milliseconds)} ms"
    return f"{significant(value)} s"


def percent(ratio: float | None) -> str:
    """Say a ratio (0-1) in percent; what is not nothing never reads as 0, what is not all never as 100."""
    if ratio is None:
        return NOTHING
    value = ratio * 100.0
    if value <= 0.0:
        return "0 %"
    if value < 0.005:
        return "<0.01 %"
    if 99.95 <= value < 100.0:
        return ">99.9 %"
    decimals = 2 if value < 0.995 else 1 if value < 9.95 or 99.5 <= value < 100.0 else 0
    shown = f"{value:,.{decimals}f}"
    return f"{shown.rstrip('0').rstrip('.') if decimals else shown} %"


def rate(per_second: float | None) -> str:
    """Say how many a second, without the unit."""
    if per_second is None:
        return NOTHING
    if per_second <= 0.0:
        return "0"
    return "<0.001" if per_second < 0.0005 else significant(per_second)


def size(value: float | None) -> str:
    """Say bytes: MiB, and GiB from 1,024 MiB up."""
    if value is None:
        return NOTHING
    mebibytes = value / _MEBIBYTE
    if mebibytes < 1023.5:
        return f"{significant(mebibytes) if mebibytes > 0.0 else 0} MiB"
    return f"{significant(mebibytes / 1024.0)} GiB"


def count(number: int, noun: str = "") -> str:
    """Say a number of things; an English noun gets its plain plural."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def factor(value: float) -> str:
    """Say how many times as much."""
    return f"{value:.1f}×" if value < 9.95 else f"{value:,.0f}×"


def age(value: float) -> str:
    """Say how long something lasts already, in its two largest units: ``3d 04h``."""
    whole = max(0, int(value))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days:,}d {hour:02d}h"
    if hours:
        return f"{hours}h {minute:02d}m"
    return f"{minutes}m {second:02d}s" if minutes else f"{second}s"


def window(value: float) -> str:
    """Say the length of a window: seconds below two minutes, minutes below two hours, hours above."""
    if value < 120.0:
        return f"{max(1, round(value))} s"
    return f"{round(value / 60.0)} min" if value < 7200.0 else f"{round(value / 3600.0)} h"


def listed(names: Iterable[str], limit: int = 3) -> str:
    """Say some names, the first *limit* of them, and how many more there are."""
    everything = list(names)
    rest = len(everything) - limit
    return ", ".join(everything[:limit]) + (f" and {rest:,} more" if rest > 0 else "")
