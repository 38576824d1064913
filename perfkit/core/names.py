"""The names of the numbers that more than one part reads or writes."""

from __future__ import annotations

from perfkit.core.families import Definition, GaugeMode, MetricType

__all__ = [
    "ABANDONED",
    "ACTIVE_REQUESTS",
    "BUILD_INFO",
    "CLIENT_DISCONNECTED",
    "ERRORS",
    "HTTP_BOUNDARIES",
    "KNOWN_METHODS",
    "OTHER",
    "OTHER_METHOD",
    "PROCESS_CPU",
    "PROCESS_MEMORY",
    "PROCESS_OPEN_FILES",
    "PROCESS_START",
    "PROCESS_THREADS",
    "REQUEST_DURATION",
    "REQUEST_QUEUE",
    "ROUTE_STATEMENTS",
    "WEBSOCKETS",
    "WEBSOCKET_DURATION",
    "WORKER_CPU",
    "route_name",
]

OTHER = "_other"
"""The label value of the series that takes what did not fit."""

OTHER_METHOD = "_OTHER"
"""OpenTelemetry's word for a request method outside `KNOWN_METHODS`."""

CLIENT_DISCONNECTED = "client_disconnected"
"""The `error_type` of an exchange whose client left before the answer was whole. Not an error of the service."""

KNOWN_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
"""OpenTelemetry semantic conventions, http.request.method: case-sensitive."""

HTTP_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Advisory bucket boundaries of http.server.request.duration, seconds (OpenTelemetry semantic conventions)."""

REQUEST_DURATION = Definition(
    name="http_server_request_duration_seconds",
    type=MetricType.HISTOGRAM,
    description="Duration of HTTP server requests, until the last body chunk was handed to the server.",
    labels=("http_request_method", "http_route", "http_response_status_code", "url_scheme", "error_type"),
    unit="seconds",
    boundaries=HTTP_BOUNDARIES,
    detailed=True,
)

REQUEST_QUEUE = Definition(
    name="perfkit_request_queue_seconds",
    type=MetricType.HISTOGRAM,
    description="Time between the proxy and the app, of a sample of the requests for which the proxy tells its own.",
    unit="seconds",
    boundaries=(0.001, *HTTP_BOUNDARIES, 30.0, 60.0),
)

WEBSOCKET_DURATION = Definition(
    name="perfkit_websocket_duration_seconds",
    type=MetricType.HISTOGRAM,
    description="Time that WebSocket connections stayed open, by route.",
    labels=("http_route",),
    unit="seconds",
    boundaries=(0.1, 1.0, 10.0, 60.0, 600.0, 3600.0),
)

WEBSOCKETS = Definition(
    name="perfkit_websocket_connections",
    type=MetricType.GAUGE,
    description="WebSocket connections open now.",
)

ACTIVE_REQUESTS = Definition(
    name="http_server_active_requests",
    type=MetricType.GAUGE,
    description="HTTP server requests in flight.",
)

ERRORS = Definition(
    name="perfkit_errors_total",
    type=MetricType.COUNTER,
    description="Errors inside perfkit that were kept from the application.",
    labels=("component", "kind"),
)

ABANDONED = Definition(
    name="perfkit_requests_lost_total",
    type=MetricType.COUNTER,
    description="Requests that were in flight in a worker when it was killed.",
)

BUILD_INFO = Definition(
    name="perfkit_build_info",
    type=MetricType.GAUGE,
    description="1, labelled with the version of perfkit.",
    labels=("version",),
    mode=GaugeMode.MAX,
)

PROCESS_CPU = Definition(
    name="process_cpu_seconds_total",
    type=MetricType.COUNTER,
    description="User and system CPU time of all workers, in seconds.",
    unit="seconds",
)

PROCESS_MEMORY = Definition(
    name="process_resident_memory_bytes",
    type=MetricType.GAUGE,
    description="Resident memory of all live workers, in bytes.",
    unit="bytes",
)

PROCESS_OPEN_FILES = Definition(
    name="process_open_fds",
    type=MetricType.GAUGE,
    description="Open file descriptors of all live workers.",
)

PROCESS_THREADS = Definition(
    name="process_threads",
    type=MetricType.GAUGE,
    description="Threads of all live workers.",
)

PROCESS_START = Definition(
    name="process_start_time_seconds",
    type=MetricType.GAUGE,
    description="Unix time at which the oldest live worker started.",
    unit="seconds",
    mode=GaugeMode.MIN,
)

WORKER_CPU = Definition(
    name="perfkit_process_cpu_cores",
    type=MetricType.GAUGE,
    description="Cores that the live workers used over the last second.",
)

ROUTE_STATEMENTS = Definition(
    name="perfkit_database_route_statements_total",
    type=MetricType.COUNTER,
    description="Statements sent to databases, by the route of the request; of requests that were looked at.",
    labels=("route",),
    max_series=500,
)


def route_name(method: str, route: str) -> str:
    """Say which route: method and template; paths that matched none and what overflowed have own names."""
    named = {"": "(no route)", OTHER: "(other routes)"}.get(route, route)
    return f"{'(any method)' if method == OTHER_METHOD else method} {named}"
