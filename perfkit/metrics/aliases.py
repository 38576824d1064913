"""The requests under the names of other libraries, so that dashboards made for those go on working.

Names, labels and buckets are those of starlette_exporter 0.24, prometheus-fastapi-instrumentator 8.1,
prometheus_flask_exporter 0.23 and django-prometheus 2.5 with their default options. Deviations: what is a raw path or a
view's name there is the route here; of their buckets only those are shown that the store keeps exactly; sizes of bodies
and what only those libraries know are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from perfkit.core.families import Definition, Family, Histogram, MetricType, Point
from perfkit.core.names import CLIENT_DISCONNECTED, HTTP_BOUNDARIES, OTHER
from perfkit.store.boundaries import FINE

__all__ = ["SCHEMES", "Alias", "Request", "families", "in_flight"]

CLIENT_LEFT = "499"
"""What other libraries' boards find for a client that left before any status: nginx's code for it."""


class Request(NamedTuple):
    """One kind of request, as the store tells them apart, and the service's name."""

    method: str
    route: str
    status: str
    scheme: str
    error: str
    service: str

    @property
    def code(self) -> str:
        """The status; where none was sent the one that a server would have logged."""
        return self.status or (CLIENT_LEFT if self.error == CLIENT_DISCONNECTED else "500")

    @property
    def exception(self) -> str:
        """Class name of the exception that ended it; empty if there was none."""
        if self.error in ("", CLIENT_DISCONNECTED, OTHER) or self.error.isdecimal():
            return ""
        return self.error.rpartition(".")[2]


class Alias(NamedTuple):
    """One metric of another library.

    Attributes:
        definition: How it is shown.
        labels: Returns the label values for a kind of request, None if it is not counted.
    """

    definition: Definition
    labels: Callable[[Request], tuple[str, ...] | None]


def _counter(name: str, labels: str, of: Callable[[Request], tuple[str, ...] | None], about: str) -> Alias:
    return Alias(Definition(name=name, type=MetricType.COUNTER, labels=tuple(labels.split()), description=about), of)


def _histogram(
    name: str,
    labels: str,
    of: Callable[[Request], tuple[str, ...] | None],
    about: str,
    boundaries: Iterable[float] = HTTP_BOUNDARIES,
) -> Alias:
    kept = frozenset(FINE)
    definition = Definition(
        name=name,
        type=MetricType.HISTOGRAM,
        labels=tuple(labels.split()),
        description=about,
        boundaries=tuple(bound for bound in boundaries if bound in kept),
    )
    return Alias(definition, of)


def _of_starlette(request: Request) -> tuple[str, ...] | None:
    """Return the labels; that library does not count what no route takes."""
    return (request.method, request.route, request.code, request.service) if request.route else None


def _whole(_request: Request) -> tuple[str, ...]:
    """Return the labels of what has none."""
    return ()


def _handler(request: Request) -> str:
    return request.route or "none"


def _view(request: Request) -> str:
    return request.route or "<unnamed view>"


_STARLETTE = (
    _counter("starlette_requests_total", "method path status_code app_name", _of_starlette, "Total HTTP requests"),
    _histogram(
        "starlette_request_duration_seconds",
        "method path status_code app_name",
        _of_starlette,
        "HTTP request duration, in seconds",
    ),
)
_FASTAPI = (
    _counter(
        "http_requests_total",
        "handler method status",
        lambda request: (_handler(request), request.method, f"{request.code[0]}xx"),
        "Total number of requests by method, status and handler.",
    ),
    _histogram(
        "http_request_duration_highr_seconds",
        "",
        _whole,
        "Latency with many buckets but no API specific labels.",
        (0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60),
    ),
    _histogram(
        "http_request_duration_seconds",
        "handler method",
        lambda request: (_handler(request), request.method),
        "Latency with only few buckets by handler.",
        (0.1, 0.5, 1),
    ),
)
_FLASK = (
    _counter(
        "flask_http_request_total",
        "method status",
        lambda request: (request.method, request.code),
        "Total number of HTTP requests",
    ),
    _histogram(
        "flask_http_request_duration_seconds",
        "method path status",
        lambda request: (request.method, request.route, request.code),
        "Flask HTTP request duration in seconds",
    ),
    _counter(
        "flask_http_request_exceptions_total",
        "method status",
        lambda request: (request.method, request.code) if request.exception else None,
        "Total number of HTTP requests which resulted in an exception",
    ),
)
_DJANGO_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 25, 50, 75)
_DJANGO = (
    _counter("django_http_requests_before_middlewares_total", "", _whole, "Total count of requests."),
    _counter(
        "django_http_responses_before_middlewares_total",
        "",
        lambda request: () if request.status else None,
        "Total count of responses.",
    ),
    _histogram(
        "django_http_requests_latency_including_middlewares_seconds",
        "",
        _whole,
        "Histogram of requests processing time (including middleware processing time).",
        _DJANGO_BUCKETS,
    ),
    _histogram(
        "django_http_requests_latency_seconds_by_view_method",
        "view method",
        lambda request: (_view(request), request.method),
        "Histogram of request processing time labelled by view.",
        _DJANGO_BUCKETS,
    ),
    _counter(
        "django_http_requests_total_by_method_total",
        "method",
        lambda request: (request.method,),
        "Count of requests by method.",
    ),
    _counter(
        "django_http_requests_total_by_transport_total",
        "transport",
        lambda request: (request.scheme,),
        "Count of requests by transport.",
    ),
    _counter(
        "django_http_requests_total_by_view_transport_method_total",
        "view transport method",
        lambda request: (_view(request), request.scheme, request.method),
        "Count of requests by view, transport, method.",
    ),
    _counter(
        "django_http_responses_total_by_status_total",
        "status",
        lambda request: (request.code,),
        "Count of responses by status.",
    ),
    _counter(
        "django_http_responses_total_by_status_view_method_total",
        "status view method",
        lambda request: (request.code, _view(request), request.method),
        "Count of responses by status, view, method.",
    ),
    _counter(
        "django_http_exceptions_total_by_type_total",
        "type",
        lambda request: (request.exception,) if request.exception else None,
        "Count of exceptions by object type.",
    ),
    _counter(
        "django_http_exceptions_total_by_view_total",
        "view",
        lambda request: (_view(request),) if request.exception else None,
        "Count of exceptions by view.",
    ),
)

SCHEMES: dict[str, tuple[Alias, ...]] = {
    "perfkit": (),
    "starlette-exporter": _STARLETTE,
    "prometheus-fastapi-instrumentator": _FASTAPI,
    "prometheus-flask-exporter": _FLASK,
    "django-prometheus": _DJANGO,
}
"""The setting ``metrics.names`` to the metrics that it adds."""

_IN_PROGRESS = Alias(
    Definition(
        name="starlette_requests_in_progress",
        type=MetricType.GAUGE,
        labels=("app_name",),
        description="Total HTTP requests currently in progress",
    ),
    lambda request: (request.service,),
)


def families(scheme: str, points: Sequence[Point], service: str) -> Iterable[Family]:
    """Yield the requests under the names of *scheme*.

    Args:
        points: The request durations, with all buckets.
        service: Name of the service.
    """
    for definition, labels_of in SCHEMES[scheme]:
        groups: dict[tuple[str, ...], list[Histogram]] = {}
        for point in points:
            method, route, status, transport, error = point.labels
            labels = labels_of(Request(method, route, status, transport, error, service))
            if labels is not None and isinstance(point.value, Histogram):
                groups.setdefault(labels, []).append(point.value)
        if groups:
            yield Family(definition, [Point(labels, _joined(definition, group)) for labels, group in groups.items()])


def in_flight(scheme: str, count: int, service: str) -> Iterable[Family]:
    """Yield the requests in flight under the name of *scheme*, where it has one."""
    if scheme == "starlette-exporter":
        yield Family(_IN_PROGRESS.definition, [Point((service,), float(count))])


def _joined(definition: Definition, group: list[Histogram]) -> float | Histogram:
    counts = [sum(column) for column in zip(*(each.counts for each in group), strict=True)]
    if definition.type is MetricType.COUNTER:
        return float(sum(counts))
    upto = list(accumulate(counts))
    kept = list(group[0].boundaries)
    tops = [*(upto[kept.index(bound)] for bound in definition.boundaries), upto[-1]]
    coarse = [tops[0], *(high - low for low, high in pairwise(tops))]
    return Histogram(definition.boundaries, coarse, sum(each.sum for each in group))
