"""Workers of a fleet that are killed at random under load, and what must hold all the while and afterwards."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass

import psutil
from fleet import Fleet, Load
from patience import until

__all__ = ["Deaths", "survive_deaths"]

log = logging.getLogger(__name__)

LEAST_KILLED = 3

COUNTERS = ("_total", "_count", "_sum", "_bucket")
"""The endings of samples that must never go back."""


@dataclass(frozen=True, kw_only=True)
class Deaths:
    """What happened: how many workers were killed, how often everything was scraped, what the clients know."""

    killed: int
    scrapes: int
    acknowledged: int
    attempted: int
    counted: int
    files: int


def survive_deaths(
    running: Fleet, path: str, route: str, *, seconds: float, scrapes: int, workers: int = 4, least_age: float = 0.0
) -> Deaths:
    """Kill workers of *running* for *seconds*, and until all was scraped *scrapes* times, while clients ask for *path*.

    What was answered is counted, what was never asked is not, no counter goes back from scrape to scrape, nothing stays
    in flight, and files stay few. Workers younger than *least_age* seconds are spared, as some servers give up when a
    new one dies at once.
    """
    load, killed, is_over = Load(running.port, path), list[int](), threading.Event()
    load.start(1_000_000)
    killer = threading.Thread(
        target=_kill, args=(running, load, killed, time.monotonic() + seconds, is_over, least_age)
    )
    killer.start()
    scraped, before = 0, dict[object, float]()
    try:
        while scraped < scrapes or killer.is_alive():
            now = {key: value for key, value in running.scrape().items() if key[0].endswith(COUNTERS)}
            gone_back = {key: (before[key], now.get(key)) for key in before if now.get(key, -1.0) < before[key]}
            assert not gone_back
            before, scraped = dict(now), scraped + 1
            if scraped >= scrapes:
                is_over.set()
            time.sleep(0.05)
    finally:
        is_over.set()
        killer.join()
        load.stop()
    running.settle()
    counted, files = running.counted(route), running.files()
    deaths = Deaths(
        killed=len(killed),
        scrapes=scraped,
        acknowledged=load.acknowledged,
        attempted=load.attempted,
        counted=counted,
        files=len(files),
    )
    log.info("%s", deaths)
    assert len(killed) >= LEAST_KILLED, deaths
    assert load.explains(counted), deaths
    assert 1 <= len(files) <= 2 * workers + 4, files
    return deaths


def _kill(
    running: Fleet, load: Load, killed: list[int], end: float, is_over: threading.Event, least_age: float
) -> None:
    """Kill a worker now and then, each after requests were answered again; some at least, however long it takes."""
    chance, latest = random.Random(7), deque[int](maxlen=8)
    while not is_over.is_set() or time.monotonic() < end or len(killed) < LEAST_KILLED:
        enough = load.acknowledged + 50
        until(lambda enough=enough: load.acknowledged >= enough)  # type: ignore[misc]
        time.sleep(chance.uniform(0.3, 1.2))
        workers = [pid for pid in running.workers() if pid not in latest]
        old = [pid for pid in workers if _age(pid) >= least_age]
        if len(workers) >= 2 and old:
            latest.append(chance.choice(old))
            with contextlib.suppress(ProcessLookupError):
                os.kill(latest[-1], signal.SIGKILL)
                killed.append(latest[-1])


def _age(pid: int) -> float:
    """Return the seconds since the process *pid* began; 0 if it has ended."""
    try:
        return time.time() - psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0
