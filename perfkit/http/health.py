"""What the health paths say: a word to everyone, details to those allowed, in two media types.

Source: draft-inadarei-api-health-check-06, "Health Check Response Format for HTTP APIs". Deviation: a check without a
measurement is listed under its bare name, without the colon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from perfkit.core.message import Request, Response, json_bytes
from perfkit.core.status import Status
from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot
from perfkit.http.negotiate import fields
from perfkit.http.responses import reply, text

__all__ = [
    "HEALTH_JSON",
    "MOST_TAGS",
    "draining",
    "no_such_tag",
    "probe",
    "summary",
    "wanted_tags",
    "wants_health_json",
]

HEALTH_JSON = "application/health+json"
_JSON = "application/json"
_LONGEST_ACCEPT = 4096
_MOST_ENTRIES = 64
MOST_TAGS = 16
"""Tags of a query that are looked at."""


def probe(status: Status, *, accept: str = "", code: int | None = None) -> Response:
    """Return the answer of a probe: the word alone.

    Args:
        status: The word.
        accept: The header of that name; decides between the two media types.
        code: Of HTTP; by default 503 if it is critical, else 200.
    """
    code = code or _code(status)
    return _PROBES[status, code, wants_health_json(accept)]


def is_ready(health: HealthSnapshot, accept: str = "") -> Response:
    """Answer the readiness probe; also 503 while the start is not over."""
    if health.is_ready:
        return probe(Status.HEALTHY, accept=accept)
    return probe(Status.CRITICAL if health.is_started else Status.UNKNOWN, accept=accept, code=503)


def is_started(health: HealthSnapshot, accept: str = "") -> Response:
    """Answer the startup probe: 503 until the start is over."""
    return probe(Status.HEALTHY if health.is_started else Status.UNKNOWN, accept=accept, code=_up(health.is_started))


def draining(*, is_draining: bool) -> Response:
    """Answer that all workers were told to drain, or to take traffic again."""
    return _document(json_bytes({"status": "draining" if is_draining else "serving"}), _JSON, 202)


def wanted_tags(query: str) -> frozenset[str]:
    """Return the tags that *query* names, the first 16 of them; none means all checks."""
    if "tag" not in query:
        return frozenset()
    return frozenset([value for name, value in fields(query) if name == "tag"][:MOST_TAGS])


def no_such_tag(tags: Iterable[str], known: Iterable[str]) -> Response:
    """Answer that no check has one of *tags*; *known* are those there are."""
    wanted = " or ".join(map(repr, sorted(tags)))[:200]
    there_are = ", ".join(sorted(known)) or "none"
    return text(f"No health check has the tag {wanted}. The tags are: {there_are}. Use one of these.", status=404)


def summary(
    request: Request, health: HealthSnapshot, *, is_detailed: bool, service: str, release: str | None
) -> Response:
    """Answer ``/health``; *is_detailed* for those allowed to see more than the word."""
    accept = request.headers.get("accept", "")
    if not is_detailed:
        return probe(health.status, accept=accept)
    if wants_health_json(accept):
        body = json_bytes({"status": health.status.health_json, **_health_json(health, service, release)})
        return _document(body, HEALTH_JSON, _code(health.status))
    # The struct is encoded as it is, as building dictionaries of it takes several times as long.
    about = json_bytes({"service": service, "release": release})
    return _document(about[:-1] + b"," + json_bytes(health)[1:], _JSON, _code(health.status))


def wants_health_json(accept: str) -> bool:
    """Return True if *accept* names ``application/health+json`` and likes plain JSON no better."""
    if "health+json" not in accept and "HEALTH+JSON" not in accept.upper():
        return False
    weights = dict(_weights(accept[:_LONGEST_ACCEPT]))
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


def _code(status: Status) -> int:
    return _up(status is not Status.CRITICAL)


def _up(is_up: bool) -> int:
    return 200 if is_up else 503


def _document(body: bytes, content_type: str, code: int) -> Response:
    return reply(body, content_type=content_type, status=code, headers=(("vary", "Accept"),))


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
    notes = [word for word, is_so in (("draining", health.is_draining), ("starting", not health.is_started)) if is_so]
    if notes:
        fields["notes"] = notes
    failing = [check.name for check in health.checks if check.counted_status in (Status.WARNING, Status.CRITICAL)]
    if failing:
        fields["output"] = f"not well: {', '.join(failing)}"
    checks: dict[str, Any] = {"uptime": [uptime]}
    for check in health.checks:
        checks[check.name] = [_check(check)]
        if check.duration is not None:
            checks[f"{check.name}:responseTime"] = [_response_time(check, check.duration)]
    return {**fields, "checks": checks}


def _check(check: CheckSnapshot) -> dict[str, Any]:
    status = check.counted_status
    fields: dict[str, Any] = {"componentId": check.name, "status": status.health_json}
    if check.value is not None:
        fields["observedValue"] = check.value
        if check.unit:
            fields["observedUnit"] = check.unit
    if check.checked_at is not None:
        fields["time"] = _time(check.checked_at)
    said = [each for each in (check.message, check.details) if each]
    if said and status in (Status.WARNING, Status.CRITICAL):
        fields["output"] = ": ".join(said)
    return fields


def _response_time(check: CheckSnapshot, seconds: float) -> dict[str, Any]:
    return {"componentId": check.name, "observedValue": seconds, "observedUnit": "seconds", "status": "pass"}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


# All that a probe may say, made once: it is asked every few seconds for ever.
_PROBES = {
    (status, code, is_standard): _document(
        json_bytes(
            {"status": status.health_json if is_standard and code == 200 else "fail" if is_standard else status}
        ),
        HEALTH_JSON if is_standard else _JSON,
        code,
    )
    for status in Status
    for code in (200, 503)
    for is_standard in (False, True)
}
