"""Several forked workers: every worker's page is right for all of them."""

from __future__ import annotations

import functools
import json
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import json, os, random, sys, time
from multiprocessing import Pipe
from perfkit import PerformanceSystem
from perfkit.testing import FakeClock

system = PerformanceSystem({"store": {"directory": sys.argv[1]}, "metrics": {"prometheus_client": "off"}},
                           environment="production", origin="test")
metrics = system.metrics
MODES = ("sum", "max", "min", "mean", "latest", "per_worker")
jobs = metrics.define_metric("jobs", "counter", labels=["kind"])
kept = jobs.labels(kind="kept")
gauges = {mode: metrics.define_metric(f"level_{mode}", "gauge", mode=mode) for mode in MODES}
metrics.define_metric("sampled", "gauge", mode="sum", callback=lambda: 10)
weights = metrics.define_metric("weight", "summary")
waits = metrics.define_metric("wait", "timer")

def work(number):
    system.store.open()
    for _ in range(100 * number):
        kept.increment()
    jobs.labels(kind=f"own_{number}").increment(0.5)
    for gauge in gauges.values():
        gauge.set(number)
    generator = random.Random(number)
    for _ in range(25_000):
        value = generator.lognormvariate(0.0, 2.0)
        weights.record(value)
        waits.record(value / 1000.0)
    metrics.tick(1.0)
    assert metrics._catalogue.sampler.wait(20.0)

pipes = []
for number in (1, 2, 3, 4):
    ours, theirs = Pipe()
    if os.fork() == 0:
        ours.close()
        work(number)
        theirs.send("counted")
        while (asked := theirs.recv()) != "end":
            page = metrics.export_metrics("json")
            fine = system.store.families(("wait_seconds",), detailed=True)[0].points[0].value
            theirs.send([json.loads(page), list(fine.boundaries), list(fine.counts), system.store.number])
        os._exit(0)
    theirs.close()
    pipes.append(ours)
    assert ours.recv() == "counted"
answers = []
for pipe in pipes:
    pipe.send("show")
    answers.append(pipe.recv())
pipes[3].send("end")
os.wait()
until = time.monotonic() + 30.0
while True:  # a worker may be taken for alive for a second
    pipes[0].send("show")
    answer = pipes[0].recv()
    level = next(family for family in answer[0] if family["name"] == "level_sum")
    if level["samples"][0]["value"] != 10.0 or time.monotonic() > until:
        break
    time.sleep(0.1)
answers.append(answer)
for pipe in pipes[:3]:
    pipe.send("end")
for _ in range(3):
    os.wait()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Return what each of four workers shows, and what the first shows once the fourth is gone."""
    directory = tmp_path_factory.mktemp("numbers")
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    result: list[Any] = json.loads(done.stdout)
    return result


def series(page: list[Any], name: str) -> dict[tuple[str, str], float]:
    return {
        (sample["name"], "".join(f"{label}={value}" for label, value in sample["labels"].items())): sample["value"]
        for family in page
        if family["name"] == name
        for sample in family["samples"]
    }


WORKERS = range(4)


@pytest.mark.parametrize("worker", WORKERS)
def test_counters_are_those_of_all_workers(answers: list[Any], worker: int) -> None:
    found = series(answers[worker][0], "jobs_total")
    assert found["jobs_total", "kind=kept"] == 1000.0
    assert all(found["jobs_total", f"kind=own_{number}"] == 0.5 for number in (1, 2, 3, 4))


@pytest.mark.parametrize("worker", WORKERS)
@pytest.mark.parametrize(
    ("mode", "joined", "without_the_fourth"),
    [("sum", 10.0, 6.0), ("max", 4.0, 3.0), ("min", 1.0, 1.0), ("mean", 2.5, 2.0), ("latest", 4.0, 3.0)],
)
def test_gauges_are_joined_as_their_mode_says(
    answers: list[Any], worker: int, mode: str, joined: float, without_the_fourth: float
) -> None:
    name = f"level_{mode}"
    assert series(answers[worker][0], name) == {(name, ""): joined}
    assert series(answers[4][0], name) == {(name, ""): without_the_fourth}


@pytest.mark.parametrize("worker", WORKERS)
def test_gauges_per_worker_have_the_workers_number(answers: list[Any], worker: int) -> None:
    assert series(answers[worker][0], "level_per_worker") == {
        ("level_per_worker", f"worker={answers[number - 1][3]}"): float(number) for number in (1, 2, 3, 4)
    }


@pytest.mark.parametrize("worker", WORKERS)
def test_callbacks_are_asked_in_each_worker(answers: list[Any], worker: int) -> None:
    assert series(answers[worker][0], "sampled") == {("sampled", ""): 40.0}
    assert series(answers[4][0], "sampled") == {("sampled", ""): 30.0}


@functools.cache
def exact() -> list[float]:
    values = []
    for number in (1, 2, 3, 4):
        generator = random.Random(number)
        values += [generator.lognormvariate(0.0, 2.0) for _ in range(25_000)]
    return sorted(values)


@pytest.mark.parametrize("worker", [*WORKERS, 4])
def test_quantiles_of_100_000_values_are_within_6_percent(answers: list[Any], worker: int) -> None:
    values = exact()
    found = series(answers[worker][0], "weight")
    for quantile in (0.5, 0.9, 0.95, 0.99, 0.999):
        at = values[int(quantile * len(values))]
        assert found["weight", f"quantile={quantile}"] == pytest.approx(at, rel=0.06)
    assert found["weight_count", ""] == 100_000.0
    assert found["weight_sum", ""] == pytest.approx(sum(values))


def test_percentiles_of_timers_are_too_up_to_the_highest(answers: list[Any]) -> None:
    from perfkit.store.boundaries import FINEST, GUARANTEED
    from perfkit.store.quantiles import quantile

    values = exact()
    _, boundaries, counts, _ = answers[2]
    for share in (0.5, 0.9, 0.95, 0.99, 0.999):
        at = values[int(share * len(values))] / 1000.0
        assert FINEST < at < GUARANTEED
        assert quantile(boundaries, counts, share) == pytest.approx(at, rel=0.06)


def test_the_processes_of_this_test_are_gone(answers: list[Any], tmp_path: Path) -> None:
    assert len(answers) == 5
    assert os.listdir(tmp_path) == []
