"""The default strategy beside the best references in a world that it was never tuned in.

`benchmarks.balancing` is where `auto` was designed, so it is no judge. Here arrivals come in bursts or from people who
think, service times are log-normal, Pareto or of two kinds, servers have workers and queues, pause and fall silent,
the network takes its time and a try has a time limit of its own. Shown is p99, where a failure counts as the two
seconds that a request has: the mean over seeds, beside the best reference that knows as much, with the standard
error of the ratio over the seeds, which are the same for all.
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
from collections.abc import Iterable
from typing import Any

from benchmarks.balancing.references import PROBES, REFERENCES, REPORTS
from benchmarks.balancing_unseen.cases import CASES, HEDGED
from benchmarks.balancing_unseen.world import Result, World
from benchmarks.harness.table import options, print_json, print_rows
from perfkit.load_balancer import LoadBalancer

__all__ = ["AUTO", "BUDGET", "PEERS", "Verdicts", "measure"]

BUDGET = 1.10
"""p99 of `auto` as a multiple of the best reference's."""

AUTO = {"auto": (False, False), "auto, reports": (True, False), "auto, probes": (False, True)}
"""By name: whether answers carry reports, whether servers are probed."""

PEERS = tuple(name for name in REFERENCES if name.endswith("+h") and not name.startswith(("random", "smooth")))
"""References with what a careful team puts around them: without it they are never the best once something fails."""

Run = tuple[str, str, int, float, float, float, dict[str, int]]
"""Case, contestant, seed, p99 in seconds, share of errors, tries for each request, requests by machine."""


def play(case: str, contestant: str, seed: int, requests: int) -> Result:
    """Return the result of one run."""
    if contestant in REFERENCES:
        base = contestant.removesuffix(" +h")
        kind, reports, probes = REFERENCES[contestant], base in REPORTS, base in PROBES
        return World(CASES[case], kind, seed=seed, requests=requests, reports=reports, probes=probes).run()
    reports, probes = AUTO.get(contestant, (False, False))

    def make(**arguments: Any) -> LoadBalancer:
        return LoadBalancer("auto", **arguments)

    scene = HEDGED[case] if contestant == "auto, hedged" else CASES[case]
    return World(scene, make, seed=seed, requests=requests, reports=reports, probes=probes).run()


def peers_of(contestant: str) -> list[str]:
    """Return the references that use nothing that *contestant* is not given."""
    barred = {"auto": (*REPORTS, *PROBES), "auto, reports": PROBES, "auto, probes": REPORTS}[contestant]
    return [name for name in PEERS if name.removesuffix(" +h") not in barred]


def _job(job: tuple[str, str, int, int]) -> Run:
    case, contestant, seed, requests = job
    result = play(case, contestant, seed, requests)
    count = len(result.seconds)
    return case, contestant, seed, result.quantile(0.99), result.errors / count, result.tries / count, result.received


def measure(
    cases: Iterable[str], contestants: Iterable[str], seeds: int, requests: int, processes: int, first: int = 1
) -> list[Run]:
    """Run every contestant in every case with every seed."""
    names = list(contestants)
    jobs = [(c, n, seed, requests) for c in cases for n in names for seed in range(first, first + seeds)]
    jobs += [(c, "auto, hedged", seed, requests) for c in cases if c in HEDGED for seed in range(first, first + seeds)]
    if processes <= 1:
        return [_job(job) for job in jobs]
    with multiprocessing.Pool(processes) as pool:
        return pool.map(_job, jobs, chunksize=2)


class Verdicts:
    """What the runs say."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs: dict[tuple[str, str], list[Run]] = {}
        for run in runs:
            self._runs.setdefault(run[:2], []).append(run)

    def mean(self, case: str, contestant: str, place: int) -> float:
        """Return the mean of one of the figures of a `Run`."""
        return statistics.mean(float(run[place]) for run in self._runs[case, contestant])  # type: ignore[arg-type]

    def best(self, case: str, names: Iterable[str]) -> str:
        """Return the one with the least p99."""
        return min(names, key=lambda name: self.mean(case, name, 3))

    def ratio(self, case: str, contestant: str, peer: str) -> tuple[float, float]:
        """Return p99 as a multiple of the *peer*'s, and the standard error of that (jackknife over the seeds)."""
        ours = [run[3] for run in self._runs[case, contestant]]
        theirs = [run[3] for run in self._runs[case, peer]]
        whole, count = sum(ours) / sum(theirs), len(ours)
        if count < 2:
            return whole, 0.0
        parts = [(sum(ours) - a) / (sum(theirs) - b) for a, b in zip(ours, theirs, strict=True)]
        return whole, math.sqrt((count - 1) / count * sum((part - statistics.mean(parts)) ** 2 for part in parts))

    def share(self, case: str, contestant: str, machine: str) -> float:
        """Return the requests that *machine* received as a multiple of its fair share."""
        runs = self._runs[case, contestant]
        return statistics.mean(run[6][machine] * len(run[6]) / sum(run[6].values()) for run in runs)


def main() -> None:
    """Run and print."""
    parser = options(__doc__ or "", rounds=6, parts=tuple(CASES))
    parser.add_argument("--requests", type=int, default=12_000, help="requests of one run (default 12000)")
    parser.add_argument("--processes", type=int, default=2, help="processes that simulate (default 2)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    arguments = parser.parse_args()
    seeds, requests = (1, 600) if arguments.quick else (arguments.rounds, arguments.requests)
    cases = arguments.only or list(CASES)
    peers = ["least connections +h", "C3 +h"] if arguments.quick else list(PEERS)
    found = Verdicts(measure(cases, [*peers, *AUTO], seeds, requests, arguments.processes, arguments.first))
    if arguments.json:
        rows = [
            {"case": c, "contestant": n, "p99": found.mean(c, n, 3), "errors": found.mean(c, n, 4)}
            for c in cases
            for n in (*peers, *AUTO)
        ]
        print_json({"runs": rows})
        return
    for contestant in AUTO:
        _print(found, contestant, cases, [name for name in peers_of(contestant) if name in peers])
    for case in cases:
        if case in HEDGED:
            figures = [f"{found.mean(case, 'auto, hedged', place):.4f}" for place in (3, 4, 5)]
            print(f"{case}, hedged: p99 {figures[0]} s, errors {figures[1]}, tries for each request {figures[2]}")


def _print(found: Verdicts, contestant: str, cases: list[str], peers: list[str]) -> None:
    rows = [["case", "p99 ms", "errors", "tries", "best reference", "p99 ms", "errors", "×", "±", ""]]
    ratios = []
    for case in cases:
        best = found.best(case, peers)
        ratio, error = found.ratio(case, contestant, best)
        ratios.append(ratio)
        figures = [f"{found.mean(case, contestant, 3) * 1e3:.0f}", f"{found.mean(case, contestant, 4):.3%}"]
        theirs = [f"{found.mean(case, best, 3) * 1e3:.0f}", f"{found.mean(case, best, 4):.3%}"]
        told = "pass" if ratio <= BUDGET else "short"
        tries = f"{found.mean(case, contestant, 5):.3f}"
        rows.append([case, *figures, tries, best, *theirs, f"{ratio:.2f}", f"{error:.2f}", told])
    mean = math.exp(statistics.mean(map(math.log, ratios)))
    print_rows(f"{contestant}: beside the best reference, geometric mean {mean:.3f}", rows, left={0, 4, 9})
    if "a sick one" in cases:
        print(f"a sick one: {found.share('a sick one', contestant, 'm4'):.3f} of its fair share")


if __name__ == "__main__":
    main()
