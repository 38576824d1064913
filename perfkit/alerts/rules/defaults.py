"""The rules that a service gets without asking: where `performance.thresholds` end, said loudly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from perfkit.alerts.alert import Severity
from perfkit.alerts.rules.rule import Rule
from perfkit.alerts.rules.slo import ERRORS
from perfkit.core.limits import Limits
from perfkit.core.names import ABANDONED, PROCESS_CPU, PROCESS_MEMORY, REQUEST_DURATION, REQUEST_QUEUE

__all__ = ["MINIMUM_REQUESTS", "default_rules"]

MINIMUM_REQUESTS = 50.0
"""Requests in the window below which neither latency nor errors are judged."""

SEVERE = 10.0
"""So many times the error rate's threshold is worth waking somebody for."""

HYSTERESIS = 0.8
"""Part of the threshold at which a firing alert is well again."""

LAG = "perfkit_event_loop_lag_seconds"
STUCK = "perfkit_stuck_requests"
HEALTH = "perfkit_health_status"
CRITICAL_HEALTH = 2.0


def default_rules(thresholds: Mapping[str, float], targets: Mapping[str, float]) -> Iterator[Rule]:
    """Yield the rules for *thresholds* (fields of `performance.thresholds`) and *targets* (seconds per route)."""
    if (seconds := thresholds.get("response_time")) is not None:
        yield _slow("SlowResponses", seconds, {})
    for route, seconds in targets.items():
        method, _, template = route.partition(" ")
        yield _slow(f"SlowResponses {route}", seconds, {"http_request_method": method, "http_route": template})
    if (ratio := thresholds.get("error_rate")) is not None:
        yield from _errors(ratio)
    limits = Limits()
    if (ratio := thresholds.get("cpu")) is not None:
        yield _cpu(ratio, limits.cpu())
    memory = limits.memory()
    if (ratio := thresholds.get("memory")) is not None and memory is not None:
        yield _memory(ratio, memory.total)
    if (seconds := thresholds.get("event_loop_lag")) is not None:
        yield _waiting("EventLoopLag", LAG, seconds, "the event loop was late by")
    if (seconds := thresholds.get("queue_time")) is not None:
        yield _waiting("RequestsQueue", REQUEST_QUEUE.name, seconds, "requests waited for a worker for")
    yield Rule(
        name="HealthCheckFails",
        metric=HEALTH,
        by=("check",),
        above=CRITICAL_HEALTH - 0.5,
        source="health",
        summary="the health check {check} is critical",
    )
    yield Rule(
        name="StuckRequests",
        metric=STUCK,
        above=0.0,
        source="performance",
        summary="{value} requests hold a thread and do not come to an end",
        labels={"check": "threads"},
    )
    yield Rule(
        name="RequestsLost",
        metric=ABANDONED.name,
        measure="increase",
        above=0.0,
        hold=0.0,
        source="performance",
        summary="{value} requests were lost with a worker that was killed in the last {window}",
        labels={"check": "workers"},
    )


def _slow(name: str, seconds: float, where: dict[str, str]) -> Rule:
    what = f"{where['http_request_method']} {where['http_route']}" if where else "all requests"
    return Rule(
        name=name,
        metric=REQUEST_DURATION.name,
        measure="quantile",
        quantile=0.95,
        where=where,
        above=seconds,
        clear=seconds * HYSTERESIS,
        minimum_traffic=MINIMUM_REQUESTS,
        unit="seconds",
        source="performance",
        summary=f"95 % of {what} took up to {{value}} over {{window}}, more than {{threshold}}",
        labels={"check": "latency"},
    )


def _errors(ratio: float) -> Iterator[Rule]:
    steps = ((Severity.WARNING, ratio), (Severity.CRITICAL, min(ratio * SEVERE, 0.5)))
    for severity, threshold in steps if steps[1][1] > ratio else steps[:1]:
        yield Rule(
            name="ErrorRate" if severity is Severity.WARNING else "ErrorRateSevere",
            metric=REQUEST_DURATION.name,
            measure="ratio",
            where=dict(ERRORS),
            above=threshold,
            clear=threshold * HYSTERESIS,
            minimum_traffic=MINIMUM_REQUESTS,
            severity=severity,
            unit="ratio",
            source="performance",
            summary="{value} of the requests of {window} failed, more than {threshold}",
            labels={"check": "errors"},
        )


def _cpu(ratio: float, cores: float) -> Rule:
    return Rule(
        name="CpuUsage",
        metric=PROCESS_CPU.name,
        measure="rate",
        window=300.0,
        per=cores,
        above=ratio,
        clear=ratio * HYSTERESIS,
        unit="ratio",
        source="performance",
        summary="{value} of the CPU was used over {window}, more than {threshold}",
        labels={"check": "cpu"},
    )


def _memory(ratio: float, limit: float) -> Rule:
    return Rule(
        name="MemoryUsage",
        metric=PROCESS_MEMORY.name,
        per=limit,
        above=ratio,
        clear=ratio * 0.95,
        unit="ratio",
        source="performance",
        summary="{value} of the memory is used by the workers, more than {threshold}",
        labels={"check": "memory"},
    )


def _waiting(name: str, metric: str, seconds: float, what: str) -> Rule:
    return Rule(
        name=name,
        metric=metric,
        measure="quantile",
        quantile=0.95,
        above=seconds,
        clear=seconds * HYSTERESIS,
        unit="seconds",
        source="performance",
        summary=f"{what} up to {{value}} (95 %) over {{window}}, more than {{threshold}}",
        labels={"check": name},
    )
