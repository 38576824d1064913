"""Times as people of the server's zone read them: 24 hours."""

from __future__ import annotations

import math
from datetime import datetime, tzinfo

from perfkit.dashboard.html import Markup, h

__all__ = ["between_times", "clock_time", "stamp", "time_ticks"]

_STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def clock_time(at: float, timezone: tzinfo) -> str:
    """Return ``14:52:10`` for unix seconds."""
    return datetime.fromtimestamp(at, timezone).strftime("%H:%M:%S")


def between_times(start: float, end: float, at: float, timezone: tzinfo) -> str:
    """Return ``14:50:00 to 14:55:00``, with the days where these are not the day of *at*."""
    first, last, now = (datetime.fromtimestamp(each, timezone) for each in (start, end, at))
    if first.date() == last.date() == now.date():
        return f"{first:%H:%M:%S} to {last:%H:%M:%S}"
    return f"{first:%d %b %H:%M} to {last:%d %b %H:%M}"


def stamp(at: float, timezone: tzinfo) -> Markup:
    """Return a time element: clock time and zone for people, ISO 8601 for machines and on hover."""
    moment = datetime.fromtimestamp(at, timezone)
    iso = moment.isoformat(timespec="seconds")
    return h("time", {"datetime": iso, "title": iso}, moment.strftime("%H:%M:%S %Z").strip())


def time_ticks(start: float, end: float, timezone: tzinfo, most: int = 6) -> list[tuple[float, str]]:
    """Return up to *most* whole times between two unix seconds, each as its place (0-1) and ``14:50``."""
    length = end - start
    if length <= 0.0:
        return []
    step = next((step for step in _STEPS if length / step <= most), _STEPS[-1] * math.ceil(length / _STEPS[-1] / most))
    offset = datetime.fromtimestamp(end, timezone).utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    pattern = "%H:%M:%S" if step < 60 else "%H:%M" if length <= 86400 else "%d %b %H:%M"
    first = math.ceil((start + shift) / step) * step - shift
    times = (first + step * number for number in range(int((end - first) // step) + 1))
    return [((time - start) / length, datetime.fromtimestamp(time, timezone).strftime(pattern)) for time in times]
