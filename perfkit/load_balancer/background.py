"""What runs beside requests, if it is asked for: active checks and discovery, in one named thread and a small pool."""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from perfkit.core.context import Context
from perfkit.core.locks import OwnLock
from perfkit.core.shells import call
from perfkit.load_balancer.discovery.sources import Source, specs_of
from perfkit.load_balancer.health.active import ActiveChecks, Check, http_check, tcp_check
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.settings import LoadBalancerSettings, function_of, positive

if TYPE_CHECKING:
    from perfkit.load_balancer.balancer import LoadBalancer

__all__ = ["Background"]

PERIOD = 0.25
"""Seconds between two looks at what is due."""

POOL = 4
"""Checks at a time."""

JITTER = 0.1


class Background:
    """Checks and discovery of one balancer. Thread-safe."""

    def __init__(
        self, balancer: LoadBalancer, context: Context, settings: LoadBalancerSettings, rng: random.Random
    ) -> None:
        """Do nothing yet."""
        # Chance of its own: the threads here must not change the picks of a seeded balancer.
        self._rng = random.Random(rng.getrandbits(64))
        self._balancer, self._errors, self._settings = balancer, context.errors, settings
        self._lock = OwnLock()
        self._checks = ActiveChecks(
            interval=settings.check_interval, rise=settings.check_rise, fall=settings.check_fall, rng=self._rng
        )
        self._check: Check | None = _check_of(settings)
        self._source: Source | None = None
        self._interval, self._look_at = 10.0, 0.0
        self._pid = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None

    def discover(self, source: Source, interval: float) -> None:
        """Look *source* up now, and every *interval* seconds while this runs."""
        function_of("The source of servers", source)
        interval = positive("The interval of discovery", interval)
        with self._lock:
            self._source, self._interval = source, interval
        self._look(self._balancer.monotonic())
        self._begin()

    def check_with(self, check: Check) -> None:
        """Ask servers with *check* while this runs."""
        function_of("The check of servers", check)
        with self._lock:
            self._check = check
        self._begin()

    def start(self) -> None:
        """Begin; called again, or with nothing to do, it does nothing."""
        with self._lock:
            self._pid = os.getpid()
        self._begin()

    def stop(self) -> None:
        """End within the time that one check may take."""
        with self._lock:
            was, self._pid = self._pid, 0
            thread, pool, self._thread, self._pool = self._thread, self._pool, None, None
            self._stopping.set()
        if was != os.getpid():
            return
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        if thread is not None and thread is not threading.current_thread():
            thread.join(5.0)

    def _begin(self) -> None:
        with self._lock:
            is_wanted = self._check is not None or self._source is not None
            if self._pid != os.getpid() or not is_wanted or (self._thread is not None and self._thread.is_alive()):
                return
            self._stopping = threading.Event()
            self._checks.begin()
            self._pool = ThreadPoolExecutor(POOL, thread_name_prefix="perfkit-balancer-check")
            self._thread = threading.Thread(
                target=self._run, args=(self._stopping, self._pool), name="perfkit-balancer", daemon=True
            )
            self._thread.start()

    def _run(self, stopping: threading.Event, pool: ThreadPoolExecutor) -> None:
        while not stopping.wait(PERIOD):
            with self._errors.guarded("load_balancer", "checks and discovery failed"):
                now = self._balancer.monotonic()
                if self._source is not None and now >= self._look_at:
                    self._look(now)
                self._ask(now, pool)

    def _look(self, now: float) -> None:
        source = self._source
        if source is None:
            return
        self._look_at = now + self._interval * (1.0 + JITTER * (2.0 * self._rng.random() - 1.0))
        with self._errors.guarded("load_balancer", "discovery failed; the servers stay as they are"):
            specs = specs_of(call(source))
            if specs:
                self._balancer.reconcile(specs)
            else:
                self._errors.warn(
                    "load_balancer", "no_servers", "discovery found no server at all; the servers stay as they are"
                )

    def _ask(self, now: float, pool: ThreadPoolExecutor) -> None:
        check = self._check
        if check is None:
            return
        with self._lock:
            due = self._checks.due(self._balancer.servers, now)
        for server in due:
            pool.submit(self._ask_one, check, server)

    def _ask_one(self, check: Check, server: Server) -> None:
        try:
            good = call(check, server, timeout=self._settings.check_timeout) is not False
        except Exception:  # noqa: BLE001 - whatever a check raises is its answer
            good = False
        with self._errors.guarded("load_balancer", "the answer of a check could not be taken"):
            with self._lock:
                healthy = self._checks.answered(server, good, self._balancer.monotonic())
            if healthy is not None and not server.is_removed:
                self._balancer.set_health(server.name, healthy)


def _check_of(settings: LoadBalancerSettings) -> Check | None:
    match settings.check:
        case "http":
            return http_check(settings.check_path, settings.check_timeout)
        case "tcp":
            return tcp_check(settings.check_timeout)
        case _:
            return None
