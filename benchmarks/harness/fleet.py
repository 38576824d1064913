"""Worker processes by fork: all alive at once, each does its work when asked; and scenes in a process of their own."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["Fleet", "in_own_process"]


class Fleet:
    """*count* forked workers. Fork them before the calling process opens anything or starts a thread.

    Each worker calls *build* with its number and keeps what that returns; `work` calls it once in every worker.
    """

    def __init__(self, count: int, build: Callable[[int], Callable[[], None]]) -> None:
        """Fork the workers and wait until each is built."""
        self._workers: list[tuple[int, int, int]] = []
        for number in range(count):
            self._workers.append(_fork_worker(partial(build, number), self._workers))
        self._await_all()

    def work(self) -> None:
        """Let every worker do its work once; return when all have."""
        for _, orders, _ in self._workers:
            os.write(orders, b"w")
        self._await_all()

    def close(self) -> None:
        """End all workers."""
        for process, orders, answers in self._workers:
            os.close(orders)
            os.close(answers)
            os.waitpid(process, 0)
        self._workers.clear()

    def _await_all(self) -> None:
        for process, _, answers in self._workers:
            if os.read(answers, 1) != b"d":
                raise RuntimeError(f"Worker {process} ended early. Its traceback stands above.")


def _fork_worker(build: Callable[[], Callable[[], None]], siblings: list[tuple[int, int, int]]) -> tuple[int, int, int]:
    """Return the process, the pipe to order work by and the pipe of its answers."""
    orders_read, orders_write = os.pipe()
    answers_read, answers_write = os.pipe()
    process = os.fork()
    if process:
        os.close(orders_read)
        os.close(answers_write)
        return process, orders_write, answers_read
    status = 1
    try:
        for descriptor in (orders_write, answers_read, *(pipe for _, *pipes in siblings for pipe in pipes)):
            os.close(descriptor)
        work = build()
        os.write(answers_write, b"d")
        while os.read(orders_read, 1):
            work()
            os.write(answers_write, b"d")
        status = 0
    except BaseException:  # noqa: BLE001 - the last frame of a forked process: nothing may leave it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def in_own_process(scene: Callable[[], Any]) -> Any:
    """Run *scene* in a forked process; return its result, which must be fit for JSON."""
    answer_read, answer_write = os.pipe()
    process = os.fork()
    if not process:
        os.close(answer_read)
        status = 1
        try:
            with os.fdopen(answer_write, "w") as answer:
                json.dump(scene(), answer)
            status = 0
        except BaseException:  # noqa: BLE001 - the last frame of a forked process: nothing may leave it
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(answer_write)
    with os.fdopen(answer_read) as answer:
        text = answer.read()
    _, status = os.waitpid(process, 0)
    if status or not text:
        raise RuntimeError(f"{scene!r} failed in its process. Its traceback stands above.")
    return json.loads(text)
