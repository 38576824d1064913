"""Every benchmark runs: all contestants took part and counted what they were given. Nothing here is about time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]

PEERS = (
    "starlette_exporter",
    "prometheus_fastapi_instrumentator",
    "opentelemetry.sdk",
    "opentelemetry.instrumentation.asgi",
)
COUNTING_NOTHING = {"bare again (noise)", "layer that does nothing"}


def run(name: str, *arguments: str) -> str:
    """Return what ``python -m benchmarks.NAME --quick`` prints."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_json(name: str, *arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(name, "--json", *arguments))
    return answer


def by_name(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    assert [result["absent"] for result in results] == [""] * len(results)
    return {result["name"]: result for result in results}


@pytest.mark.parametrize("framework", ["starlette", "fastapi"])
def test_every_layer_runs_and_counts_each_request_once(framework: str) -> None:
    for peer in PEERS:
        pytest.importorskip(peer)
    results = by_name(run_json("overhead", "--only", framework)[framework])
    assert len(results) == (13 if framework == "starlette" else 15)
    for name, result in results.items():
        assert result["rounds"] == 2
        assert result["counted"] == (None if name in COUNTING_NOTHING else result["calls"]), name
    assert {name for name, result in results.items() if result["verdict"]} == {
        "perfkit, in memory",
        "perfkit, shared file",
        "perfkit, exchange open",
        "perfkit, everything on",
    }


def test_every_way_to_update_counts_each_call_once() -> None:
    results = by_name(run_json("store", "--only", "updates")["updates"])
    assert len(results) == 9
    for name, result in results.items():
        assert result["counted"] == result["calls"], name


@pytest.mark.parametrize("part", ["counter", "histogram", "labels", "positions", "names", "timer"])
def test_every_instrument_counts_each_call_once(part: str) -> None:
    results = by_name(run_json("metrics", "--only", part)[part])
    assert len(results) == 4
    for name, result in results.items():
        assert result["counted"] == result["calls"], name


@pytest.mark.parametrize("part", ["get", "set", "read", "threads"])
def test_every_cache_runs_and_ours_count_each_hit(part: str) -> None:
    for peer in ("cachebox", "theine", "dogpile.cache", "flask_caching", "django"):
        pytest.importorskip(peer)
    results = by_name(run_json("cache", "--only", part)[part])
    assert len(results) == (14 if part == "get" else 15)
    assert {name for name, result in results.items() if result["verdict"]} == {
        name for name in results if name.startswith("perfkit")
    }
    if part == "get":
        counted = {name: result["counted"] for name, result in results.items() if name.startswith("perfkit")}
        assert counted == {name: results[name]["calls"] for name in counted}


@pytest.mark.parametrize(("part", "contestants"), [("memoized", 9), ("amemoized", 5)])
def test_every_memoized_function_runs(part: str, contestants: int) -> None:
    for peer in ("cachebox", "theine", "dogpile.cache", "flask_caching", "cashews", "aiocache"):
        pytest.importorskip(peer)
    assert len(by_name(run_json("cache", "--only", part)[part])) == contestants


def test_large_caches_and_the_shadow_are_measured() -> None:
    found = run_json("cache", "--only", "million", "--only", "shadow")
    assert {"perfkit", "perfkit, adaptive", "cachetools LRU + RLock"} < set(found["million"])
    assert all(row["p999"] >= row["median"] > 0 and row["bytes"] > 0 for row in found["million"].values())
    assert all(row["windows"] == 1 and 0 < row["watching"] < 1 for row in found["shadow"])
    assert "p99.9 / median" in run("cache", "--only", "million")


def test_hit_ratios_stand_beside_the_references_and_what_the_shadow_says_beside_what_is() -> None:
    found = run_json("hit_ratio")
    assert len(found["rows"]) == 9
    for row in found["rows"]:
        ratios = row["ratios"]
        assert len(ratios) == 12
        assert ratios["perfkit lru"] == ratios["LRU"]
        assert ratios["perfkit fifo"] == ratios["FIFO"]
        assert max(ratios.values()) == ratios["OPT"]
    assert found["shadow"]
    assert {"x2", "adaptive"} <= found["shadow_errors"].keys()
    assert all(each["mean"] < 15 for each in found["shadow_errors"].values())
    assert "goals" in run("hit_ratio")


def test_both_scrapes_show_the_same_series() -> None:
    for workers, rows in run_json("store", "--only", "scrapes")["scrapes"].items():
        results = by_name(rows)
        ours, theirs = results["perfkit"]["notes"], results["prometheus_client"]["notes"]
        assert ours["series"] == theirs["series"] == 1000
        assert ours["lines"] == theirs["lines"] == 1000 + 60 * 17
        assert theirs["observations"] == 60 * int(workers)
        assert ours["observations"] > theirs["observations"]


def test_the_leader_writes_history_and_its_cost_is_known() -> None:
    found = run_json("store", "--only", "leader")["leader"]
    assert 0 < found["recorded"] <= found["seconds"]
    assert found["tick_max"] >= found["tick_median"] > 0
    assert all(waits["count"] > 0 for waits in found["busy"].values())


def test_no_count_is_lost_when_workers_are_killed_and_files_stay_few() -> None:
    found = run_json("store", "--only", "deaths")["deaths"]
    for stages in found.values():
        assert all(stage["counted"] == stage["acknowledged"] for stage in stages)
    ours, theirs = found["perfkit"], found["prometheus_client"]
    assert ours[-1]["deaths"] == 40
    assert ours[-1]["files"] == ours[0]["files"]
    assert theirs[-1]["files"] > theirs[0]["files"]


def test_sampling_is_measured_beside_the_collectors_of_prometheus_client() -> None:
    found = run_json("runtime")
    assert found["perfkit: everything, as the monitor does each second"] > 0.0
    assert found["prometheus_client: process, platform, gc"] > 0.0
    assert "% of a core each second" in run("runtime")


def test_probes_are_measured_alone_and_for_four_workers() -> None:
    found = run_json("health")
    for rows in (found["1 worker"], found["4 workers"]):
        assert len(rows) == 5
        assert all(row["p50"] > 0.0 and row["cpu"] > 0.0 for row in rows.values())
        # The details hold all checks; the word does not.
        assert rows["/health, all details"]["bytes"] > 20 * 100 > rows["/health, the word"]["bytes"]


@pytest.mark.parametrize(("part", "count"), [("sqlalchemy", 6), ("django", 8), ("shapes", 4)])
def test_every_way_to_capture_a_statement_runs(part: str, count: int) -> None:
    for peer in ("sentry_sdk", "sqlglot", "opentelemetry.instrumentation.sqlalchemy", "silk"):
        pytest.importorskip(peer)
    results = by_name(run_json("database", "--only", part)[part])
    assert len(results) == count
    for name, result in results.items():
        if name.startswith("perfkit") and part == "sqlalchemy":
            assert result["counted"] == result["calls"], name


def test_the_footprint_of_perfkit_is_measured() -> None:
    found = run_json("footprint")["footprint"]
    ours = found["perfkit, perfkit_asgi"]
    wall, cpu, _memory, modules = ours["imported"]
    assert wall > 0
    assert cpu > 0
    assert modules > 0
    assert ours["used"][3] >= modules


def test_what_the_pytest_plugin_costs_is_measured() -> None:
    told = run_json("pytest_plugin")["pytest_plugin"]
    assert len(told) == 4
    assert all(figures["ratio"] > 0.0 for ways in told.values() for figures in ways.values())


def test_what_the_command_costs_is_measured_beside_others() -> None:
    found = run_json("command")
    assert found["frame"] > 0.0
    assert {"python -c pass", "perfkit --help", "perfkit top --once", "flask --help"} <= set(found["command"])
    assert all(figures["wall"] > 0.0 for figures in found["command"].values())


def test_tables_name_the_budgets_and_whether_they_hold() -> None:
    text = run("store", "--only", "updates")
    assert "≤ 0.4 × bound pair" in text
    assert "pass" in text or "short" in text


def test_a_contestant_that_cannot_run_is_a_row_that_says_why() -> None:
    program = (
        "from benchmarks.harness.rounds import Contestant, race\n"
        "from benchmarks.harness.table import print_races\n"
        "rows = race([Contestant(name='gone', factory='benchmarks.no_such:subject')], rounds=2)\n"
        "print_races('table', rows, reference='gone')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert "did not run: ModuleNotFoundError" in done.stdout, done.stderr


def test_every_strategy_has_its_cost() -> None:
    found = run_json("balancer_cost")["microseconds"]
    assert {"auto", "prequal", "hash", "a lock"} <= set(found)
    assert all(figure > 0.0 for figures in found.values() for figure in figures)


def test_strategies_are_simulated_beside_the_references() -> None:
    runs = run_json("balancing", "--only", "black hole", "--only", "rolling deploy")["runs"]
    assert {run["scenario"] for run in runs} == {"black hole", "rolling deploy"}
    assert {"auto", "auto, reports", "auto, probes", "C3 +h"} <= {run["contestant"] for run in runs}
    assert all(0.0 < run["p99"] <= 2.0 for run in runs)
    assert "black hole: 0." in run("balancing", "--only", "black hole")


def test_auto_is_judged_in_a_world_that_it_was_not_tuned_in() -> None:
    runs = run_json("balancing_unseen", "--only", "bursts", "--only", "a sick one")["runs"]
    assert {run["case"] for run in runs} == {"bursts", "a sick one"}
    assert {"auto", "auto, reports", "auto, probes", "C3 +h"} <= {run["contestant"] for run in runs}
    assert all(0.0 < run["p99"] <= 2.0 for run in runs)
    assert "silence, hedged: p99 0." in run("balancing_unseen", "--only", "silence")


def test_the_response_cache_answers_beside_its_peers() -> None:
    pytest.importorskip("flask_caching")
    results = run_json("http_cache")
    assert {name: len(results[name]) for name in ("ASGI (Starlette)", "Flask", "Django")} == {
        "ASGI (Starlette)": 5,
        "Flask": 3,
        "Django": 3,
    }


def test_the_dashboard_is_measured() -> None:
    told = run_json("dashboard")["dashboard"]
    assert {"a page, computed and rendered", "a page, cached, gzip"} <= {each["name"] for each in told}
