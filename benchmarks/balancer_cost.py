"""What a choice costs: acquire and release, CPU microseconds, with 5, 50 and 500 servers.

Beside it stand a lock that is taken and let go, and a random choice from a list: what the plainest balancer would
do. Requests are in flight meanwhile, so that counts differ; `prequal` takes two probes for each request, as it
would. Best of all rounds, in turns.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable

from benchmarks.harness.table import options, print_json, print_rows
from perfkit.load_balancer import STRATEGIES, LoadBalancer

SIZES = (5, 50, 500)
IN_FLIGHT = 20
BUDGETS = {"prequal": 8.0, "auto": 4.0, "peak_ewma": 4.0}
"""Microseconds; 2.5 for those that are not named."""

OTHERS = 2.5
FLAT = 1.6
"""What 500 servers may cost as a multiple of 5."""


def _balanced(strategy: str, size: int, *, keys: bool = False) -> Callable[[int], None]:
    balancer = LoadBalancer("auto" if keys else strategy, rng=random.Random(1))
    for number in range(size):
        balancer.add_server(f"s{number}", host="127.0.0.1", port=1)
    leases = deque(balancer.acquire() for _ in range(IN_FLIGHT))
    names = [f"key {number}" for number in range(256)]
    is_probed = strategy == "prequal"
    chance = random.Random(2)

    def run(count: int) -> None:
        acquire = balancer.acquire
        if is_probed:
            for _ in range(count):
                leases.append(acquire())
                for name in balancer.probe_targets(2):
                    balancer.record_probe(name, in_flight=int(chance.random() * 5), latency=0.01)
                leases.popleft().release()
        elif keys or strategy == "hash":
            for number in range(count):
                leases.append(acquire(names[number & 255]))
                leases.popleft().release()
        else:
            for _ in range(count):
                leases.append(acquire())
                leases.popleft().release()

    return run


def _lock(size: int) -> Callable[[int], None]:
    lock = threading.Lock()

    def run(count: int) -> None:
        for _ in range(count):
            with lock:
                pass

    return run


def _choice(size: int) -> Callable[[int], None]:
    servers, choose = [f"s{number}" for number in range(size)], random.Random(1).choice

    def run(count: int) -> None:
        for _ in range(count):
            choose(servers)

    return run


def measure(rounds: int, count: int) -> dict[str, list[float]]:
    """Return microseconds by contestant, for each of `SIZES`."""
    makers: dict[str, Callable[[int], Callable[[int], None]]] = {"a lock": _lock, "random.choice": _choice}
    makers |= {name: lambda size, name=name: _balanced(name, size) for name in STRATEGIES}  # type: ignore[misc]
    makers["auto, with keys"] = lambda size: _balanced("auto", size, keys=True)
    runs = {(name, size): make(size) for name, make in makers.items() for size in SIZES}
    best = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run(count)
    for _ in range(rounds):
        for key, run in runs.items():
            began = time.process_time()
            run(count)
            best[key] = min(best[key], (time.process_time() - began) / count * 1e6)
    return {name: [best[name, size] for size in SIZES] for name in makers}


def main() -> None:
    """Measure and print."""
    arguments = options(__doc__ or "", rounds=15).parse_args()
    rounds, count = (1, 200) if arguments.quick else (arguments.rounds, 4000)
    found = measure(rounds, count)
    if arguments.json:
        print_json({"microseconds": found, "sizes": list(SIZES)})
        return
    rows = [["acquire and release", *(f"{size} servers, µs" for size in SIZES), "× random.choice", "budget", ""]]
    for name, figures in found.items():
        budget = None if name in ("a lock", "random.choice") else BUDGETS.get(name.partition(",")[0], OTHERS)
        is_kept = budget is None or (max(figures) <= budget and figures[-1] <= FLAT * figures[0])
        rows.append(
            [
                name,
                *(f"{figure:.2f}" for figure in figures),
                f"{figures[0] / found['random.choice'][0]:.1f}",
                "" if budget is None else f"≤ {budget:g} µs, flat",
                "" if budget is None else "pass" if is_kept else "short",
            ]
        )
    print_rows("the cost of a choice, best of all rounds", rows, left={0, 5, 6})


if __name__ == "__main__":
    main()
