"""The metrics of captured statements."""

from __future__ import annotations

from perfkit.core.families import Definition, MetricType

__all__ = ["ERRORS", "FOUND", "ROWS", "SAVED", "SLOW", "STATEMENTS", "UNWATCHED", "statements"]

OPERATION_BOUNDARIES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""Advisory boundaries of db.client.operation.duration, seconds (OpenTelemetry semantic conventions)."""

STATEMENTS = Definition(
    name="db_client_operation_duration_seconds",
    type=MetricType.HISTOGRAM,
    description="Duration of statements sent to databases, by shape.",
    labels=("db_system_name", "db_query_summary", "shape"),
    unit="seconds",
    boundaries=OPERATION_BOUNDARIES,
    detailed=True,
)

ERRORS = Definition(
    name="perfkit_database_errors_total",
    type=MetricType.COUNTER,
    description="Statements that failed, by shape and error.",
    labels=("db_system_name", "shape", "error_type"),
    max_series=500,
)

ROWS = Definition(
    name="perfkit_database_rows_total",
    type=MetricType.COUNTER,
    description="Rows returned or changed, where the driver tells.",
    labels=("db_system_name", "shape"),
)

SLOW = Definition(
    name="perfkit_database_slow_queries_total",
    type=MetricType.COUNTER,
    description="Statements that took database.slow_query_threshold or longer, by shape.",
    labels=("db_system_name", "shape"),
)

FOUND = Definition(
    name="perfkit_database_findings_total",
    type=MetricType.COUNTER,
    description="Requests in which a finding was met, by its code and a hash of its fingerprint.",
    labels=("code", "finding"),
    max_series=500,
)

SAVED = Definition(
    name="perfkit_database_finding_seconds_total",
    type=MetricType.COUNTER,
    description="Seconds that these requests would have taken less without the finding, as far as that is known.",
    labels=("code", "finding"),
    unit="seconds",
    max_series=500,
)

UNWATCHED = Definition(
    name="perfkit_database_unwatched_requests_total",
    type=MetricType.COUNTER,
    description="Requests whose statements were counted but not looked at together, as there were too many at once.",
)


def statements(most: int) -> Definition:
    """Return `STATEMENTS` with room for *most* shapes."""
    import msgspec

    return msgspec.structs.replace(STATEMENTS, max_series=most)
