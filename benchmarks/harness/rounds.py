"""The harness: every contestant in a process of its own, all of them measured turn by turn.

Global state (OpenTelemetry's providers, prometheus_client's registry, import hooks) forbids one process for all. So
each contestant gets a child, which holds the contestant and its *twin*: the same thing bare. The parent goes round: it
says "go" to one child, waits for its timings, then to the next. Only one child works at a time; the others sleep in
`read`.

In a turn the child runs small pieces of both in the order twin, contestant, contestant, twin, …, and answers the sums.
What the contestant adds is their difference, in the same process and the same milliseconds: the layout of memory, hash
seeds and the speed of the core are the same in both. The twin's CPU is that of its thread alone, the contestant's that
of the whole process, so threads that a contestant keeps busy (exporters) are on its own bill. Only where the twin needs
threads for its own work is it measured as the contestant is.

Garbage: the collector stays on, as in production, so that the garbage that a contestant makes is on its bill too. What
was built before the rounds is frozen (`gc.freeze`); a turn begins after a full collection and a piece after one of the
youngest.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from benchmarks.harness.results import Budget, Result, Sample, scale_to_twin

__all__ = ["Contestant", "Subject", "race"]


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One row of a table.

    Attributes:
        factory: ``module:function``; called in the child with *argument*, returns a `Subject`.
        calls: Calls in a turn.
        pieces: Parts of a turn, twin and contestant by turns.
        environment: Variables that the child gets before it imports anything.
    """

    name: str
    factory: str
    argument: str = ""
    calls: int = 1000
    pieces: int = 10
    budget: Budget | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Subject:
    """What a child measures.

    Attributes:
        run: Makes that many calls; what it leaves to its threads it waits for.
        twin: The same bare; where the whole is of interest and not a difference, any fixed work as a yardstick.
        is_difference: Whether the twin is to be subtracted.
        has_threads: Whether the twin itself works in several threads; its CPU is then that of the process, too.
        prepare: Called before each piece, not timed.
        counted: Calls that the contestant's own numbers show, or None.
        notes: Further figures, asked for once at the end.
        close: Releases everything.
    """

    run: Callable[[int], None]
    twin: Callable[[int], None]
    is_difference: bool = True
    has_threads: bool = False
    prepare: Callable[[], None] = lambda: None
    counted: Callable[[], float | None] = lambda: None
    notes: Callable[[], dict[str, Any]] = dict
    close: Callable[[], None] = lambda: None


def race(
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    scale: float = 1.0,
    on_round: Callable[[int], None] | None = None,
) -> list[Result]:
    """Measure *contestants* in turns, *rounds* times; a turn has *scale* times the contestant's calls."""
    runners = [_Runner(contestant, scale) for contestant in contestants]
    try:
        for runner in runners:
            runner.turn(kept=False)
        for number in range(rounds):
            for runner in runners:
                runner.turn()
            if on_round is not None:
                on_round(number + 1)
        results = [runner.finish() for runner in runners]
    finally:
        for runner in runners:
            runner.end()
    scale_to_twin(results)
    return results


class _Runner:
    """The parent's side of one child."""

    def __init__(self, contestant: Contestant, scale: float) -> None:
        self._pieces = contestant.pieces
        self._piece = max(1, round(contestant.calls * scale / contestant.pieces))
        self._result = Result(name=contestant.name, budget=contestant.budget)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness.rounds", contestant.factory, contestant.argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **contestant.environment},
        )

    def turn(self, *, kept: bool = True) -> None:
        answer = self._ask("turn", pieces=self._pieces, piece=self._piece)
        if answer is not None and kept:
            calls = self._pieces * self._piece
            seconds = (answer["own"]["wall"], answer["own"]["cpu"], answer["twin"]["wall"], answer["twin"]["cpu"])
            self._result.samples.append(Sample(*(value / calls for value in seconds)))

    def finish(self) -> Result:
        answer = self._ask("finish")
        if answer is not None:
            self._result.calls, self._result.counted = answer["calls"], answer["counted"]
            self._result.notes, self._result.is_difference = answer["notes"], answer["is_difference"]
        return self._result

    def end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, verb: str, **details: Any) -> dict[str, Any] | None:
        """Send one request and wait for its answer; None once the contestant has failed."""
        if self._result.absent:
            return None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"verb": verb, **details}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            self._result.absent = answer["error"]
            return None
        return answer


def _child(factory: str, argument: str, requests: IO[str], answers: IO[str]) -> None:
    """Serve the parent until it closes the pipe."""

    def answer(**details: Any) -> None:
        answers.write(json.dumps(details) + "\n")
        answers.flush()

    module, _, function = factory.partition(":")
    calls = 0
    subject: Subject | None = None
    try:
        for line in requests:
            request = json.loads(line)
            if subject is None:
                subject = getattr(importlib.import_module(module), function)(argument)
                gc.collect()
                gc.freeze()
            if request["verb"] == "turn":
                calls += request["pieces"] * request["piece"]
                answer(**_turn(subject, request["pieces"], request["piece"]))
            else:
                answer(
                    calls=calls,
                    counted=subject.counted(),
                    notes=subject.notes(),
                    is_difference=subject.is_difference,
                )
    except Exception as error:  # noqa: BLE001 - the boundary: the parent shows the row as absent
        if not isinstance(error, ImportError):
            traceback.print_exc()
        answer(error=f"{type(error).__name__}: {error}")
    finally:
        if subject is not None:
            subject.close()


def _turn(subject: Subject, pieces: int, calls: int) -> dict[str, dict[str, float]]:
    """Run *pieces* pieces of *calls* calls of both; return the sums of their seconds."""
    twin, own = {"wall": 0.0, "cpu": 0.0}, {"wall": 0.0, "cpu": 0.0}
    gc.collect()
    for number in range(pieces):
        twin_clock = time.process_time if subject.has_threads else time.thread_time
        pair = [(subject.twin, twin_clock, twin), (subject.run, time.process_time, own)]
        for run, clock, total in pair if number % 2 == 0 else reversed(pair):
            subject.prepare()
            gc.collect(0)
            _time(run, calls, clock, total)
    return {"twin": twin, "own": own}


def _time(run: Callable[[int], None], calls: int, clock: Callable[[], float], total: dict[str, float]) -> None:
    """Add the wall and CPU seconds of *calls* calls to *total*."""
    wall, cpu = time.perf_counter(), clock()
    run(calls)
    cpu_end, wall_end = clock(), time.perf_counter()
    total["cpu"] += cpu_end - cpu
    total["wall"] += wall_end - wall


if __name__ == "__main__":
    _answers = sys.stdout
    sys.stdout = sys.stderr  # whatever a contestant prints must not get between the answers
    _child(sys.argv[1], sys.argv[2], sys.stdin, _answers)
