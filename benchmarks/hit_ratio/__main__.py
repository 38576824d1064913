"""Which part of the requests each eviction policy answers: ours beside plain references, over all traces and sizes.

Ours run as users run them: `get`, and `set` what was not there, on a `CacheManager`. ``--traces DIR`` adds real traces.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.table import options, print_json, print_rows
from benchmarks.hit_ratio import shadows
from benchmarks.hit_ratio.references import ONLINE, hit_ratio, optimum
from benchmarks.hit_ratio.traces import REQUESTS, SYNTHETIC, read_folder
from perfkit.cache import POLICIES, CacheManager

SHARES = (0.01, 0.03, 0.1)
"""Sizes of the cache, as parts of the distinct keys of a trace."""

OURS = tuple(strategy for strategy in POLICIES if strategy != "ttl")
"""`ttl` goes by times to live, which traces have none of."""


def of_ours(strategy: str, size: int, keys: Sequence[Any]) -> float:
    """Return the hit ratio of our cache."""
    cache = CacheManager(strategy=strategy, max_size=size)
    get, put, hits = cache.get, cache.set, 0
    for key in keys:
        if get(key):
            hits += 1
        else:
            put(key, True)
    cache.close()
    return hits / len(keys)


def rows(traces: dict[str, list[int]], shares: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Yield one row a trace and size, all ratios in percent."""
    for name, keys in traces.items():
        distinct = len(set(keys))
        for share in shares:
            size = max(10, round(distinct * share))
            found = {f"perfkit {each}": of_ours(each, size, keys) for each in OURS}
            found |= {each: hit_ratio(make(size), keys) for each, make in ONLINE.items()}
            found["OPT"] = optimum(size, keys)
            ratios = {each: 100.0 * ratio for each, ratio in found.items()}
            yield {"trace": name, "share": share, "size": size, "ratios": ratios}


def summary(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return what the goals are about, in points."""
    ratios = [row["ratios"] for row in found]
    gains = [each["perfkit adaptive"] - each["LRU"] for each in ratios]
    best = [max(each[name] for name in ONLINE) for each in ratios]
    return {
        "lru_differs_at_most": max(abs(each["perfkit lru"] - each["LRU"]) for each in ratios),
        "fifo_differs_at_most": max(abs(each["perfkit fifo"] - each["FIFO"]) for each in ratios),
        "adaptive_over_lru": statistics.mean(gains),
        "adaptive_over_lru_worst": min(gains),
        "adaptive_under_best": statistics.mean(
            max(0.0, top - each["perfkit adaptive"]) for top, each in zip(best, ratios, strict=True)
        ),
        "aged_lfu_over_lfu": statistics.mean(each["perfkit lfu"] - each["LFU"] for each in ratios),
    }


GOALS = (
    ("lru equals the reference", "lru_differs_at_most", "= 0", lambda value: value == 0.0),
    ("fifo equals the reference", "fifo_differs_at_most", "= 0", lambda value: value == 0.0),
    ("adaptive over LRU, mean", "adaptive_over_lru", "≥ 4.5", lambda value: value >= 4.5),
    ("adaptive over LRU, worst row", "adaptive_over_lru_worst", "≥ -1.5", lambda value: value >= -1.5),
    ("adaptive under the best of each row, mean", "adaptive_under_best", "≤ 0.9", lambda value: value <= 0.9),
)


def main() -> None:
    parser = options(__doc__ or "", rounds=1)
    parser.add_argument("--traces", type=Path, help="folder with real traces")
    arguments = parser.parse_args()
    count = REQUESTS // 20 if arguments.quick else REQUESTS
    traces = {name: make(count) for name, make in SYNTHETIC.items()}
    if arguments.traces is not None:
        traces |= {
            name: keys[:count] if arguments.quick else keys for name, keys in read_folder(arguments.traces).items()
        }
    found = list(rows(traces, SHARES[:1] if arguments.quick else SHARES))
    figures = summary(found)
    told = list(shadows.rows(traces))
    if arguments.json:
        off = {"all": shadows.errors(told), **shadows.errors_by_column(told)}
        print_json({"rows": found, "summary": figures, "shadow": told, "shadow_errors": off})
        return
    print_ratios(found, figures)
    print_shadow(told)


def print_ratios(found: Sequence[dict[str, Any]], figures: dict[str, float]) -> None:
    names = list(found[0]["ratios"])
    table = [["trace", "size", *names]]
    for row in found:
        size = f"{row['share']:.0%} = {row['size']}"
        table.append([row["trace"], size, *(f"{row['ratios'][name]:.1f}" for name in names)])
    means = (statistics.mean(row["ratios"][name] for row in found) for name in names)
    table.append(["mean", "", *(f"{mean:.1f}" for mean in means)])
    print_rows("hit ratios, %; real traces have a star", table, left={0})
    goals = [["goal", "points", "wanted", ""]]
    for title, name, wanted, holds in GOALS:
        goals.append([title, f"{figures[name]:.2f}", wanted, "pass" if holds(figures[name]) else "short"])
    goals.append(["lfu (ageing) over plain LFU, mean", f"{figures['aged_lfu_over_lfu']:.2f}", "", ""])
    print_rows("goals", goals, left={0, 2, 3})


def print_shadow(told: Sequence[dict[str, Any]]) -> None:
    table = [["trace", "cache", *shadows.COLUMNS]]
    for row in told:
        cells = (row["gains"].get(name) for name in shadows.COLUMNS)
        table.append(
            [
                row["trace"],
                f"{row['strategy']}, {row['size']}",
                *("" if each is None else f"{each[0]:+.1f} ({each[1]:+.1f})" for each in cells),
            ]
        )
    by_column = shadows.errors_by_column(told).values()
    table.append(["off, mean", "", *(f"{each['mean']:.1f}" for each in by_column)])
    table.append(["off, at most", "", *(f"{each['largest']:.1f}" for each in by_column)])
    found = shadows.errors(told)
    title = f"the shadow: gains as told (as they are), points; off by {found['mean']:.1f} on average"
    print_rows(f"{title}, {found['largest']:.1f} at most", table, left={0, 1})


if __name__ == "__main__":
    main()
