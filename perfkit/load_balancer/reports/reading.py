"""Reading a load report, in whatever form it comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perfkit.load_balancer.reports.orca import parse
from perfkit.load_balancer.reports.report import LoadReport, from_figures, is_possible

__all__ = ["read_report"]


def read_report(given: Any) -> LoadReport | None:
    """Return the report in *given*: a `LoadReport`, the text of a header, a mapping, or a number in flight.

    None if it is none of these, or if it holds a figure that no server has (negative, not finite).
    """
    if isinstance(given, LoadReport):
        return given if is_possible(given) else None
    if isinstance(given, (str, bytes)):
        return parse(given)
    if isinstance(given, Mapping):
        return from_figures(given)
    if isinstance(given, (int, float)):
        return from_figures({"in_flight": given})
    figures = {name: getattr(given, name) for name in (*LoadReport.__struct_fields__, "rif") if hasattr(given, name)}
    return from_figures(figures) if figures else None
