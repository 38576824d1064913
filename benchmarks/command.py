"""The perfkit command: `--help`, and the first frame of `perfkit top`, beside a bare interpreter and other commands.

Each run is a process of its own; the contestants take turns, and the medians of the rounds' ratios to `python -c pass`
count, wall and CPU (of the process with its children). The service that is watched is a canned one in this process,
which answers from memory: what is measured is the command. A peer that is not installed is left out and said so.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import perf_counter, process_time

from benchmarks.harness.table import options, print_json, print_rows, progress

__all__ = ["measure"]

BARE = "python -c pass"
HELP, TOP = "perfkit --help", "perfkit top --once"
MOST = {HELP: 4.0, TOP: 15.0}
"""Times `python -c pass`, CPU. The design's 150 and 300 ms are 7.5 and 15 times the 20 ms of a bare interpreter."""

PEERS = ("flask --help", "uvicorn --help", "gunicorn --help", "django-admin help", "pytest --help")
FRAMES = 300
ROUTES = 40


def measure(*, rounds: int) -> dict[str, dict[str, float]]:
    """Return seconds and ratios by contestant; of a frame of `top` in a process that runs, the CPU alone."""
    with _service() as url:
        runs: dict[str, list[str]] = {BARE: [sys.executable, "-c", "pass"]}
        runs[HELP] = [sys.executable, "-m", "perfkit.cli", "--help"]
        runs[TOP] = [sys.executable, "-m", "perfkit.cli", "top", url, "--once", "--color", "always"]
        for peer in PEERS:
            name, *arguments = peer.split()
            path = shutil.which(name, path=sysconfig.get_path("scripts"))
            if path is not None:
                runs[peer] = [sys.executable, path, *arguments]
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        show = progress("command", rounds)
        for number in range(rounds + 1):
            show(number)
            for name, command in runs.items():
                figures = _timed(command)
                if number:  # the first one compiles
                    taken[name].append(figures)
    told: dict[str, dict[str, float]] = {}
    for name, figures_of in taken.items():
        told[name] = {}
        for at, kind in enumerate(("wall", "cpu")):
            ratios = [figures[at] / base[at] for figures, base in zip(figures_of, taken[BARE], strict=True)]
            told[name][kind] = statistics.median(figures[at] for figures in figures_of)
            told[name][f"{kind} ratio"] = statistics.median(ratios)
    return told


def frame_seconds() -> float:
    """Return the CPU seconds of one frame of `perfkit top`, 40 routes at 120 columns by rich: the best of ten."""
    from perfkit.cli.top.frame import Moment, Screen, drawn
    from perfkit.cli.top.glyphs import UNICODE
    from perfkit.cli.top.painting import Painter, has_rich
    from perfkit.cli.top.view import View

    moment = Moment(place="127.0.0.1:8000", overview=_overview(), clock="12:00:00")
    painter, view = Painter(is_coloured=True, by_rich=has_rich()), View()

    def batch() -> float:
        before = process_time()
        for _ in range(FRAMES // 10):
            painter.screen(drawn(moment, view, Screen(120, 40, UNICODE)), 120)
        return (process_time() - before) / (FRAMES // 10)

    return min(batch() for _ in range(10))


def _timed(command: list[str]) -> tuple[float, float]:
    before, start = os.times(), perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, env=_environment())
    wall, after = perf_counter() - start, os.times()
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def _environment() -> dict[str, str]:
    left_out = ("PERFKIT_", "PYTHONDONTWRITEBYTECODE", "PYTEST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def _overview() -> object:
    from perfkit.cli.reading.overview import decoded

    return decoded(_body(), "benchmark")


def _body() -> bytes:
    """Return the overview of a service with many routes."""
    import msgspec

    from perfkit.http.dashboard.absent import NO_HEALTH, NO_PERFORMANCE
    from perfkit.performance.snapshot import Latency, RouteSnapshot, Trend

    latency = Latency(mean=0.05, p50=0.04, p90=0.1, p95=0.2, p99=0.4, max=0.9)
    routes = tuple(
        RouteSnapshot(
            method="GET",
            route=f"/items/{number}/{{id}}",
            requests=1000,
            rate=3.3,
            errors=1,
            error_rate=0.001,
            seconds=50.0,
            share=1.0 / ROUTES,
            latency=latency,
            queries=3.0,
        )
        for number in range(ROUTES)
    )
    values = tuple(float(number % 7) for number in range(60))
    trend = Trend(step=5.0, rate=values, errors=values, p50=values, p95=values, p99=values)
    performance = msgspec.structs.replace(
        NO_PERFORMANCE, at=1_800_000_000.0, window=300.0, requests=40_000, latency=latency, routes=routes, trend=trend
    )
    told = {
        "version": 1,
        "at": 1_800_000_000.0,
        "service": "shop",
        "environment": "production",
        "verdict": {"status": "healthy", "headline": "p95 is 200 ms, within its target of 300 ms"},
        "performance": performance,
        "health": NO_HEALTH,
    }
    return msgspec.json.encode(told)


@contextmanager
def _service() -> Iterator[str]:
    body = _body()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    arguments = options(__doc__ or "", rounds=15).parse_args()
    told = measure(rounds=1 if arguments.quick else arguments.rounds)
    frame = frame_seconds()
    if arguments.json:
        print_json({"command": told, "frame": frame})
        return
    rows = [["command", "wall ms", "× bare", "CPU ms", "× bare", "budget", ""]]
    for name, figures in told.items():
        budget = MOST.get(name)
        mark = "" if budget is None else "pass" if figures["cpu ratio"] <= budget else "short"
        shown = [f"{figures[kind] * 1e3:.0f}" for kind in ("wall", "cpu")]
        ratios = [f"{figures[f'{kind} ratio']:.2f}" for kind in ("wall", "cpu")]
        rows.append([name, shown[0], ratios[0], shown[1], ratios[1], "" if budget is None else f"≤ {budget:g}", mark])
    print_rows("a process each", rows, left={0, 5, 6})
    print(f"\none frame of top, {ROUTES} routes, 120 x 40: {frame * 1e3:.2f} ms of CPU")


if __name__ == "__main__":
    main()
