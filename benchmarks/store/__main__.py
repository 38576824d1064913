"""What the store costs: updates, scrapes of many workers, the leader's second, and ten thousand deaths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.harness.fleet import in_own_process
from benchmarks.harness.table import as_json, options, print_json, print_races, print_rows, progress
from benchmarks.store import deaths, leader, scrapes, updates

PARTS = ("updates", "scrapes", "leader", "deaths")


def main() -> None:
    arguments = options(__doc__ or "", rounds=30, parts=PARTS).parse_args()
    found: dict[str, Any] = {}
    for part in arguments.only or PARTS:
        found[part] = globals()[f"_{part}"](arguments.rounds, arguments.quick, not arguments.json)
    if arguments.json:
        print_json(found)


def _updates(rounds: int, quick: bool, shown: bool) -> Any:
    rounds = min(rounds, 2) if quick else rounds
    results = updates.measure(rounds=rounds, scale=0.05 if quick else 1.0, on_round=progress("updates", rounds))
    if shown:
        title = f"update: one counter and one histogram, {rounds} rounds; prometheus_client where nothing else is said"
        print_races(title, results, reference=updates.REFERENCE, unit="ns", verb="each")
    return as_json(results)


def _scrapes(rounds: int, quick: bool, shown: bool) -> Any:
    rounds = min(rounds, 2) if quick else max(3, rounds // 3)
    sizes = scrapes.SIZES[:2] if quick else scrapes.SIZES
    found = scrapes.measure(rounds=rounds, sizes=sizes, on_round=progress("scrapes", rounds))
    if shown:
        for workers, results in found.items():
            title = f"scrape: {workers} workers, 1,000 counters and {scrapes.HISTOGRAMS} histograms, {rounds} rounds"
            print_races(title, results, reference="prometheus_client", unit="ms", verb="each")
    return {str(workers): as_json(results) for workers, results in found.items()}


def _leader(_rounds: int, quick: bool, shown: bool) -> Any:
    workers, histograms, seconds = (4, 20, 10) if quick else (64, 200, 60)
    found = in_own_process(lambda: leader.measure(workers=workers, histograms=histograms, seconds=seconds))
    if shown:
        _print_leader(found)
    return found


def _print_leader(found: dict[str, Any]) -> None:
    print_rows(
        f"leader: {found['workers']} workers × {found['histograms']} histograms, {found['seconds']} seconds passed in",
        [
            ["what", "measured", "budget", ""],
            ["CPU, share of a core", f"{found['share']:.2%}", "≤ 1 %", _mark(found["share"] <= 0.01)],
            ["CPU of a tick, median", f"{found['tick_median'] * 1e3:.2f} ms", "", ""],
            ["CPU of a tick, longest", f"{found['tick_max'] * 1e3:.2f} ms", "", ""],
            ["CPU of another worker's tick, median", f"{found['follower_median'] * 1e3:.2f} ms", "", ""],
        ],
        left={0, 2, 3},
    )
    rows = [["other threads", "", "times", "p50 ms", "p95 ms", "p99 ms", "max ms", "budget", ""]]
    for state in ("quiet", "busy"):
        for name, waits in found[state].items():
            figures = [f"{waits[key] * 1e3:.2f}" for key in ("p50", "p95", "p99", "max")]
            is_budgeted = state == "busy"
            doubt = "?" if found["quiet"][name]["p95"] > 0.001 else ""
            rows.append(
                [
                    name,
                    "leader ticks" if state == "busy" else "nothing else",
                    str(waits["count"]),
                    *figures,
                    "p95 ≤ 3 ms" if is_budgeted else "",
                    _mark(waits["p95"] <= 0.003) + doubt if is_budgeted else "",
                ]
            )
    print_rows("leader: how long other threads wait", rows, left={0, 1, 7, 8})


def _deaths(_rounds: int, quick: bool, shown: bool) -> Any:
    ours, theirs = (40, 20) if quick else (10_000, 400)
    found = {
        "perfkit": in_own_process(lambda: deaths.measure_perfkit(ours)),
        "prometheus_client": in_own_process(lambda: deaths.measure_prometheus(theirs)),
    }
    if shown:
        rows = [["store", "deaths", "counted", "acknowledged", "files", "disk KiB", "scrape ms", ""]]
        for name, stages in found.items():
            rows += [_death_row(name, stage, stages) for stage in stages]
        print_rows("deaths: workers ended by SIGKILL after counting, four at a time", rows, left={0, 7})
    return found


def _death_row(name: str, stage: dict[str, float], stages: Sequence[dict[str, float]]) -> list[str]:
    mark = ""
    if name == "perfkit" and stage is stages[-1]:
        first = stages[0]
        is_kept = stage["counted"] == stage["acknowledged"]
        is_flat = stage["files"] <= first["files"] and stage["disk"] <= first["disk"] * 1.1
        mark = _mark(is_kept and is_flat and stage["scrape"] <= first["scrape"] * 1.1 + 0.001)
    return [
        name,
        *(f"{stage[key]:,.0f}" for key in ("deaths", "counted", "acknowledged", "files")),
        f"{stage['disk'] / 1024:,.0f}",
        f"{stage['scrape'] * 1e3:.2f}",
        mark,
    ]


def _mark(is_kept: bool) -> str:
    return "pass" if is_kept else "short"


if __name__ == "__main__":
    main()
