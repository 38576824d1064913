"""The metrics of pools, by OpenTelemetry's names."""

from __future__ import annotations

from perfkit.core.families import Definition, MetricType

__all__ = ["CONNECTIONS", "HELD", "OPENED", "PENDING", "WAITED"]

_MOST = 32

CONNECTIONS = Definition(
    name="db_client_connection_count",
    type=MetricType.GAUGE,
    description="Connections of the pools of all live workers, used and idle.",
    labels=("db_client_connection_pool_name", "db_client_connection_state"),
    max_series=2 * _MOST,
)

PENDING = Definition(
    name="db_client_connection_pending_requests",
    type=MetricType.GAUGE,
    description="Callers that wait for a connection now, in all live workers.",
    labels=("db_client_connection_pool_name",),
    max_series=_MOST,
)

WAITED = Definition(
    name="db_client_connection_wait_time_seconds",
    type=MetricType.HISTOGRAM,
    description="Time to get a connection from its pool, the making of a new one included.",
    labels=("db_client_connection_pool_name",),
    unit="seconds",
    boundaries=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
    detailed=True,
    max_series=_MOST,
)

HELD = Definition(
    name="db_client_connection_use_time_seconds",
    type=MetricType.HISTOGRAM,
    description="Time between taking a connection from its pool and giving it back.",
    labels=("db_client_connection_pool_name",),
    unit="seconds",
    boundaries=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
    detailed=True,
    max_series=_MOST,
)

OPENED = Definition(
    name="perfkit_database_connections_opened_total",
    type=MetricType.COUNTER,
    description="Connections that were made anew where no pool keeps them.",
    labels=("db_client_connection_pool_name", "db_system_name"),
    max_series=_MOST,
)
