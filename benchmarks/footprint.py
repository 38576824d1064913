"""What a package costs before the first request: time to import, memory, modules; and what it does while idle.

Each measurement is a fresh interpreter that has imported Starlette already, so the figures are those over the
framework. "used" goes on to put the layer on an application, start it and answer one request, as much is imported
only then. Idle is the CPU of that started application while nobody asks it anything, from the third
second on: what is done once after the start is over then. All run from byte code, as
installed packages do, whatever the environment says: to compile a package costs several times as much as to load it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.table import options, print_json, print_rows, progress

__all__ = ["measure"]

IMPORTS = {
    "perfkit, perfkit_asgi": "import perfkit, perfkit_asgi; perfkit_asgi.PerfkitMiddleware",
    "prometheus_client": "import prometheus_client",
    "starlette-exporter": "import starlette_exporter",
    "prometheus-fastapi-instrumentator": "import prometheus_fastapi_instrumentator",
    "OpenTelemetry SDK and ASGI": (
        "import opentelemetry.sdk.trace.export, opentelemetry.sdk.metrics.export, opentelemetry.instrumentation.asgi"
    ),
}
USES = {
    "perfkit, perfkit_asgi": "perfkit, in memory",
    "prometheus_client": "hand-written",
    "starlette-exporter": "starlette-exporter",
    "prometheus-fastapi-instrumentator": "prometheus-fastapi-instrumentator",
    "OpenTelemetry SDK and ASGI": "OpenTelemetry, traces + metrics",
}
OURS = "perfkit, perfkit_asgi"
MAX_MILLISECONDS, MAX_MEBIBYTES = 100.0, 15.0

SETTLE = 2.0
"""Seconds after the first answer that do not count as idle."""

_PROGRAM = """
import asyncio, json, resource, sys, time
from benchmarks.overhead import apps, layers
apps.starlette_app()
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
def figures():
    return time.perf_counter(), time.process_time(), memory(), len(sys.modules)
def since(then):
    return [now - before for now, before in zip(figures(), then)]
before = figures()
{imports}
imported = since(before)
layered = layers.LAYERS[{layer!r}](apps.starlette_app)
driver = apps.Driver(layered.app, asyncio.new_event_loop())
used = since(before)
time.sleep({settle})
idle = time.process_time()
time.sleep({nap})
idle = (time.process_time() - idle) / {nap}
driver.close()
layered.close()
print(json.dumps({{"imported": imported, "used": used, "idle": idle}}))
"""


@dataclass
class Footprint:
    """Medians over all rounds: milliseconds, milliseconds of CPU, MiB, modules; and cores while idle."""

    imported: list[float]
    used: list[float]
    idle: float


def measure(*, rounds: int, nap: float) -> dict[str, Footprint]:
    """Measure all packages turn by turn; the first turn fills the caches and is not counted."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in IMPORTS}
    show = progress("footprint", rounds)
    with tempfile.TemporaryDirectory(prefix="perfkit-footprint-") as byte_code:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": byte_code, "PYTHONDONTWRITEBYTECODE": ""}
        for number in range(rounds + 1):
            for name, imports in IMPORTS.items():
                program = _PROGRAM.format(imports=imports, layer=USES[name], settle=min(nap, SETTLE), nap=nap)
                command = [sys.executable, "-c", program]
                answer = subprocess.run(command, capture_output=True, text=True, env=environment)
                if answer.returncode == 0 and number:
                    found[name].append(json.loads(answer.stdout.splitlines()[-1]))
                elif answer.returncode and number == 1:
                    print(f"{name} did not run: {answer.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            if number:
                show(number)
    return {
        name: Footprint(
            _medians([answer["imported"] for answer in answers]),
            _medians([answer["used"] for answer in answers]),
            statistics.median(answer["idle"] for answer in answers),
        )
        for name, answers in found.items()
        if answers
    }


def _medians(rows: list[list[float]]) -> list[float]:
    wall, cpu, memory, modules = (statistics.median(column) for column in zip(*rows, strict=True))
    return [wall * 1e3, cpu * 1e3, memory / 2**20, modules]


def main() -> None:
    arguments = options(__doc__ or "", rounds=9).parse_args()
    rounds, nap = (1, 0.2) if arguments.quick else (arguments.rounds, 2.0)
    found = measure(rounds=rounds, nap=nap)
    if arguments.json:
        print_json({"footprint": {name: vars(footprint) for name, footprint in found.items()}})
        return
    rows = [["package", "", "wall ms", "CPU ms", "MiB", "modules", "idle % of a core", "budget", ""]]
    for name, footprint in found.items():
        for stage, figures in (("imported", footprint.imported), ("used", footprint.used)):
            budget = mark = ""
            if name == OURS:
                budget = f"≤ {MAX_MILLISECONDS:g} ms, ≤ {MAX_MEBIBYTES:g} MiB"
                is_kept = figures[1] <= MAX_MILLISECONDS and figures[2] <= MAX_MEBIBYTES
                mark = "pass" if is_kept else "short"
            idle = f"{footprint.idle:.2%}" if stage == "used" else ""
            cells = [f"{figures[0]:.0f}", f"{figures[1]:.0f}", f"{figures[2]:.1f}", f"{figures[3]:.0f}"]
            rows.append([name, stage, *cells, idle, budget, mark])
    print_rows(f"footprint over Starlette: median of {rounds} interpreters", rows, left={0, 1, 7, 8})


if __name__ == "__main__":
    main()
