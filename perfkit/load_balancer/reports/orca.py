"""ORCA load reports over HTTP: the header ``endpoint-load-metrics`` as text or JSON.

Source: gRPC proposal A51 and the Open Request Cost Aggregation proposal; Envoy's parser for the strictness (two
formats at once, doubled names, unknown names and figures that are not finite are errors). Both forms of the header
are read: the native one, and the one with the prefix ``TEXT`` or ``JSON``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from perfkit.load_balancer.reports.report import LoadReport, from_figures

__all__ = ["HEADER", "HEADER_JSON", "document", "format_json", "format_text", "parse", "parse_headers", "report_of"]

HEADER = "endpoint-load-metrics"
"""The header of the text form, and of both forms with a prefix."""

HEADER_JSON = "endpoint-load-metrics-json"
"""The header of the JSON form without a prefix."""

MOST_BYTES = 4096
"""Bytes of a header that are read; a longer one is no report."""

KNOWN = {
    "application_utilization": "utilization",
    "cpu_utilization": "cpu",
    "mem_utilization": "memory",
    "rps_fractional": "rps",
    "eps": "eps",
}
MAPS = ("named_metrics", "request_cost", "utilization")


def format_text(report: LoadReport) -> str:
    """Return *report* as the text form, with its prefix."""
    return "TEXT " + ", ".join(f"{name}={value:g}" for name, value in _figures(report))


def format_json(report: LoadReport) -> str:
    """Return *report* as the JSON form, with its prefix."""
    return "JSON " + document(report).decode()


def document(report: LoadReport) -> bytes:
    """Return *report* as a JSON document, as a probe's answer has it."""
    fields: dict[str, object] = {}
    for name, value in _figures(report):
        head, dot, tail = name.partition(".")
        if dot:
            inner = fields.setdefault(head, {})
            if isinstance(inner, dict):
                inner[tail] = value
        else:
            fields[head] = value
    return msgspec.json.encode(fields)


def _figures(report: LoadReport) -> list[tuple[str, float]]:
    fields = [(orca, getattr(report, ours)) for orca, ours in KNOWN.items()]
    fields += [("named_metrics.rif", report.in_flight), ("named_metrics.latency", report.latency)]
    return [(name, round(float(value), 6)) for name, value in fields if value is not None]


def parse_headers(headers: Mapping[str, str]) -> LoadReport | None:
    """Return the report in *headers* (lower-case names); None if there is none, or not exactly one."""
    found = [headers[name] for name in (HEADER, HEADER_JSON) if name in headers]
    if len(found) != 1:
        return None
    return parse(found[0])


def report_of(answer: Any) -> LoadReport | None:
    """Return the report among the ``headers`` of *answer* (of httpx, requests, aiohttp…); None if there is none."""
    headers = getattr(answer, "headers", None)
    get = getattr(headers, "get", None)
    if get is None:
        return None
    found = {name: text for name in (HEADER, HEADER_JSON) if isinstance(text := get(name), str)}
    return parse_headers(found) if found else None


def parse(text: str | bytes) -> LoadReport | None:
    """Return the report in the value of a header; None if it is not one."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    text = text.strip()
    if not text or len(text) > MOST_BYTES:
        return None
    kind, _, rest = text.partition(" ")
    if kind == "JSON" or text.startswith("{"):
        return _parse_json(rest if kind == "JSON" else text)
    return _parse_text(rest if kind == "TEXT" else text)


def _parse_json(text: str) -> LoadReport | None:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    figures: dict[str, object] = {}
    for name, value in document.items():
        if name in MAPS and isinstance(value, dict):
            figures.update({f"{name}.{key}": each for key, each in value.items()})
        else:
            figures[name] = value
    return _report(figures)


def _parse_text(text: str) -> LoadReport | None:
    figures: dict[str, object] = {}
    for part in text.split(","):
        name, separator, value = part.replace("=", ":", 1).partition(":")
        name = name.strip()
        if not separator or not name or name in figures:
            return None
        try:
            figures[name] = float(value)
        except ValueError:
            return None
    return _report(figures)


def _report(figures: Mapping[str, object]) -> LoadReport | None:
    for name in figures:
        head, dot, _ = name.partition(".")
        if not (name in KNOWN or (dot and head in MAPS)):
            return None
    return from_figures(figures)
