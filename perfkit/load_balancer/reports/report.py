"""A load report: what a server says of its own load."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["STALE", "LoadReport", "from_figures", "is_possible"]

STALE = 3.0
"""Seconds after which a report says nothing any more."""

NUMBERS = (float, int)
USUAL = 1e12
"""What a figure is below, whatever it counts."""

IN_FLIGHT = ("in_flight", "rif", "requests_in_flight", "named_metrics.rif", "named_metrics.in_flight")


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """The load of a server as it reported it. None is: it did not say.

    Attributes:
        in_flight: Requests that it was working on, those of other clients included.
        utilization: Of what is scarcest there, 0-1; the application's own figure, else the CPU's.
        cpu, memory: Parts in use, 0-1.
        rps: Requests a second.
        eps: Errors a second.
        latency: Seconds of a typical request at this load.
    """

    in_flight: float | None = None
    utilization: float | None = None
    cpu: float | None = None
    memory: float | None = None
    rps: float | None = None
    eps: float | None = None
    latency: float | None = None


def from_figures(figures: Mapping[str, Any]) -> LoadReport | None:
    """Return the report of *figures* by name, ORCA's names or ours; None if one cannot be."""
    flat = dict(figures)
    named = flat.pop("named_metrics", None)
    if isinstance(named, Mapping):
        flat.update({f"named_metrics.{name}": value for name, value in named.items()})
    values: dict[str, float] = {}
    for name, value in flat.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        number = _figure(value)
        if number is None:
            return None
        values[name] = number
    if not values:
        return None

    def first(*names: str) -> float | None:
        return next((values[name] for name in names if name in values), None)

    cpu = first("cpu", "cpu_utilization")
    return LoadReport(
        in_flight=first(*IN_FLIGHT),
        utilization=first("utilization", "application_utilization", "cpu_utilization", "cpu"),
        cpu=cpu,
        memory=first("memory", "mem_utilization"),
        rps=first("rps", "rps_fractional"),
        eps=first("eps"),
        latency=first("latency", "latency_seconds", "named_metrics.latency"),
    )


def is_possible(report: LoadReport) -> bool:
    """Return whether a server can have all figures of *report*: one that is none would upset each comparison."""
    for value in msgspec.structs.astuple(report):
        # Nearly all are plain numbers of a usual size; the others are looked at twice.
        if value is not None and not (type(value) in NUMBERS and 0.0 <= value <= USUAL) and _figure(value) is None:
            return False
    return True


def _figure(value: float) -> float | None:
    """Return *value* as a float; None if no server has it: negative, not finite, or too large for one."""
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0.0 else None
