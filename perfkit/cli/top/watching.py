"""Asks a service again and again, in a thread of its own: keys must answer while the service does not."""

from __future__ import annotations

import threading

from perfkit.cli.console import clean
from perfkit.cli.reading.exchanges import slowest
from perfkit.cli.reading.overview import Overview
from perfkit.cli.reading.past import RANGES, Past, past
from perfkit.cli.reading.service import Service
from perfkit.core.errors import PerfkitError
from perfkit.recorder.kept import KeptExchange

__all__ = ["Watching"]


class Watching:
    """The last answer of a service. Thread-safe."""

    def __init__(self, service: Service, interval: float) -> None:
        """Ask *service* every *interval* seconds once started."""
        self._service, self._interval = service, interval
        self._lock = threading.Lock()
        self._overview: Overview | None = None
        self._error = ""
        self._count = 0
        self._past: Past | None = None
        self._wanted, self._range = "", RANGES[0]
        self._kept: tuple[str, KeptExchange | None, str] = ("", None, "")
        self._ending, self._waking = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="perfkit-top", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a question that is under way is left to end with the process."""
        self._ending.set()
        self._waking.set()

    def want(self, route: str, range: str = RANGES[0]) -> None:
        """Ask for the slowest kept request of *route* next, and for the routes of *range*, one of `RANGES`."""
        with self._lock:
            is_new, self._wanted = route != self._wanted, route
            if is_new:
                self._kept = ("", None, "")  # what was the slowest then need not be now
            is_new, self._range = is_new or range != self._range, range
        if is_new:
            self._waking.set()

    @property
    def kept(self) -> tuple[str, KeptExchange | None, str]:
        """The route that was asked for, its slowest kept request, and why there is none."""
        with self._lock:
            return self._kept

    @property
    def last(self) -> tuple[Overview | None, Past | None, str, int]:
        """The last answer, its routes over a longer range, why there is no newer one (else empty), and a number.

        The number rises with each attempt.
        """
        with self._lock:
            return self._overview, self._past, self._error, self._count

    def ask(self) -> None:
        """Ask once, now."""
        with self._lock:
            wanted = self._range
        try:
            overview, longer = past(self._service, wanted)
        except PerfkitError as failed:
            with self._lock:
                self._error = clean(str(failed))
                self._count += 1
            return
        with self._lock:
            self._overview, self._past, self._error = overview, longer, ""
            self._count += 1

    def _ask_kept(self) -> None:
        with self._lock:
            route = self._wanted
        if not route or route == self.kept[0]:
            return
        try:
            told = (route, slowest(self._service, route), "")
        except PerfkitError as failed:
            told = (route, None, clean(str(failed)))
        with self._lock:
            self._kept = told
            self._count += 1

    def _run(self) -> None:
        while not self._ending.is_set():
            self._waking.clear()
            self.ask()
            self._ask_kept()
            self._waking.wait(self._interval)
