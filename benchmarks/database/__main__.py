"""What capturing a statement costs, beside others, and what the shape of a statement costs beside sqlglot."""

from __future__ import annotations

from typing import Any

from benchmarks.database import statements
from benchmarks.harness.table import as_json, options, print_json, print_races, progress


def main() -> None:
    arguments = options(__doc__ or "", rounds=30, parts=tuple(statements.PARTS)).parse_args()
    rounds = min(arguments.rounds, 2) if arguments.quick else arguments.rounds
    found: dict[str, Any] = {}
    for part in arguments.only or statements.PARTS:
        results = statements.measure(
            part, rounds=rounds, scale=0.05 if arguments.quick else 1.0, on_round=progress(part, rounds)
        )
        found[part] = as_json(results)
        if not arguments.json:
            title = f"{part}: {statements.PARTS[part]}, {rounds} rounds"
            print_races(title, results, reference=statements.REFERENCES[part])
    if arguments.json:
        print_json(found)


if __name__ == "__main__":
    main()
