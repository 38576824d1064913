"""The dashboard: what a page costs the server, cached and computed, and how quickly a browser shows and redraws it.

The server's part is a system with 60 routes and 24,000 requests, asked in process through the routes as an adapter
asks. The browser's part (where Chromium and playwright are) opens the overview of that system over loopback: first
contentful paint with a warm cache, a redraw of 3,600 × 4 points, one update in place. The goals beside are those of a
prototype, measured on another day on a busy machine: they say which order of magnitude is meant, no more.
"""

from __future__ import annotations

import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.harness.table import options, print_json, print_rows
from perfkit.core.message import Request
from perfkit.http.front import Front
from perfkit.http.routes import Routes
from perfkit.system import PerformanceSystem

ROUTES, REQUESTS = 60, 24_000

DRAW = """() => {
    const chart = document.querySelector('perfkit-chart'), data = JSON.parse(chart.dataset.series), times = [];
    const many = Array.from({length: 3600}, (_, n) => 0.1 + 0.05 * Math.sin(n / 50) + 0.01 * (n % 7));
    data.lines = ['p99', 'p95', 'p50', 'p50'].map(name => ({name, values: many}));
    const start = performance.now();
    chart.dataset.series = JSON.stringify(data);
    const first = performance.now() - start;
    for (let n = 0; n < 40; n++) { const at = performance.now(); chart.draw(); times.push(performance.now() - at); }
    times.sort((a, b) => a - b);
    return [first, times[20], times[39]];
}"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def main() -> None:
    """Measure, print."""
    parser = options(__doc__.partition("\n")[0], rounds=200)
    arguments = parser.parse_args()
    rounds = 5 if arguments.quick else arguments.rounds
    with PerformanceSystem({"service": "bench"}, environment="development") as system:
        _fill(system, REQUESTS // (20 if arguments.quick else 1))
        routes = Routes(Front(system))
        figures = _server(routes, rounds)
        figures += _browser(routes, 2 if arguments.quick else 9)
    if arguments.json:
        print_json({"dashboard": [{"name": name, "value": value, "goal": goal} for name, value, goal in figures]})
        return
    rows = [["what", "ms", "goal"], *([name, f"{value:.3f}", goal] for name, value, goal in figures)]
    print_rows("The dashboard", rows, left={0, 2})


def _fill(system: PerformanceSystem, requests: int) -> None:
    for number in range(requests):
        labels = {"method": "GET", "route": f"/area/{number % ROUTES}", "status": "200"}
        system.performance.record_request(True, 0.001 + (number % 97) / 500.0, labels)


def _request(path: str, **headers: str) -> Request:
    return Request(method="GET", path=path, peer="127.0.0.1", headers={"host": "localhost", **headers})


def _server(routes: Routes, rounds: int) -> list[tuple[str, float, str]]:
    """Return median milliseconds of each kind of answer."""
    page = _request("/perfkit/", **{"accept-encoding": "gzip"})
    figures: list[tuple[str, float, str]] = []
    computed = [_timed(lambda: (routes._pages.forget(), routes.respond(page))) for _ in range(max(3, rounds // 10))]
    figures.append(("a page, computed and rendered", statistics.median(computed), "once a second"))
    for name, request in (
        ("a page, cached, gzip", page),
        ("a page, cached, plain", _request("/perfkit/")),
        ("a page, unchanged (304)", _request("/perfkit/", **{"if-none-match": "*"})),
    ):
        routes.respond(request)
        taken, until = [], time.monotonic() + 0.5
        for _ in range(rounds):
            if time.monotonic() > until:
                # Once more outside of what is timed, so that none of those inside has to compute.
                routes.respond(request)
                until = time.monotonic() + 0.5
            taken.append(_timed(lambda request=request: routes.respond(request)))  # type: ignore[misc]  # bound now
        figures.append((name, statistics.median(taken), "0.5"))
    return figures


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000.0


@contextmanager
def _serving(routes: Routes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(method="GET", path=path, query=query, peer="127.0.0.1", headers=headers)
            answer = routes.respond(request)
            self.send_response(404 if answer is None else answer.status)
            for name, value in answer.headers if answer is not None else (("content-length", "0"),):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body if answer is not None else b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/perfkit/"
    server.shutdown()
    server.server_close()
    thread.join()


def _browser(routes: Routes, visits: int) -> list[tuple[str, float, str]]:
    """Return what a browser takes; nothing where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    if path is None:
        return []
    with _serving(routes) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        paints: list[float] = []
        for visit in range(visits + 1):
            page.goto(url)
            page.locator(".tools").wait_for()
            page.wait_for_timeout(300)
            if visit:
                paints.append(float(page.evaluate(PAINT) or 0.0))
        first, median, worst = page.evaluate(DRAW)
        update = page.evaluate(_UPDATE)
        browser.close()
    return [
        ("first contentful paint, warm, median", statistics.median(paints), "150 (prototype: 108)"),
        ("3,600 × 4 points, first draw", first, "17 (prototype: 2 to 17)"),
        ("3,600 × 4 points, redraw, median", median, "8 (prototype: 0.4 to 0.8)"),
        ("3,600 × 4 points, redraw, worst of 40", worst, "13"),
        ("the whole page changed in place", update, ""),
    ]


_UPDATE: Any = """async () => {
    const links = [...document.querySelectorAll('link[rel=modulepreload]')].map(each => each.href);
    const address = links.find(each => each.includes('markup'));
    const { read, find, update } = await import(address);
    const text = await (await fetch(location.href)).text(), at = performance.now();
    update(document.querySelector('main'), find(read(text), each => each.tag === 'main'));
    return performance.now() - at;
}"""


if __name__ == "__main__":
    main()
