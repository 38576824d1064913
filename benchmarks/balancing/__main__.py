"""Strategies in simulation: p99 beside the references, where a failure counts as the whole timeout.

The rows are scenarios. `auto` runs three times: by what it sees itself, with load reports on each answer, with
probes; each is held against the best of the references that know as much. The references are in `references.py`,
what happens in `scenarios.py`.
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
from collections.abc import Iterable
from typing import Any

from benchmarks.balancing.references import PROBES, REFERENCES, REPORTS
from benchmarks.balancing.scenarios import SCENARIOS
from benchmarks.balancing.simulation import Outcome, Simulation
from benchmarks.harness.table import options, print_json, print_rows
from perfkit.load_balancer import LoadBalancer

BUDGET = 1.10
"""p99 of `auto` as a multiple of the best reference's."""

AUTO = {"auto": (False, False), "auto, reports": (True, False), "auto, probes": (False, True)}
"""By name: whether answers carry reports, whether servers are probed."""

Run = tuple[str, str, int, float, float, float, dict[str, int]]
"""Scenario, contestant, seed, p99 in seconds, share of errors, attempts for each request, requests by server."""


def simulate(scenario: str, contestant: str, seed: int, requests: int) -> Outcome:
    """Return the outcome of one run; a contestant is one of `REFERENCES`, of `AUTO`, or a strategy's name."""
    setup = SCENARIOS[scenario]
    if contestant in REFERENCES:
        base = contestant.removesuffix(" +h")
        reports, probes = base in REPORTS, base in PROBES
        return Simulation(
            setup, REFERENCES[contestant], seed=seed, requests=requests, reports=reports, probes=probes
        ).run()
    reports, probes = AUTO.get(contestant, (False, contestant == "prequal"))
    strategy = contestant.partition(",")[0]

    def make(**arguments: Any) -> LoadBalancer:
        return LoadBalancer(strategy, **arguments)

    return Simulation(setup, make, seed=seed, requests=requests, reports=reports, probes=probes).run()


def knows_as_much(reference: str, contestant: str) -> bool:
    """Return whether *reference* uses nothing that *contestant* is not given."""
    base = reference.removesuffix(" +h")
    if contestant == "auto":
        return base not in REPORTS and base not in PROBES
    return base not in (REPORTS if contestant == "auto, probes" else PROBES)


def _job(job: tuple[str, str, int, int]) -> Run:
    scenario, contestant, seed, requests = job
    outcome = simulate(scenario, contestant, seed, requests)
    attempts = outcome.attempts / len(outcome.latencies)
    return scenario, contestant, seed, outcome.quantile(0.99), outcome.error_share, attempts, outcome.received


def measure(
    scenarios: Iterable[str], contestants: Iterable[str], seeds: int, requests: int, processes: int
) -> list[Run]:
    """Run every contestant in every scenario with every seed; the seeds of scenarios are the same for all."""
    names = list(contestants)
    jobs = [
        (scenario, name, seed, requests) for scenario in scenarios for name in names for seed in range(1, seeds + 1)
    ]
    if processes <= 1:
        return [_job(job) for job in jobs]
    with multiprocessing.Pool(processes) as pool:
        return pool.map(_job, jobs, chunksize=2)


class Table:
    """Means over seeds."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs: dict[tuple[str, str], list[Run]] = {}
        for run in runs:
            self._runs.setdefault(run[:2], []).append(run)

    def p99(self, scenario: str, contestant: str) -> float:
        return statistics.mean(run[3] for run in self._runs[scenario, contestant])

    def errors(self, scenario: str, contestant: str) -> float:
        return statistics.mean(run[4] for run in self._runs[scenario, contestant])

    def attempts(self, scenario: str, contestant: str) -> float:
        return statistics.mean(run[5] for run in self._runs[scenario, contestant])

    def share(self, scenario: str, contestant: str, server: str) -> float:
        """Requests that *server* received, as a multiple of its fair share."""
        runs = self._runs[scenario, contestant]
        return statistics.mean(run[6][server] * len(run[6]) / sum(run[6].values()) for run in runs)

    def best(self, scenario: str, names: Iterable[str]) -> str:
        return min(names, key=lambda name: self.p99(scenario, name))


def main() -> None:
    """Run and print."""
    parser = options(__doc__ or "", rounds=4, parts=tuple(SCENARIOS))
    parser.add_argument("--requests", type=int, default=16_000, help="requests of one run (default 16000)")
    parser.add_argument("--processes", type=int, default=2, help="processes that simulate (default 2)")
    parser.add_argument("--strategies", action="store_true", help="show every other strategy of ours as well")
    arguments = parser.parse_args()
    seeds, requests = (1, 800) if arguments.quick else (arguments.rounds, arguments.requests)
    scenarios = arguments.only or list(SCENARIOS)
    references = [name for name in REFERENCES if not arguments.quick or name in ("power of two", "C3 +h")]
    ours = ["round_robin", "least_connections", "power_of_two", "peak_ewma", "least_response_time", "hash", "prequal"]
    contestants = [*references, *AUTO, *(ours if arguments.strategies else ())]
    table = Table(measure(scenarios, contestants, seeds, requests, arguments.processes))
    if arguments.json:
        rows = [
            (s, c, table.p99(s, c), table.errors(s, c), table.attempts(s, c)) for s in scenarios for c in contestants
        ]
        print_json(
            {
                "runs": [
                    dict(zip(("scenario", "contestant", "p99", "errors", "attempts"), row, strict=True)) for row in rows
                ]
            }
        )
        return
    for contestant in AUTO:
        _print(table, contestant, scenarios, references)
    if arguments.strategies:
        heads = ["p99 ms (errors %)", *ours]
        rows = [[s, *(f"{table.p99(s, c) * 1e3:.0f} ({table.errors(s, c):.2%})" for c in ours)] for s in scenarios]
        print_rows("the other strategies", [heads, *rows], left={0})


def _print(table: Table, contestant: str, scenarios: list[str], references: list[str]) -> None:
    rows = [["scenario", "p99 ms", "errors", "attempts", "best reference", "p99 ms", "×", "random p99 ms", ""]]
    ratios = []
    peers = [name for name in references if knows_as_much(name, contestant)]
    for scenario in scenarios:
        best = table.best(scenario, peers)
        ratio = table.p99(scenario, contestant) / table.p99(scenario, best)
        ratios.append(ratio)
        rows.append(
            [
                scenario,
                f"{table.p99(scenario, contestant) * 1e3:.0f}",
                f"{table.errors(scenario, contestant):.3%}",
                f"{table.attempts(scenario, contestant):.3f}",
                best,
                f"{table.p99(scenario, best) * 1e3:.0f}",
                f"{ratio:.2f}",
                f"{table.p99(scenario, 'random') * 1e3:.0f}" if "random" in references else "-",
                "pass" if ratio <= BUDGET else "short",
            ]
        )
    mean = math.exp(statistics.mean(map(math.log, ratios)))
    print_rows(f"{contestant}: beside the best reference, geometric mean {mean:.3f}", rows, left={0, 4, 8})
    if "black hole" in scenarios:
        print(f"black hole: {table.share('black hole', contestant, 's5'):.3f} of its fair share")


if __name__ == "__main__":
    main()
