"""What the health paths say: a word to everyone, details to those allowed, in two media types.

Source: draft-inadarei-api-health-check-06, "Health Check Response Format for HTTP APIs". Deviation: a check without a
measurement is listed under its bare name, without the colon.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from perfkit.core.message import Request, Response
from perfkit.core.status import Status
from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot
from perfkit.http.responses import reply

__all__ = ["HEALTH_JSON", "probe", "summary", "wants_health_json"]

HEALTH_JSON = "application/health+json"
_JSON = "application/json"
_MOST_ENTRIES = 64


def probe(status: Status) -> Response:
    """Return the answer of a probe: the word alone; 503 if it is critical."""
    return _document({"status": status.value}, _JSON, status)


def is_ready(health: HealthSnapshot) -> Response:
    """Answer the readiness probe; also 503 while the start is not over."""
    if health.is_ready:
        return probe(Status.HEALTHY)
    word = Status.CRITICAL if health.is_started else Status.UNKNOWN
    return _document({"status": word.value}, _JSON, Status.CRITICAL)


def is_started(health: HealthSnapshot) -> Response:
    """Answer the startup probe: 503 until the start is over."""
    word = Status.HEALTHY if health.is_started else Status.UNKNOWN
    return _document({"status": word.value}, _JSON, Status.HEALTHY if health.is_started else Status.CRITICAL)


def summary(
    request: Request, health: HealthSnapshot, *, is_detailed: bool, service: str, release: str | None
) -> Response:
    """Answer ``/health``; *is_detailed* for those allowed to see more than the word."""
    if wants_health_json(request.headers.get("accept", "")):
        fields: dict[str, Any] = {"status": health.status.health_json}
        if is_detailed:
            fields |= _health_json(health, service, release)
        return _document(fields, HEALTH_JSON, health.status)
    fields = {"status": health.status.value}
    if is_detailed:
        fields |= {"service": service, "release": release, **msgspec.to_builtins(health)}
    return _document(fields, _JSON, health.status)


def wants_health_json(accept: str) -> bool:
    """Return True if *accept* names ``application/health+json`` and likes plain JSON no better."""
    weights = dict(_weights(accept))
    wished = weights.get(HEALTH_JSON, 0.0)
    plain = weights.get(_JSON, weights.get("application/*", weights.get("*/*", 0.0)))
    return wished > 0.0 and wished >= plain


def _weights(accept: str) -> Iterator[tuple[str, float]]:
    for entry in accept.split(",", _MOST_ENTRIES)[:_MOST_ENTRIES]:
        media, *parameters = (part.strip().lower() for part in entry.split(";"))
        given = [part[2:] for part in parameters if part.startswith("q=")]
        try:
            weight = float(given[0]) if given else 1.0
        except ValueError:
            continue
        if 0.0 <= weight <= 1.0:
            yield media, weight


def _document(fields: dict[str, Any], content_type: str, status: Status) -> Response:
    return reply(
        msgspec.json.encode(fields),
        content_type=content_type,
        status=503 if status is Status.CRITICAL else 200,
        headers=(("vary", "Accept"),),
    )


def _health_json(health: HealthSnapshot, service: str, release: str | None) -> dict[str, Any]:
    uptime = {
        "componentType": "system",
        "observedValue": round(health.uptime, 3),
        "observedUnit": "seconds",
        "status": "pass",
    }
    fields: dict[str, Any] = {"serviceId": service}
    if release:
        fields["releaseId"] = release
    notes = ["draining"] if health.is_draining else []
    return {
        **fields,
        **({"notes": notes} if notes else {}),
        "checks": {"uptime": [uptime], **{check.name: [_check(check)] for check in health.checks}},
    }


def _check(check: CheckSnapshot) -> dict[str, Any]:
    fields: dict[str, Any] = {"componentId": check.name, "status": check.status.health_json}
    if check.value is not None:
        fields["observedValue"] = check.value
        if check.unit:
            fields["observedUnit"] = check.unit
    if check.checked_at is not None:
        fields["time"] = datetime.fromtimestamp(check.checked_at, UTC).isoformat().replace("+00:00", "Z")
    if check.message and check.status in (Status.WARNING, Status.CRITICAL):
        fields["output"] = check.message
    return fields
