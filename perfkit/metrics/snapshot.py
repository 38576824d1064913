"""What the metrics collector knows as of now: which metrics there are. Their values are on the metrics page."""

from __future__ import annotations

import msgspec

__all__ = ["MetricSnapshot", "MetricsSnapshot"]


class MetricSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of the user's own.

    Attributes:
        name: As on the metrics page.
        type: `counter`, `gauge`, `histogram`, `summary` or `timer`.
        labels: None until its first use, where the definition names none.
    """

    name: str
    type: str
    description: str
    unit: str
    labels: tuple[str, ...] | None


class MetricsSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics that this worker's code defined.

    Attributes:
        max_metrics: So many may be defined.
    """

    metrics: tuple[MetricSnapshot, ...]
    max_metrics: int
