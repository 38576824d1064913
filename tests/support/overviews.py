"""Overviews as a service would tell them, for tests of whoever reads them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import msgspec

from perfkit.advice import Loss, Part, Score, Verdict
from perfkit.cli.reading.overview import Overview
from perfkit.core.findings import Finding, Priority
from perfkit.core.status import Status
from perfkit.http.dashboard.absent import NO_HEALTH, NO_PERFORMANCE
from perfkit.performance.snapshot import Latency, RouteSnapshot

__all__ = ["Canned", "canned", "encoded", "finding", "made", "route"]


def finding(code: str = "PK101", site: str | None = "shop/views.py:48", **more: Any) -> Finding:
    """Return a finding; its fingerprint is its code and its site."""
    values = {
        "kind": "n_plus_one",
        "component": "database",
        "priority": Priority.HIGH,
        "message": "214 queries in one request load SELECT review one by one.",
        "action": "Load all of them with one query.",
        "fingerprint": f"{code}-{site}",
        "evidence": {"count": 214, "seconds": 0.4567891},
        "fix": {"sql": "SELECT *\nFROM review"},
        "estimate": {"request_time_share": 0.42},
    }
    return Finding(code=code, site=site, **{**values, **more})


def route(path: str, *, requests: int = 100, p95: float | None = 0.1, errors: int = 0) -> RouteSnapshot:
    """Return the numbers of one route."""
    return RouteSnapshot(
        method="GET",
        route=path,
        requests=requests,
        rate=requests / 300.0,
        errors=errors,
        error_rate=errors / requests if requests else 0.0,
        seconds=1.0,
        share=0.5,
        latency=Latency(p50=p95, p95=p95, p99=p95),
    )


def made(
    *,
    p95: float | None = 0.1,
    requests: int = 1000,
    errors: int = 0,
    score: int | None = 90,
    findings: tuple[Finding, ...] = (),
    routes: tuple[RouteSnapshot, ...] = (),
    status: Status = Status.HEALTHY,
    **more: Any,
) -> Overview:
    """Return an overview with these numbers."""
    performance = msgspec.structs.replace(
        NO_PERFORMANCE,
        at=1_800_000_000.0,
        window=300.0,
        total_requests=requests,
        requests=requests,
        errors=errors,
        error_rate=errors / requests if requests else 0.0,
        latency=Latency(p50=p95, p95=p95, p99=p95),
        routes=routes,
        uptime=400.0,
    )
    losses = tuple(Loss(points=4, reason="slow", code=each.code, fingerprint=each.fingerprint) for each in findings[:1])
    told = None
    if score is not None:
        parts = (Part(name="speed", points=score, maximum=100, losses=losses),)
        told = Score(value=score, status=Status.HEALTHY, parts=parts)
    values = {"version": 1, "at": 1_800_000_000.0, "service": "shop", "environment": "testing", "perfkit": "0.1"}
    verdict = Verdict(status=status, headline="p95 is 100 ms, within its target of 300 ms")
    return Overview(
        **{**values, "verdict": verdict, "score": told, "recommendations": findings, **more},  # type: ignore[arg-type]
        performance=performance,
        health=NO_HEALTH,
    )


def encoded(overview: Overview) -> bytes:
    """Return *overview* as a service would send it."""
    return msgspec.json.encode(overview)


class Canned:
    """A server with canned answers: path → (code, body); it notes what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: Mapping[str, str] = {}
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tells(self, overview: Overview | dict[str, Any]) -> None:
        """Answer the overview with *overview*."""
        body = json.dumps(overview).encode() if isinstance(overview, dict) else encoded(overview)
        self.answers["/perfkit/api/overview"] = (200, body)


@contextlib.contextmanager
def canned() -> Iterator[Canned]:
    """Run such a server on loopback."""
    state = Canned()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("authorization", "")))
            code, body = state.answers.get(self.path, (404, b"nothing here"))
            self.send_response(code)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
