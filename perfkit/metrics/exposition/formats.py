"""The four formats, the four ways to escape foreign names, and their content types.

Sources: Prometheus, "Exposition formats" (text 0.0.4 and 1.0.0) and "UTF-8 metric and label name escaping schemes";
OpenMetrics 1.0.0.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Escaping", "Format", "content_type"]


class Format(StrEnum):
    """A format of exposition."""

    PROMETHEUS = "prometheus"
    OPENMETRICS = "openmetrics"
    JSON = "json"
    CSV = "csv"

    @property
    def is_text(self) -> bool:
        """True for the two that Prometheus scrapes."""
        return self is Format.PROMETHEUS or self is Format.OPENMETRICS


class Escaping(StrEnum):
    """What becomes of a name outside ``[a-zA-Z_:][a-zA-Z0-9_:]*``; the value is that of ``escaping=``."""

    UNDERSCORES = "underscores"
    DOTS = "dots"
    VALUES = "values"
    ALLOW_UTF8 = "allow-utf-8"


_TYPES = {
    Format.PROMETHEUS: ("text/plain", "0.0.4"),
    Format.OPENMETRICS: ("application/openmetrics-text", "1.0.0"),
}


def content_type(format: Format, *, version: str = "", escaping: Escaping = Escaping.UNDERSCORES) -> str:
    """Return the Content-Type of *format*.

    Args:
        version: Of the two text formats: what was negotiated; by default 0.0.4 of Prometheus and 1.0.0 of OpenMetrics.
        escaping: Named in the type from version 1.0.0 on.
    """
    if format is Format.JSON:
        return "application/json"
    if format is Format.CSV:
        return "text/csv; charset=utf-8; header=present"
    media, usual = _TYPES[format]
    version = version or usual
    scheme = f"; escaping={escaping}" if version == "1.0.0" else ""
    return f"{media}; version={version}; charset=utf-8{scheme}"
