"""What the cache costs beside the caches that people use: hits, stores, read-through, memoized functions, threads."""

from __future__ import annotations

from typing import Any

from benchmarks.cache import memoized, operations
from benchmarks.harness.table import as_json, options, print_json, print_races, progress

RACES = {
    **{part: (operations.measure, title, operations.REFERENCE) for part, title in operations.PARTS.items()},
    **{part: (memoized.measure, title, memoized.REFERENCES[part]) for part, title in memoized.PARTS.items()},
}


def main() -> None:
    arguments = options(__doc__ or "", rounds=30, parts=tuple(RACES)).parse_args()
    rounds = min(arguments.rounds, 2) if arguments.quick else arguments.rounds
    scale = 0.02 if arguments.quick else 1.0
    found: dict[str, Any] = {}
    for part in arguments.only or RACES:
        measure, title, reference = RACES[part]
        results = measure(part, rounds=rounds, scale=scale, on_round=progress(part, rounds))
        found[part] = as_json(results)
        if not arguments.json:
            print_races(f"{part}: {title}, {rounds} rounds", results, reference=reference, unit="ns", verb="each")
    if arguments.json:
        print_json(found)


if __name__ == "__main__":
    main()
