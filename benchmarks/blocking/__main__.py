"""The event-loop watch: does it find blocks of 110 ms and leave those of 60 ms alone, and what does it cost.

Detection is asked of a real loop with other tasks in it; a block counts as long as its own clock says. Cost is the CPU
of the whole process with the watch less that without, taken in turns: in an idle loop (a share of a core) and in one
that has always something to run (a factor), there beside asyncio's debug mode, which looks for slow callbacks too.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from benchmarks.harness.table import options, print_json, print_rows
from perfkit.core.context import Context
from perfkit.performance import BlockedLoop
from perfkit.performance.blocking.watch import QUIET, LoopWatch
from perfkit.performance.settings import Blocking
from perfkit.store import Store

BUDGET = 0.01
"""Cores that the watch may cost in an idle process."""


def main() -> None:
    arguments = options(__doc__ or "", rounds=9).parse_args()
    goes, rounds, seconds = (3, 2, 0.3) if arguments.quick else (10, arguments.rounds, 3.0)
    found = {"110 ms": asyncio.run(detect(0.110, goes)), "60 ms": asyncio.run(detect(0.060, goes))}
    idle = in_turns({"bare": idle_share, "watched": lambda s: idle_share(s, is_watched=True)}, rounds, seconds)
    busy = in_turns(
        {
            "bare": busy_cost,
            "watched": lambda s: busy_cost(s, is_watched=True),
            "asyncio debug": lambda s: busy_cost(s, debug=True),
        },
        rounds,
        seconds / 3,
    )
    share = idle["watched"] - idle["bare"]
    results = {"detection": found, "idle": {**idle, "added": share}, "busy": busy}
    if arguments.json:
        print_json(results)
        return
    rows = [["blocks of", "made", "reported", "longest reported s"]]
    rows += [[name, str(each["made"]), str(each["reported"]), f"{each['longest']:.3f}"] for name, each in found.items()]
    print_rows("detection, threshold 0.1 s", rows, left={0})
    print_rows(
        f"an idle loop, {rounds} rounds, budget {BUDGET:.1%} of a core",
        [
            ["loop", "% of a core", ""],
            ["bare", f"{idle['bare'] * 100:.3f}", ""],
            ["watched", f"{idle['watched'] * 100:.3f}", ""],
            ["added", f"{share * 100:.3f}", "pass" if share < BUDGET else "short"],
        ],
        left={0, 2},
    )
    rows = [["loop", "CPU µs a callback", "× bare"]]
    rows += [[name, f"{each * 1e6:.2f}", f"{each / busy['bare']:.3f}"] for name, each in busy.items()]
    print_rows("a busy loop", rows, left={0})


def watch() -> tuple[Context, LoopWatch]:
    """Return a watch that runs, and its surroundings."""
    context = Context(store=Store())
    context.errors.count = None
    watching = LoopWatch(context, Blocking())
    watching.start()
    return context, watching


async def detect(seconds: float, goes: int) -> dict[str, Any]:
    """Block a loop *goes* times for *seconds* and tell how often that was reported."""
    context, watching = watch()
    told: list[BlockedLoop] = []
    context.events.on("blocked_loop", told.append)
    context.loops.enter()
    others = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(20)]
    taken = []
    for n in range(goes):
        await asyncio.sleep(0.2 + n * 0.0037)
        began = time.monotonic()
        block(seconds)
        taken.append(time.monotonic() - began)
    await asyncio.sleep(0.5)
    for other in others:
        other.cancel()
    watching.stop()
    right = [each for each in told if each.function == "block"]
    return {
        "made": len(taken),
        "reported": len(right),
        "longest made": max(taken),
        "longest": max((each.seconds for each in right), default=0.0),
    }


def block(seconds: float) -> None:
    """Keep the loop from everything else."""
    time.sleep(seconds)


def in_turns(contestants: dict[str, Any], rounds: int, seconds: float) -> dict[str, float]:
    """Return the median of each contestant."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            taken[name].append(measure(seconds))
    return {name: statistics.median(values) for name, values in taken.items()}


def idle_share(seconds: float, *, is_watched: bool = False) -> float:
    """Return the cores that a process with an idle loop uses."""

    async def main() -> float:
        context, watching = watch() if is_watched else (None, None)
        if context is not None:
            context.loops.enter()
            await asyncio.sleep(QUIET)
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        used = (time.process_time() - cpu) / (time.monotonic() - began)
        if watching is not None:
            watching.stop()
        return used

    return asyncio.run(main())


def busy_cost(seconds: float, *, is_watched: bool = False, debug: bool = False) -> float:
    """Return the CPU seconds of one callback in a loop that has always one to run."""

    async def main() -> float:
        context, watching = watch() if is_watched else (None, None)
        if context is not None:
            context.loops.enter()
        loop = asyncio.get_running_loop()
        turns, give_up_at, done = 0, time.monotonic() + seconds, loop.create_future()

        def turn() -> None:
            nonlocal turns
            turns += 1
            if turns % 64 == 0 and time.monotonic() > give_up_at:
                done.set_result(None)
            else:
                loop.call_soon(turn)

        cpu = time.process_time()
        turn()
        await done
        used = (time.process_time() - cpu) / turns
        if watching is not None:
            watching.stop()
        return used

    return asyncio.run(main(), debug=debug)


if __name__ == "__main__":
    main()
