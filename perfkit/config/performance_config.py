"""All settings of one service: the object that the system is built from."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from perfkit.alerts.settings import AlertsSettings
from perfkit.cache.settings import CacheSettings
from perfkit.config.presets import Environment
from perfkit.config.sections import AccessSettings, DashboardSettings, HttpSettings
from perfkit.core.settings import Settings
from perfkit.database.settings import DatabaseSettings
from perfkit.health.settings import HealthSettings
from perfkit.load_balancer.settings import LoadBalancerSettings
from perfkit.metrics.settings import MetricsSettings
from perfkit.performance.settings import PerformanceSettings
from perfkit.recorder.settings import RecorderSettings
from perfkit.store.settings import StoreSettings

__all__ = ["PerformanceConfig"]

NAME = r"^[^\x00-\x1f\x7f]+\Z"


# dict=True is the place beside the fields where the loader notes the source of each value (see sources.py).
class PerformanceConfig(Settings, frozen=True, dict=True):
    """The settings of one service, a section for each component. Made by `get_performance_config`.

    A component that joins adds its section here and nothing else: layers, validation, environment variables and the
    reference page follow.
    """

    environment: Annotated[
        Environment, Meta(description="Where the service runs; chooses the preset and how access works.")
    ] = "production"
    service: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            pattern=NAME,
            description="Name of the service; workers of one name count together.",
            extra={"expected": "text of 1 to 200 characters without control characters"},
        ),
    ] = "app"
    release: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200, pattern=NAME)] | None,
        Meta(
            description="Version of your application, shown beside its numbers; None where it has none.",
            extra={"expected": "text of 1 to 200 characters without control characters, or None"},
        ),
    ] = None
    store: StoreSettings = field(default_factory=StoreSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    performance: PerformanceSettings = field(default_factory=PerformanceSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    load_balancer: LoadBalancerSettings = field(default_factory=LoadBalancerSettings)
    alerts: AlertsSettings = field(default_factory=AlertsSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    recorder: RecorderSettings = field(default_factory=RecorderSettings)
