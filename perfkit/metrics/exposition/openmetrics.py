"""What is special to OpenMetrics 1.0.0: family names, units, exemplars, the end mark.

Source: "OpenMetrics, a cloud-native, highly scalable metrics protocol", 1.0.0.
"""

from __future__ import annotations

from collections.abc import Callable

from perfkit.core.families import Definition, Exemplar, MetricType
from perfkit.metrics.exposition.identifiers import escaped_value, is_legacy_label, is_legacy_metric, utf8
from perfkit.metrics.exposition.numbers import number
from perfkit.metrics.exposition.series import base_name

__all__ = ["END", "EXEMPLAR_LENGTH", "exemplar", "header"]

END = "# EOF"

EXEMPLAR_LENGTH = 128
"""Characters that the label names and values of an exemplar may have together."""

_HELP = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\"", "\r": " "})


def header(definition: Definition, named: Callable[[str], str]) -> str:
    """Return the comment lines; they name the *family*, so a counter without ``_total``."""
    name = named("")
    lines = [f"# TYPE {name} {definition.type}"]
    if _has_unit(definition):
        lines.append(f"# UNIT {name} {definition.unit}")
    help_text = utf8(definition.description).strip().translate(_HELP)
    if help_text:
        lines.append(f"# HELP {name} {help_text}")
    return "\n".join(lines)


def _has_unit(definition: Definition) -> bool:
    """A unit may be told only where the name ends with it."""
    unit = definition.unit
    return (
        definition.type is not MetricType.INFO
        and is_legacy_metric(unit) is not None
        and base_name(definition).endswith(f"_{unit}")
    )


def exemplar(of: Exemplar | None, low: float = float("-inf"), high: float = float("inf")) -> str:
    """Return the end of a line that shows *of*; empty if there is none or it is not allowed.

    Args:
        of: The exemplar.
        low: Lower bound of the bucket, exclusive.
        high: Upper bound of the bucket, inclusive.
    """
    if of is None or not low < of.value <= high:
        return ""
    if sum(len(name) + len(value) for name, value in of.labels) > EXEMPLAR_LENGTH:
        return ""
    names = [name for name, _ in of.labels]
    if len(set(names)) < len(names) or not all(map(is_legacy_label, names)):
        return ""
    labels = ",".join([f'{name}="{escaped_value(value)}"' for name, value in of.labels])
    at = "" if of.at is None or of.at != of.at else f" {number(of.at)}"
    return f" # {{{labels}}} {number(of.value)}{at}"
