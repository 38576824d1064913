"""What is special to the Prometheus text format 0.0.4 (and 1.0.0, which only adds quoted names).

Source: Prometheus, "Exposition formats".
"""

from __future__ import annotations

from collections.abc import Callable

from perfkit.core.families import Definition, MetricType
from perfkit.metrics.exposition.identifiers import utf8
from perfkit.metrics.exposition.series import SCALAR_SUFFIX

__all__ = ["header"]

_TYPES = {MetricType.INFO: "gauge", MetricType.UNKNOWN: "untyped"}
_HELP = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": " "})


def header(definition: Definition, named: Callable[[str], str]) -> str:
    """Return the comment lines; they name the *samples*, so a counter with ``_total``."""
    name = named(SCALAR_SUFFIX.get(definition.type, ""))
    lines = [f"# TYPE {name} {_TYPES.get(definition.type, definition.type)}"]
    help_text = utf8(definition.description).strip().translate(_HELP)
    if help_text:
        lines.insert(0, f"# HELP {name} {help_text}")
    return "\n".join(lines)
