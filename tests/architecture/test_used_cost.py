"""A system of defaults that serves requests loads only what it uses."""

from __future__ import annotations

import subprocess
import sys

import pytest

UNUSED = (
    "perfkit.cache.manager",
    "perfkit.cache.namespace",
    "perfkit.cache.policies",
    "perfkit.cache.remote",
    "perfkit.load_balancer.balancer",
    "perfkit.load_balancer.strategies",
    "perfkit.load_balancer.resilience",
    "perfkit.database.optimizer",
    "perfkit.database.capture",
    "perfkit.database.patterns",
    "perfkit.database.query",
    "perfkit.metrics.collector",
    "perfkit.metrics.bridge",
    "perfkit.metrics.exposition.exposition",
    "perfkit.alerts.delivery.factory",
    "perfkit.alerts.delivery.text",
    "perfkit.alerts.delivery.receivers.webhook",
    "perfkit.alerts.delivery.receivers.mail",
    "perfkit.advice",
    "perfkit.dashboard.pages.overview",
    "perfkit.dashboard.charts",
    "perfkit.performance.findings",
    "perfkit.performance.memory.slope",
    "perfkit.schema",
    "perfkit.cli",
    "perfkit.testing",
    "statistics",
    "pickle",
    "importlib.resources",
    "sqlalchemy",
    "prometheus_client",
)
"""Beginnings of names of modules that nobody has asked for."""

MOST_MODULES = 255
"""Of perfkit's own and of what only perfkit has loaded, asyncio and msgspec already there; a component that joins the
default path has to be worth its share."""

SERVE = """
import asyncio, sys
import msgspec
from perfkit_asgi import PerfkitMiddleware
import perfkit.core
before = set(sys.modules) - {name for name in sys.modules if name.partition(".")[0] in ("perfkit", "perfkit_asgi")}

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})

async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}

async def ask(path):
    sent = []
    async def send(message):
        sent.append(message)
    await layer({
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "scheme": "http", "http_version": "1.1", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "root_path": "", "asgi": {"version": "3.0"},
    }, receive, send)
    return sent

layer = PerfkitMiddleware(app, environment="testing", access={"access": lambda request: True})
async def main():
    for path in sys.argv[1:]:
        sent = await ask(path)
        assert sent[0]["status"] == 200, (path, sent)
    layer.system.scheduler.run_due()
asyncio.run(main())
print(*sorted(set(sys.modules) - before))
layer.system.stop()
"""


def loaded(*paths: str) -> list[str]:
    """Return the modules that a system has loaded which answered these *paths*."""
    command = [sys.executable, "-W", "error", "-c", SERVE, *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def unused(modules: list[str]) -> list[str]:
    return [name for name in modules if any(name == each or name.startswith(f"{each}.") for each in UNUSED)]


def test_a_system_that_serves_requests_and_probes_loads_no_part_that_nobody_asked_for() -> None:
    modules = loaded("/items/1", "/health/live", "/health/ready", "/items/2")
    assert unused(modules) == []
    assert {"perfkit.performance.monitor", "perfkit.health.checker", "perfkit.alerts.manager"} <= set(modules)
    assert len(modules) <= MOST_MODULES


@pytest.mark.parametrize(
    ("path", "part"), [("/metrics", "perfkit.metrics.collector"), ("/perfkit/", "perfkit.dashboard.pages.overview")]
)
def test_what_is_asked_for_is_loaded_then(path: str, part: str) -> None:
    assert part in loaded(path)
