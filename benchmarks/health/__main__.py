"""What a probe costs inside perfkit, with twenty checks of which one hangs, alone and for four workers.

Each probe is one call of a FastAPI app with perfkit around it, in an event loop: no server, no socket. So all of its
time is perfkit's. Beside it stands an endpoint of the same app that asks its nineteen checks anew for each probe, as
people write it by hand; it cannot have the one that hangs. The budget is compared with the median and with the CPU of
the worst round: p99 on the wall tells as much of the machine's other processes, as the hand-written row shows.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from fastapi import FastAPI, Response

from benchmarks.harness.table import options, print_json, print_rows
from perfkit import PerformanceSystem
from perfkit.core.checks import CheckResult
from perfkit.core.context import Context
from perfkit.core.status import Status
from perfkit.health import HealthChecker
from perfkit.store import Store, StoreSettings
from perfkit_asgi import PerfkitMiddleware

BUDGET = 0.001
"""Seconds that one probe may take."""

CHECKS, WORKERS = 20, 4
TOKEN = "a-token-for-the-benchmark"
HAND_WRITTEN = "hand-written: 19 checks asked each time"
PROBES = {
    "/health/live": ("/health/live", False),
    "/health/ready": ("/health/ready", False),
    "/health, the word": ("/health", False),
    "/health, all details": ("/health", True),
    HAND_WRITTEN: ("/own-health", False),
}


def main() -> None:
    arguments = options(__doc__ or "", rounds=30).parse_args()
    rounds, calls = (2, 20) if arguments.quick else (arguments.rounds, 200)
    found = {word: measure(rounds, calls, workers=count) for word, count in (("1 worker", 1), ("4 workers", WORKERS))}
    if arguments.json:
        print_json(found)
        return
    for word, rows in found.items():
        shown = [["probe", "wall µs p50", "p99", "CPU µs", "worst round", "bytes", ""]]
        for name, row in rows.items():
            is_kept = max(row["p50"], row["cpu_most"]) <= BUDGET
            verdict = "" if name == HAND_WRITTEN else "pass" if is_kept else "short"
            figures = [f"{row[each] * 1e6:.1f}" for each in ("p50", "p99", "cpu", "cpu_most")]
            shown.append([name, *figures, f"{row['bytes']:.0f}", verdict])
        print_rows(f"probes with {CHECKS} checks, one hung, {word}, budget 1 ms", shown, left={0, 6})


def measure(rounds: int, calls: int, *, workers: int) -> dict[str, dict[str, float]]:
    """Return by probe: seconds on the wall (median, p99), of CPU (median, worst round), and bytes of one answer."""
    with asyncio.Runner() as runner, service(workers, runner) as probe:
        wall: dict[str, list[float]] = {name: [] for name in PROBES}
        cpu: dict[str, list[float]] = {name: [] for name in PROBES}
        size = {name: len(runner.run(probe(*PROBES[name]))) for name in PROBES}
        for _ in range(rounds):
            for name, (path, is_allowed) in PROBES.items():
                seconds, used = runner.run(_series(probe, path, calls, is_allowed=is_allowed))
                wall[name] += seconds
                cpu[name].append(used)
    return {
        name: {
            "p50": statistics.median(wall[name]),
            "p99": sorted(wall[name])[int(len(wall[name]) * 0.99)],
            "cpu": statistics.median(cpu[name]),
            "cpu_most": max(cpu[name]),
            "bytes": float(size[name]),
        }
        for name in PROBES
    }


async def _series(
    probe: Callable[[str, bool], Any], path: str, calls: int, *, is_allowed: bool
) -> tuple[list[float], float]:
    taken = []
    began_cpu = time.process_time()
    for _ in range(calls):
        began = time.perf_counter()
        await probe(path, is_allowed)
        taken.append(time.perf_counter() - began)
    return taken, (time.process_time() - began_cpu) / calls


@contextmanager
def service(workers: int, runner: asyncio.Runner) -> Iterator[Callable[[str, bool], Any]]:
    """Yield what probes an app whose checks have all been run; *workers* share its store."""
    released = threading.Event()
    with ExitStack() as ending:
        os.environ["PERFKIT_TOKEN"] = TOKEN
        settings: dict[str, Any] = {"service": "bench"}
        folder = ending.enter_context(tempfile.TemporaryDirectory()) if workers > 1 else ""
        if folder:
            settings["store"] = {"directory": folder}
        system = PerformanceSystem(settings, environment="production")
        checks = _register(system.health, released)
        app = PerfkitMiddleware(_own(checks), system=system)
        ending.callback(released.set)
        ending.enter_context(system)
        others = [ending.enter_context(_other(folder)) for _ in range(workers - 1)]
        _await_results(system.health, workers, others)
        yield lambda path, is_allowed: _probe(app, path, is_allowed=is_allowed)


def _register(health: HealthChecker, released: threading.Event) -> list[Callable[[], CheckResult]]:
    def check() -> CheckResult:
        return CheckResult(Status.HEALTHY, "answers", 0.012, "seconds")

    for number in range(CHECKS - 1):
        health.register_health_check(f"check-{number}", check, interval=60.0, tags=("bench",), critical=True)
    health.register_health_check("hangs", lambda: released.wait() and None, timeout=0.1, interval=60.0)
    return [check] * (CHECKS - 1)


@contextmanager
def _other(folder: str) -> Iterator[tuple[Store, HealthChecker]]:
    """Run one more worker of the same service; its checks are those of its process."""
    store = Store(StoreSettings(directory=folder))
    store.open()
    health = HealthChecker(context=Context(store=store))
    health.start()
    yield store, health
    health.stop()
    store.close()


def _await_results(health: HealthChecker, workers: int, others: list[tuple[Store, HealthChecker]]) -> None:
    give_up_at = time.monotonic() + 30.0
    while True:
        summary = health.get_health_summary()
        registered = {check.name: check for check in summary.checks if check.tags or check.name == "hangs"}
        seen = workers == 1 or len(summary.workers) == workers
        if seen and len(registered) == CHECKS and all(check.checked_at for check in registered.values()):
            assert registered["hangs"].message.startswith("timeout after")
            return
        assert time.monotonic() < give_up_at, summary
        time.sleep(0.1)
        for store, each in others:
            store.tick(time.monotonic())
            each.tick(time.monotonic())


def _own(checks: list[Callable[[], CheckResult]]) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/own-health")
    async def own_health(response: Response) -> dict[str, Any]:
        found = [check() for check in checks]
        is_well = all(each.status is Status.HEALTHY for each in found)
        response.status_code = 200 if is_well else 503
        return {"status": "healthy" if is_well else "critical", "checks": [each.message for each in found]}

    return app


async def _probe(app: Any, path: str, *, is_allowed: bool) -> bytes:
    headers = [(b"host", b"shop.example"), (b"user-agent", b"kube-probe/1.31"), (b"accept", b"*/*")]
    if is_allowed:
        headers.append((b"authorization", f"Bearer {TOKEN}".encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.7", 40000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    return b"".join(message.get("body", b"") for message in sent[1:])


if __name__ == "__main__":
    main()
