"""The settings of the metrics collector."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from perfkit.core.settings import Settings

__all__ = ["MetricsSettings"]


class MetricsSettings(Settings, frozen=True):
    """What the metrics page shows."""

    enabled: Annotated[bool, Meta(description="Collect and show metrics.")] = True
    target_info: Annotated[
        bool, Meta(description="Show target_info: the service's name, version and environment as labels.")
    ] = True
    known_series: Annotated[
        int,
        Meta(
            ge=0,
            le=262_144,
            description="Families and series of which the text is kept between two scrapes, about 200 bytes each.",
        ),
    ] = 20_000
