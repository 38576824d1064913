"""What instruments cost: bound series and look-ups by labels, beside prometheus_client."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.table import as_json, options, print_json, print_races, progress
from benchmarks.metrics import instruments


def main() -> None:
    arguments = options(__doc__ or "", rounds=30, parts=tuple(instruments.PARTS)).parse_args()
    rounds = min(arguments.rounds, 2) if arguments.quick else arguments.rounds
    found: dict[str, Any] = {}
    for part in arguments.only or instruments.PARTS:
        scale = 0.05 if arguments.quick else 1.0
        results = instruments.measure(part, rounds=rounds, scale=scale, on_round=progress(part, rounds))
        found[part] = as_json(results)
        if not arguments.json:
            title = f"{part}: {instruments.PARTS[part]}, {rounds} rounds"
            print_races(title, results, reference=instruments.REFERENCE, unit="ns", verb="each")
    if arguments.json:
        print_json(found)


if __name__ == "__main__":
    main()
