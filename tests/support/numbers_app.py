"""The fleets' app that counts: each worker does its own share of the work once, as files in `NUMBERS_FOLDER` say."""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path

from flask import Flask

from perfkit import PerformanceSystem
from perfkit_flask import Perfkit

FOLDER = Path(os.environ["NUMBERS_FOLDER"])
MODES = ("sum", "max", "min", "mean", "latest", "per_worker")
WORKERS, VALUES = 4, 25_000

system = PerformanceSystem({"service": "numbers", "metrics": {"prometheus_client": "off"}})
jobs = system.metrics.define_metric("jobs", "counter", labels=["kind"])
kept = jobs.labels(kind="kept")
gauges = [system.metrics.define_metric(f"level_{mode}", "gauge", mode=mode) for mode in MODES]
weights = system.metrics.define_metric("weight", "summary")
waits = system.metrics.define_metric("wait", "timer")
system.metrics.define_metric("sampled", "gauge", callback=lambda: 10 if number else None)
system.health.register_health_check("share", lambda: bool(number), shared=False, interval=1.0)
number = 0


def values(of: int) -> list[float]:
    """Return the values of one share of the work."""
    generator = random.Random(of)
    return [generator.lognormvariate(0.0, 2.0) for _ in range(VALUES)]


app = Flask(__name__)


@app.get("/work")
def work() -> str:
    """Do this worker's share if it has not yet; return its number."""
    global number
    for share in range(1, WORKERS + 1):
        if number:
            break
        with contextlib.suppress(FileExistsError):
            os.close(os.open(FOLDER / f"share-{share}", os.O_CREAT | os.O_EXCL))
            number = share
            for _ in range(100 * share):
                kept.increment()
            jobs.labels(kind=f"own_{share}").increment(0.5)
            for gauge in gauges:
                gauge.set(share)
            for value in values(share):
                weights.record(value)
                waits.record(value / 1000.0)
            (FOLDER / f"done-{share}").write_text(str(os.getpid()))
    return str(number)


@app.get("/pid")
def pid() -> str:
    return str(os.getpid())


Perfkit(app, system=system)
