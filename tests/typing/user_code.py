"""Code as users write it, checked strictly by test_user_types.py and never run."""

from __future__ import annotations

from typing import Any, assert_type

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware

from perfkit import (
    Finding,
    PerfkitError,
    PerformanceConfig,
    PerformanceDashboard,
    PerformanceSystem,
    Status,
    __version__,
    get_performance_config,
    validate_performance_config,
)
from perfkit.advice import Verdict
from perfkit.config import Issue, Validation
from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.component import Component
from perfkit.health import CheckOptions, CheckSnapshot, HealthChecker, HealthSnapshot
from perfkit.metrics import Counter, Gauge, Histogram, MetricsCollector, Summary, Timer
from perfkit.performance import (
    Latency,
    PerformanceMonitor,
    PerformanceSnapshot,
    RouteSnapshot,
    WorkerSnapshot,
)
from perfkit.testing import FakeClock
from perfkit_asgi import PerfkitMiddleware


def configure() -> PerformanceConfig:
    config = get_performance_config("production", {"performance": {"window": 60}})
    assert_type(config, PerformanceConfig)
    assert_type(config.performance.thresholds.response_time, float)
    assert_type(config.release, str | None)
    assert_type(config.store.directory, str)
    return config


def validate(given: dict[str, Any]) -> list[str]:
    validation = validate_performance_config(given)
    assert_type(validation, Validation)
    assert_type(validation.is_valid, bool)
    assert_type(validation.errors, tuple[Issue, ...])
    return [f"{error.path}: {error.message}" for error in (*validation.errors, *validation.warnings)]


def live() -> None:
    system = PerformanceSystem(configure(), clock=FakeClock())
    assert_type(system.initialize("sqlite://"), PerformanceSystem)
    assert_type(system.start(), PerformanceSystem)
    assert_type(system.is_running, bool)
    assert_type(system.get_component("health"), Component)
    assert_type(system.performance, PerformanceMonitor)
    assert_type(system.health, HealthChecker)
    assert_type(system.metrics, MetricsCollector)
    assert_type(system.export_metrics("json"), str)
    assert_type(system.off("started", print), bool)
    system.stop()
    with PerformanceSystem({"service": "shop"}, environment="testing") as running:
        assert_type(running, PerformanceSystem)


async def live_async() -> None:
    async with PerformanceSystem() as system:
        assert_type(system, PerformanceSystem)
        assert_type(await system.astart(), PerformanceSystem)


def read(system: PerformanceSystem) -> None:
    dashboard = system.get_performance_dashboard()
    assert_type(dashboard, PerformanceDashboard)
    assert_type(dashboard.status, Status)
    assert_type(dashboard.uptime, float)
    assert_type(dashboard.summary.overall_score, int | None)
    assert_type(dashboard.summary.verdict, Verdict)
    assert_type(dashboard.to_dict(), dict[str, Any])

    performance = system.performance.get_performance_summary(window=60)
    assert_type(performance, PerformanceSnapshot)
    assert_type(performance.latency, Latency)
    assert_type(performance.latency.p95, float | None)
    assert_type(performance.routes, tuple[RouteSnapshot, ...])
    assert_type(performance.workers, tuple[WorkerSnapshot, ...])

    health = system.health.get_health_summary()
    assert_type(health, HealthSnapshot)
    assert_type(health.checks, tuple[CheckSnapshot, ...])
    assert_type(health.is_ready, bool)


def register_checks(system: PerformanceSystem) -> None:
    def stock() -> bool:
        return True

    decorated = system.health.check("stock", critical=True, timeout=1.0, tags=["storage"], ttl=None)(stock)
    assert_type(decorated(), bool)
    options: CheckOptions = {"interval": 15.0, "depends_on": ("stock",)}
    system.health.register("payments", **options)(stock)
    system.health.check("a", intervall=15.0)  # type: ignore[call-arg]  # a misspelt option
    system.health.check("b", timeout="1 s")  # type: ignore[arg-type]  # seconds are a number


def check() -> HealthCheck:
    def run() -> CheckResult:
        return CheckResult(Status.HEALTHY, "well", 1.0, "ratio")

    return HealthCheck(name="mine", run=run, critical=False)


def explain(finding: Finding) -> str:
    assert_type(finding.message, str)
    return f"{__version__} {finding.code}"


def catch() -> None:
    try:
        PerformanceSystem({"service": ""})
    except PerfkitError as error:
        print(error)  # noqa: T201 - user code
    try:
        PerformanceSystem({"service": ""})
    except ValueError as error:
        print(error)  # noqa: T201 - user code


def add_to_apps(system: PerformanceSystem) -> None:
    starlette = Starlette(middleware=[Middleware(PerfkitMiddleware, service="shop")])
    starlette.add_middleware(PerfkitMiddleware, system=system)
    fastapi = FastAPI()
    fastapi.add_middleware(PerfkitMiddleware, store={"retention": 86_400})
    wrapped = PerfkitMiddleware(starlette)
    assert_type(wrapped.system, PerformanceSystem)
    PerfkitMiddleware(wrapped, system=system)


def mistakes(system: PerformanceSystem) -> None:
    """Each line is an error that the checker must find: an ignore that is not needed is one too."""
    system.get_performance_dashboard().uptime.upper()  # type: ignore[attr-defined]  # it is a float
    system.config.performance.window = 5.0  # type: ignore[misc]  # settings are frozen
    system.performance.get_performance_summary(window="60")  # type: ignore[arg-type]  # seconds are a number
    HealthCheck(name="mine", run=lambda: "healthy")  # type: ignore[arg-type,return-value]  # not a CheckResult
    PerfkitMiddleware(system)  # type: ignore[arg-type]  # not an app


def count() -> None:
    metrics = MetricsCollector()
    orders = metrics.define_metric("orders", "counter", labels=("kind",))
    assert_type(orders, Counter)
    orders.labels("book").increment()
    assert_type(metrics.define_metric("queue", "gauge"), Gauge)
    assert_type(metrics.define_metric("size", "histogram", buckets=(1.0, 10.0)), Histogram)
    assert_type(metrics.define_metric("spread", "summary"), Summary)
    assert_type(metrics.define_metric("work", "timer"), Timer)
    assert_type(metrics.time_function("work", len, "four"), int)
