"""Metrics as OTLP in JSON: what an OpenTelemetry collector takes at ``/v1/metrics``.

Source: opentelemetry-proto 1.x, metrics.proto, and "OTLP/JSON Protobuf Encoding" of the OTLP specification: 64-bit
integers are texts, enumerations numbers, cumulative temporality is 2. Read from the JSON of our own exposition: a
histogram's samples there are cumulative buckets, and its buckets here are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from perfkit import __version__
from perfkit.core.families import MetricType
from perfkit.metrics.exposition.structured import FamilyDocument, SampleDocument

__all__ = ["Resource", "request"]

CUMULATIVE = 2


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """Whose metrics these are; times are Unix seconds."""

    service: str
    environment: str
    release: str
    started_at: float
    at: float


def request(families: Sequence[FamilyDocument], resource: Resource) -> str:
    """Return an ExportMetricsServiceRequest of *families*, on one line."""
    attributes = {
        "service.name": resource.service,
        "service.version": resource.release,
        "deployment.environment.name": resource.environment,
    }
    metrics = [metric for family in families if (metric := _metric(family, resource)) is not None]
    document = {
        "resourceMetrics": [
            {
                "resource": {"attributes": _attributes({key: value for key, value in attributes.items() if value})},
                "scopeMetrics": [{"scope": {"name": "perfkit", "version": __version__}, "metrics": metrics}],
            }
        ]
    }
    return json.dumps(document, separators=(",", ":"))


def _metric(family: FamilyDocument, resource: Resource) -> dict[str, Any] | None:
    times = {"startTimeUnixNano": _nanoseconds(resource.started_at), "timeUnixNano": _nanoseconds(resource.at)}
    samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    if family.type is MetricType.HISTOGRAM:
        points = list(_histograms(family, samples, times))
        data: dict[str, Any] = {"histogram": {"dataPoints": points, "aggregationTemporality": CUMULATIVE}}
    elif family.type is MetricType.SUMMARY:
        points = list(_summaries(family, samples, times))
        data = {"summary": {"dataPoints": points}}
    elif family.type is MetricType.COUNTER:
        points = _numbers(samples, times)
        data = {"sum": {"dataPoints": points, "aggregationTemporality": CUMULATIVE, "isMonotonic": True}}
    else:
        points = _numbers(samples, {"timeUnixNano": times["timeUnixNano"]})
        data = {"gauge": {"dataPoints": points}}
    if not points:
        return None
    return {"name": family.name, "description": family.help, "unit": _UNITS.get(family.unit, family.unit), **data}


_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1"}
"""The units of UCUM for those of Prometheus."""


def _numbers(samples: Iterable[SampleDocument], times: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"attributes": _attributes(sample.labels), **times, "asDouble": _double(sample.value)} for sample in samples
    ]


def _histograms(
    family: FamilyDocument, samples: Iterable[SampleDocument], times: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for labels, series in _grouped(samples, "le"):
        buckets = sorted(
            (float(sample.labels["le"]), float(sample.value)) for sample in series if "le" in sample.labels
        )
        cumulative = [count for _, count in buckets]
        point = {
            "attributes": _attributes(labels),
            **times,
            "count": str(int(_value(series, f"{family.name}_count") or (cumulative[-1] if cumulative else 0))),
            "bucketCounts": [
                str(int(count - before)) for count, before in zip(cumulative, [0.0, *cumulative], strict=False)
            ],
            "explicitBounds": [bound for bound, _ in buckets if bound != float("inf")],
        }
        total = _value(series, f"{family.name}_sum")
        yield point if total is None else {**point, "sum": total}


def _summaries(
    family: FamilyDocument, samples: Iterable[SampleDocument], times: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for labels, series in _grouped(samples, "quantile"):
        yield {
            "attributes": _attributes(labels),
            **times,
            "count": str(int(_value(series, f"{family.name}_count") or 0)),
            "sum": _value(series, f"{family.name}_sum") or 0.0,
            "quantileValues": [
                {"quantile": float(sample.labels["quantile"]), "value": _double(sample.value)}
                for sample in series
                if "quantile" in sample.labels
            ],
        }


def _grouped(samples: Iterable[SampleDocument], without: str) -> Iterator[tuple[dict[str, str], list[SampleDocument]]]:
    """Yield the samples of each series, by their labels without that one."""
    groups: dict[tuple[tuple[str, str], ...], list[SampleDocument]] = {}
    for sample in samples:
        key = tuple(sorted((name, value) for name, value in sample.labels.items() if name != without))
        groups.setdefault(key, []).append(sample)
    for key, series in groups.items():
        yield dict(key), series


def _value(series: Iterable[SampleDocument], name: str) -> float | None:
    return next((float(sample.value) for sample in series if sample.name == name), None)


def _double(value: float | str) -> float | str:
    """Return *value* as protobuf's JSON has it: Infinity and NaN are texts there, too, but called otherwise."""
    return {"+Inf": "Infinity", "-Inf": "-Infinity"}.get(value, value) if isinstance(value, str) else value


def _attributes(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in labels.items()]


def _nanoseconds(seconds: float) -> str:
    return str(int(seconds * 1e9))
