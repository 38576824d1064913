"""The settings of the metrics collector."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from perfkit.core.settings import Settings

if TYPE_CHECKING:
    from perfkit.core.context import Context

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
    max_metrics: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Metrics of your own that may be defined; one more is an error, or not counted where it would "
            "be defined by its first use.",
        ),
    ] = 1_000
    allow_utf8_names: Annotated[
        bool,
        Meta(
            description="Let your metrics have any UTF-8 name; readers that do not ask for such names get them escaped."
        ),
    ] = False
    names: Annotated[
        Literal[
            "perfkit",
            "starlette-exporter",
            "prometheus-fastapi-instrumentator",
            "prometheus-flask-exporter",
            "django-prometheus",
        ],
        Meta(
            description="Show the requests also under the names of another library, so that dashboards made for it go "
            "on working; perfkit: only under perfkit's own."
        ),
    ] = "perfkit"
    prometheus_client: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="Show the metrics of prometheus_client's registry too. auto: if the application has imported "
            "it. on: import it. off: never."
        ),
    ] = "auto"

    def has_work(self, context: Context) -> bool:
        """Return whether there is a registry to mirror; metrics of your own, and a scrape, ask for the collector."""
        return self.prometheus_client == "on" or (
            self.prometheus_client == "auto" and "prometheus_client" in sys.modules
        )
