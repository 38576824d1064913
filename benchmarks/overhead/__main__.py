"""What a request costs more: perfkit beside a hand-written middleware and the usual packages."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.results import Budget, Result
from benchmarks.harness.rounds import Contestant, race
from benchmarks.harness.table import as_json, options, print_json, print_races, progress
from benchmarks.overhead import django_race, wsgi_race
from benchmarks.overhead.layers import LAYERS
from benchmarks.overhead.near import is_near
from benchmarks.overhead.subject import FRAMEWORKS

REFERENCE = "hand-written"
BUDGETS = {
    "perfkit, in memory": Budget(0.4, REFERENCE),
    "perfkit, shared file": Budget(0.4, REFERENCE),
    "perfkit, exchange open": Budget(0.55, REFERENCE),
    "perfkit, everything on": Budget(0.55, REFERENCE),
}
CALLS = {"starlette": 1000, "fastapi": 400}


def measure(framework: str, *, rounds: int, scale: float, near: bool = False) -> list[Result]:
    """Race all layers that fit *framework*, or those *near* the budgets."""
    if framework in django_race.FRAMEWORKS:
        return django_race.measure(framework, rounds=rounds, scale=scale, near=near)
    if framework in wsgi_race.FRAMEWORKS:
        return wsgi_race.measure(framework, rounds=rounds, scale=scale, near=near)
    contestants = [
        Contestant(
            name=name,
            factory="benchmarks.overhead.subject:subject",
            argument=f"{framework}/{name}",
            calls=CALLS[framework],
            budget=BUDGETS.get(name),
        )
        for name in LAYERS
        if (framework == "fastapi" or not name.startswith("FastAPI")) and (is_near(name) or not near)
    ]
    return race(contestants, rounds=rounds, scale=scale, on_round=progress(framework, rounds))


def main() -> None:
    frameworks = (*FRAMEWORKS, *wsgi_race.FRAMEWORKS, *django_race.FRAMEWORKS)
    parser = options(__doc__ or "", rounds=40, parts=frameworks)
    parser.add_argument("--near", action="store_true", help="only ours, the hand-written and those in a budget")
    arguments = parser.parse_args()
    rounds, scale = (min(arguments.rounds, 2), 0.1) if arguments.quick else (arguments.rounds, 1.0)
    found: dict[str, Any] = {}
    for framework in arguments.only or frameworks:
        results = measure(framework, rounds=rounds, scale=scale, near=arguments.near)
        found[framework] = as_json(results)
        if not arguments.json:
            bare = results[0].twin_cpu * 1e6
            title = f"{framework}: one request (bare {bare:.1f} µs of CPU), {rounds} rounds"
            print_races(title, results, reference=REFERENCE)
    if arguments.json:
        print_json(found)


if __name__ == "__main__":
    main()
