"""Printing: plain aligned columns for people, JSON for programs; and the options that all benchmarks share."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.harness.results import Result, verdict

__all__ = ["as_json", "options", "print_json", "print_races", "print_rows", "progress"]

_UNITS = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}


def options(purpose: str, *, rounds: int, parts: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser of the common options."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"turns of each contestant (default {rounds})")
    parser.add_argument(
        "--quick", action="store_true", help="small slices and sizes: proves that all runs, measures little"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    if parts:
        parser.add_argument("--only", action="append", choices=parts, help="run this part only; may be given again")
    return parser


def print_races(
    title: str, results: Sequence[Result], *, reference: str, unit: str = "µs", verb: str = "added"
) -> None:
    """Print one table of a race; *reference* names the row whose CPU is 1."""
    by_name = {result.name: result for result in results if not result.absent}
    base = by_name.get(reference)
    factor = _UNITS[unit]
    heads = ["contestant", f"wall {unit} {verb}", f"CPU {unit} {verb}", "±", f"× {reference}", "budget", ""]
    rows = [heads]
    for result in results:
        if result.absent:
            rows.append([result.name, "-", "-", "", "", "", f"did not run: {result.absent}"])
            continue
        low, high = result.cpu_interval
        ratio = f"{result.cpu / base.cpu:.3f}" if base is not None and base.cpu > 0 else "-"
        budget = str(result.budget) if result.budget is not None else ""
        if result.budget is not None and result.budget.of != reference and result.budget.of in by_name:
            budget += f" (is {result.cpu / by_name[result.budget.of].cpu:.3f})"
        elif result.budget is not None and result.budget.is_wall and base is not None:
            budget += f" (is {result.wall / base.wall:.3f})"
        figures = [f"{value * factor:.2f}" for value in (result.wall, result.cpu, (high - low) / 2)]
        rows.append([result.name, *figures, ratio, budget, verdict(result, results)])
    print_rows(title, rows, left={0, 5, 6})


def print_rows(title: str, rows: Sequence[Sequence[str]], *, left: set[int]) -> None:
    """Print *rows*, the first of them as head; the columns in *left* are flush left, the others right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print(f"\n{title}")
    for number, row in enumerate(rows):
        cells = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths).rstrip())


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return *results* as plain data; seconds for each call."""
    return [
        {"name": result.name, "absent": result.absent}
        if result.absent
        else {
            "name": result.name,
            "absent": "",
            "wall": result.wall,
            "cpu": result.cpu,
            "cpu_interval": result.cpu_interval,
            "rounds": len(result.samples),
            "calls": result.calls,
            "counted": result.counted,
            "budget": {"ratio": result.budget.ratio, "of": result.budget.of} if result.budget else None,
            "verdict": verdict(result, results),
            "notes": result.notes,
        }
        for result in results
    ]


def print_json(parts: dict[str, Any]) -> None:
    """Print all *parts* with a word on the machine."""
    machine = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    print(json.dumps({"machine": machine, **parts}, indent=2))


def progress(title: str, total: int) -> Any:
    """Return a function that shows the number of the round on a terminal."""

    def show(number: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{title}: round {number} of {total} ", end="\n" if number == total else "", file=sys.stderr)

    return show
