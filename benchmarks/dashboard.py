"""The dashboard: what a page costs the server, cached and computed, and how quickly a browser shows and redraws it.

The server's part is a system with 60 routes and 24,000 requests, asked in process through the routes as an adapter
asks. The browser's part (where Chromium and playwright are) opens the overview of that system over loopback: first
contentful paint, a redraw of 3,600 × 4 points, a request of 5,000 spans, one update in place. The column "prototype"
has the figures of the design's prototype, a static page measured on another day on a busy machine: they say which order
of magnitude is meant, no more. "Goal" is what we promised ourselves.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import msgspec

from benchmarks.harness.table import options, print_json, print_rows
from perfkit.core.message import Request
from perfkit.dashboard import asset, asset_names, given_of, page_entry, render
from perfkit.dashboard.pages.request import RequestFound
from perfkit.http.front import Front
from perfkit.http.routes import Routes
from perfkit.recorder.folding import fold
from perfkit.recorder.kept import KeptExchange
from perfkit.system import PerformanceSystem

ROUTES, REQUESTS = 60, 24_000
SPANS = 5_000
TABS = 20


class Figure(NamedTuple):
    """One line of the table."""

    name: str
    value: float
    unit: str = "ms"
    prototype: str = ""
    goal: str = ""


DRAW = """() => {
    const chart = document.querySelector('perfkit-chart'), data = JSON.parse(chart.dataset.series), times = [];
    const many = Array.from({length: 3600}, (_, n) => 0.1 + 0.05 * Math.sin(n / 50) + 0.01 * (n % 7));
    data.lines = ['p99', 'p95', 'p50', 'p50'].map(name => ({name, values: many}));
    const firsts = [], middle = all => all.sort((a, b) => a - b)[all.length >> 1];
    for (let n = 0; n < 9; n++) {
        data.end += 1;
        const text = JSON.stringify(data), at = performance.now();
        chart.dataset.series = text;
        firsts.push(performance.now() - at);
    }
    for (let n = 0; n < 40; n++) { const at = performance.now(); chart.draw(); times.push(performance.now() - at); }
    const hovers = [];
    for (let n = 0; n < 40; n++) {
        const at = performance.now(); chart.point(n * 80); hovers.push(performance.now() - at);
    }
    chart.point(null);
    return [middle(firsts), middle(times), times[39], middle(hovers)];
}"""
"""Reading and drawing new data, a redraw (median and worst), a move of the pointer, in milliseconds."""

TIMING = """() => {
    const entry = performance.getEntriesByType('navigation')[0];
    const paint = performance.getEntriesByName('first-contentful-paint')[0];
    return [paint?.startTime ?? null, entry.responseStart, entry.domInteractive];
}"""
UPDATE = """async ([address, page]) => {
    const { read, find, update } = await import(address);
    const main = text => find(read(text), each => each.tag === 'main');
    const text = page ?? await (await fetch(location.href)).text(), at = performance.now();
    update(document.querySelector('main'), main(text));
    document.querySelector('main').getBoundingClientRect();
    return performance.now() - at;
}"""
"""Milliseconds until the document says what the text says and is laid out anew."""


def main() -> None:
    """Measure, print."""
    parser = options(__doc__.partition("\n")[0], rounds=200)
    arguments = parser.parse_args()
    rounds = 5 if arguments.quick else arguments.rounds
    with PerformanceSystem({"service": "bench"}, environment="development") as system:
        _fill(system, REQUESTS // (20 if arguments.quick else 1))
        routes = Routes(Front(system))
        figures = [*_assets(), *_server(routes, rounds), *_tabs(routes, 1.0 if arguments.quick else 4.0)]
        figures += _browser(routes, system, 2 if arguments.quick else 9)
    if arguments.json:
        print_json({"dashboard": [each._asdict() for each in figures]})
        return
    rows = [["what", "ours", "", "prototype", "goal"]]
    rows += [[each.name, _said(each.value), each.unit, each.prototype, each.goal] for each in figures]
    print_rows("The dashboard", rows, left={0, 2, 3, 4})


def _said(value: float) -> str:
    return f"{value:,.0f}" if value >= 100.0 else f"{value:.3g}"


def _fill(system: PerformanceSystem, requests: int) -> None:
    for number in range(requests):
        labels = {"method": "GET", "route": f"/area/{number % ROUTES}", "status": "200"}
        system.performance.record_request(True, 0.001 + (number % 97) / 500.0, labels)


def _request(path: str, **headers: str) -> Request:
    return Request(method="GET", path=path, peer="127.0.0.1", headers={"host": "localhost", **headers})


def _assets() -> list[Figure]:
    """Return the size of all that a browser loads once, and again compressed."""
    bodies = [found.body for name in asset_names() if (found := asset(name)) is not None]
    raw, compressed = sum(map(len, bodies)), sum(len(gzip.compress(body)) for body in bodies)
    return [
        Figure("all assets, raw", raw / 1000.0, "kB", "24.4, two pages of fifteen", "60"),
        Figure("all assets, gzip", compressed / 1000.0, "kB", "10.6 with its page", "20"),
    ]


def _server(routes: Routes, rounds: int) -> list[Figure]:
    """Return median milliseconds of each kind of answer."""
    page = _request("/perfkit/", **{"accept-encoding": "gzip"})
    computed = [_timed(lambda: (routes._pages.forget(), routes.respond(page))) for _ in range(max(3, rounds // 10))]
    figures = [Figure("a page, computed and rendered", statistics.median(computed), goal="once a second")]
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
        prototype = "4.7, over a socket" if "304" in name else ""
        figures.append(Figure(name, statistics.median(taken), prototype=prototype, goal="0.5"))
    return figures


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000.0


def _tabs(routes: Routes, length: float) -> list[Figure]:
    """Return how often a second the overview is computed while one tab asks, and while many do."""
    pages, counted = routes._pages, [0]
    compute = pages._compute

    def counting() -> Any:
        counted[0] += 1
        return compute()

    pages._compute = counting
    figures = []
    for tabs in (1, TABS):
        pages.forget()
        counted[0] = 0
        until = time.monotonic() + length

        def look(until: float = until) -> None:
            while time.monotonic() < until:
                routes.respond(_request("/perfkit/"))
                time.sleep(0.05)

        threads = [threading.Thread(target=look) for _ in range(tabs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        said = f"computations a second, {tabs} {'tab' if tabs == 1 else 'tabs'} asking 20 times a second each"
        figures.append(Figure(said, counted[0] / length, "", goal="1"))
    pages._compute = compute
    return figures


@contextmanager
def _serving(routes: Routes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave in one piece: with Nagle's algorithm the second one waits for the first one's receipt.
        wbufsize = -1
        disable_nagle_algorithm = True

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


def _browser(routes: Routes, system: PerformanceSystem, visits: int) -> list[Figure]:
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
        figures = [*_paints(browser, url, visits), *_redraws(browser, url, system)]
        browser.close()
    return figures


def _visit(page: Any, url: str) -> list[float]:
    page.goto(url)
    page.locator(".tools").wait_for()
    page.wait_for_timeout(300)
    return [float(each or 0.0) for each in page.evaluate(TIMING)]


def _spending(page: Any) -> Callable[[], float]:
    """Return what tells the milliseconds of CPU that the page's main thread has spent since it was loaded."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        told = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        return float(told["TaskDuration"]) * 1000.0

    return spent


def _paints(browser: Any, url: str, visits: int) -> list[Figure]:
    """Return when the first content is painted: with nothing kept by the browser, and at each later visit."""
    cold, warm = [], []
    for _ in range(visits):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        cold.append(_visit(context.new_page(), url))
        context.close()
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    spent = _spending(page)
    for visit in range(visits + 1):
        told = _visit(page, url)
        if visit:
            warm.append([*told, spent()])
    page.close()

    def median(told: list[list[float]], at: int) -> float:
        return statistics.median(each[at] for each in told)

    return [
        Figure("first contentful paint, cold, median", median(cold, 0), prototype="344 (212 to 856)", goal="400"),
        Figure("first contentful paint, warm, median", median(warm, 0), prototype="108 (80 to 228)", goal="150"),
        Figure("first contentful paint, warm, best", min(each[0] for each in warm), prototype="80"),
        Figure("of the warm one, until the first byte", median(warm, 1), prototype="a file"),
        Figure("of the warm one, until it is read", median(warm, 2)),
        Figure("of the warm one, CPU of the page's thread, script and live part too", median(warm, 3)),
    ]


def _redraws(browser: Any, url: str, system: PerformanceSystem) -> list[Figure]:
    """Return what changes of what is shown take."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    _visit(page, url)
    reader = page.evaluate(
        "[...document.querySelectorAll('[rel=modulepreload]')].find(e => /markup/.test(e.href)).href"
    )
    first, median, worst, hover = page.evaluate(DRAW)
    update = statistics.median(page.evaluate(UPDATE, [reader, None]) for _ in range(5))
    spans = _many_spans(system)
    opened = page.evaluate(UPDATE, [reader, spans[0]])
    spent = _spending(page)
    began = spent()
    changed = [page.evaluate(UPDATE, [reader, spans[number % 2]]) for number in range(1, 10)]
    cpu = (spent() - began) / len(changed)
    page.close()
    return [
        Figure("3,600 × 4 points, read and drawn, median", first, prototype="2 to 17", goal="17"),
        Figure("3,600 × 4 points, redraw, median", median, prototype="0.4 to 0.8", goal="8"),
        Figure("3,600 × 4 points, redraw, worst of 40", worst, prototype="13", goal="13"),
        Figure("3,600 × 4 points, move of the pointer, median", hover, prototype="0.1", goal="1"),
        Figure("a request of 5,000 spans, first layout", opened, prototype="41 to 148 for 500", goal="50"),
        Figure(
            "a request of 5,000 spans, redraw, median",
            statistics.median(changed),
            prototype="1.9 to 2.6 for 500",
            goal="50",
        ),
        Figure("a request of 5,000 spans, redraw, CPU with its painting", cpu, goal="50"),
        Figure("the whole overview changed in place, median", update),
    ]


def _many_spans(system: PerformanceSystem) -> list[str]:
    """Return the page of a request of `SPANS` spans in as many rows as are kept, of two such requests."""
    # The recorder of a system without requests sleeps; its page would say that, and no more.
    entry, shown = page_entry("request"), msgspec.structs.replace(Front(system).overview_data(), asleep=())
    pages = []
    for shift in (1.0, 1.1):
        spans: list[tuple[Any, ...]] = [
            (
                "sql",
                f"SELECT a{n % 70} FROM b WHERE c = ?",
                n * 0.001,
                0.0004 * shift,
                f"shop/a.py:{n % 70}",
                "1 row",
                {},
            )
            for n in range(SPANS)
        ]
        kept = KeptExchange(
            id="0" * 16, at=shown.at, seconds=5.0 * shift, reason="slow", method="GET", route="/many", status=200,
            worker=0, pid=1, spans=fold(spans, 0.0), span_count=SPANS,
        )  # fmt: skip
        pages.append(render(entry, shown, RequestFound(kept=kept), given_of(entry, "")))
    return pages


if __name__ == "__main__":
    main()
