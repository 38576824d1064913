"""What the cache costs beside the caches that people use: hits, stores, read-through, memoized functions, threads."""

from __future__ import annotations

from typing import Any

from benchmarks.cache import memoized, million, operations, shadow_cost
from benchmarks.harness.table import as_json, options, print_json, print_races, print_rows, progress

RACES = {
    **{part: (operations.measure, title, operations.REFERENCE) for part, title in operations.PARTS.items()},
    **{part: (memoized.measure, title, memoized.REFERENCES[part]) for part, title in memoized.PARTS.items()},
}


def main() -> None:
    arguments = options(__doc__ or "", rounds=30, parts=(*RACES, "million", "shadow")).parse_args()
    rounds = min(arguments.rounds, 2) if arguments.quick else arguments.rounds
    scale = 0.02 if arguments.quick else 1.0
    found: dict[str, Any] = {}
    for part in arguments.only or (*RACES, "million", "shadow"):
        if part == "million":
            size = 20_000 if arguments.quick else 1_000_000
            tags = million.measure_tags(size=size)
            found[part], found["tags"] = million.measure(size=size), tags
            if not arguments.json:
                print_million(found[part])
                print_tags(tags)
        elif part == "shadow":
            sizes = shadow_cost.SIZES[:1] if arguments.quick else shadow_cost.SIZES
            found[part] = shadow_cost.measure(requests=200_000 if arguments.quick else 12_000_000, sizes=sizes)
            if not arguments.json:
                print_shadow(found[part])
        else:
            measure, title, reference = RACES[part]
            results = measure(part, rounds=rounds, scale=scale, on_round=progress(part, rounds))
            found[part] = as_json(results)
            if not arguments.json:
                print_races(f"{part}: {title}, {rounds} rounds", results, reference=reference, unit="ns", verb="each")
    if arguments.json:
        print_json(found)


def print_million(found: dict[str, dict[str, float]]) -> None:
    rows = [
        ["cache", "bytes an entry", "fill ns", "median ns", "p99.9 µs", "slowest ms", "p99.9 / median", "wanted", ""]
    ]
    for name, row in found.items():
        ratio = row["p999"] / row["median"]
        goal = ["< 100", "pass" if ratio < 100 else "short"] if name.startswith("perfkit") else ["", ""]
        figures = (1e9 * row["fill"], 1e9 * row["median"], 1e6 * row["p999"], 1e3 * row["slowest"], ratio)
        rows.append([name, f"{row['bytes']:.0f}", *(f"{figure:.1f}" for figure in figures), *goal])
    print_rows("million: a new key into a cache that is full with a million", rows, left={0, 7, 8})


def print_tags(found: dict[int, dict[str, float]]) -> None:
    rows = [["entries", "first in its process µs", "then, median µs", "best µs", "wanted", ""]]
    for size, row in found.items():
        verdict = "pass" if row["best"] < million.TAG_BUDGET else "short"
        goal = [f"< {1e6 * million.TAG_BUDGET:.0f}", verdict]
        rows.append([f"{size:,}", *(f"{1e6 * row[name]:.1f}" for name in ("first", "then", "best")), *goal])
    print_rows("tags: CPU time to invalidate the one tag that all entries have", rows, left={4, 5})


def print_shadow(found: list[dict[str, Any]]) -> None:
    rows = [
        ["strategy", "size", "requests", "windows", "time watching", "added meanwhile", "added in all", "wanted", ""]
    ]
    for row in found:
        parts = (f"{row[name]:.1%}" for name in ("watching", "added_while_watching", "added"))
        verdict = "pass" if row["added"] < shadow_cost.BUDGET else "short"
        figures = (f"{row[name]:,}" for name in ("size", "requests", "windows"))
        rows.append([row["strategy"], *figures, *parts, f"< {shadow_cost.BUDGET:.0%}", verdict])
    print_rows("shadow: its part of the cache's own time, from one window to the next", rows, left={0, 7, 8})


if __name__ == "__main__":
    main()
