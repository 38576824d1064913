"""The shop's visitors: a closed loop of virtual users with think time, against loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlsplit

from perfkit.core.errors import ConfigurationError
from perfkit_demo.connection import Connection
from perfkit_demo.journeys import Step, steps
from perfkit_demo.shop.pages import HOME_TTL

__all__ = ["RATE", "RUSH", "VISITORS", "Report", "Traffic", "TrafficThread"]

VISITORS = 16
"""Virtual users."""

RATE = 40.0
"""Requests a second of all visitors together, on average and at most."""

RUSH = 16
"""Who look at the home page in one moment, now and then: what finds a cache without a lock."""

MOMENT = 0.02
"""Seconds after that time at which they come."""

MAX_RATE = 500.0
MAX_VISITORS = 200

ANSWER_TIMEOUT = 10.0
"""Seconds after which a visitor gives up waiting for an answer."""

RETRY_DELAY = 0.25
"""Seconds between two attempts to reach a server that does not listen."""

SHORTEST_PAUSE = 0.01
"""Seconds that a visitor thinks at least, however late it is."""


@dataclass
class Report:
    """What the visitors met.

    Attributes:
        sent: Requests that were sent.
        answers: Answers by status.
        errors: Requests without an answer, by the kind of error.
        refused: Attempts to connect that were refused; normal while the server starts.
    """

    sent: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    refused: int = 0


class Traffic:
    """The visitors of one shop.

    The sequence of each visitor's requests depends on the seed alone; how they interleave depends on the
    answers, because a visitor asks for the next page only after the last one came.

    Attributes:
        report: What was met so far; read it at any time.
    """

    def __init__(
        self,
        url: str,
        *,
        seed: int = 0,
        visitors: int = VISITORS,
        rate: float = RATE,
        rush: int = 0,
        count: int | None = None,
        duration: float | None = None,
    ) -> None:
        """Prepare *visitors* who together send at most *rate* requests a second.

        Args:
            url: `http://` and an address of this machine's loopback.
            seed: Decides what they do.
            visitors: How many there are, 1 to 200.
            rate: Requests a second, at most 500.
            rush: Others who come together every 5 seconds, see the home page and go; they are not in the rate.
            count: Stop after so many requests; None for no limit.
            duration: Stop after so many seconds; None for no limit.

        Raises:
            ConfigurationError: The address is not on loopback, or a number is out of range.
        """
        self._host, self._port = loopback(url)
        for name, value, most in (("visitors", visitors, MAX_VISITORS), ("rate", rate, MAX_RATE)):
            if not 0 < value <= most or not 0 <= rush <= MAX_VISITORS:
                raise ConfigurationError(
                    f"The traffic's {name} is {value}. It must be above 0 and at most {most:g}. "
                    "Use a load generator to measure how much the shop can bear."
                )
        self._seed, self._visitors, self._pace = seed, visitors, visitors / rate
        self._duration, self._rush = duration, rush
        self._tickets = itertools.repeat(None) if count is None else itertools.repeat(None, count)
        self._stopping = asyncio.Event()
        self.report = Report()

    def stop(self) -> None:
        """Let `run` come to its end. Call it on the loop that runs it."""
        self._stopping.set()

    async def run(self) -> Report:
        """Send requests until one of the limits is reached or `stop` is called."""
        tasks = [asyncio.create_task(self._visit(visitor)) for visitor in range(self._visitors)]
        if self._rush:
            tasks.append(asyncio.create_task(self._come_together()))
        everybody = asyncio.create_task(asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION))
        asked = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({everybody, asked}, timeout=self._duration, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, everybody, asked):
                task.cancel()
            outcomes = await asyncio.gather(*tasks, everybody, asked, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return self.report

    async def _visit(self, visitor: int) -> None:
        thinking = Random(f"{self._seed}/thinking/{visitor}")
        connection = Connection(self._host, self._port)
        try:
            # Without this all would come in the same instant.
            await asyncio.sleep(thinking.uniform(0.0, self._pace))
            for step in steps(self._seed, visitor):
                if next(self._tickets, self) is self:
                    return
                took = await self._ask(connection, step)
                await asyncio.sleep(max(SHORTEST_PAUSE, thinking.uniform(0.7, 1.3) * self._pace - took))
        finally:
            await connection.close()

    async def _come_together(self) -> None:
        """Have others look at the home page, all in one moment, now and then."""
        connections = [Connection(self._host, self._port) for _ in range(self._rush)]
        try:
            while True:
                # When the offer changes, at a round time; what they saw before has just expired.
                await asyncio.sleep(HOME_TTL - time.time() % HOME_TTL + MOMENT)
                await asyncio.gather(*(self._ask(each, Step("GET", "/home")) for each in connections))
        finally:
            for each in connections:
                await each.close()

    async def _ask(self, connection: Connection, step: Step) -> float:
        """Send *step*, again while nobody listens, and return the seconds until it was answered."""
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    status = await connection.send(step)
            except ConnectionRefusedError:
                self.report.refused += 1
                await asyncio.sleep(RETRY_DELAY)
                continue
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:  # timeouts are OSErrors
                self.report.errors[type(error).__name__] += 1
            else:
                self.report.answers[status] += 1
            self.report.sent += 1
            return clock() - started


def loopback(url: str) -> tuple[str, int]:
    """Return host and port of *url*.

    Raises:
        ConfigurationError: It leads somewhere else than to this machine.
    """
    with contextlib.suppress(ValueError):  # an address that cannot be parsed is refused like any other
        parts = urlsplit(url)
        # "localhost" is what this machine's tables say it is; the address is not.
        host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
        if parts.scheme == "http" and ipaddress.ip_address(host).is_loopback:
            return host, parts.port or 80
    raise ConfigurationError(
        f"The traffic's target is {url!r}. It must be http:// and a loopback address, like 127.0.0.1. "
        "Start the shop here, and give the address that it prints."
    )


class TrafficThread:
    """Traffic in a thread of its own, so that a server that blocks its loop does not hold up its visitors."""

    def __init__(self, traffic: Traffic) -> None:
        """Prepare the thread of *traffic*."""
        self._traffic = traffic
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_loop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="perfkit-demo-traffic", daemon=True)

    def start(self) -> None:
        """Let the visitors in."""
        self._thread.start()
        self._has_loop.wait()

    def stop(self, timeout: float = 1.0) -> Report:
        """Send the visitors home, wait at most *timeout* seconds, and return what they met."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has come to its end by itself
                self._loop.call_soon_threadsafe(self._traffic.stop)
            self._thread.join(timeout)
        return self._traffic.report

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._has_loop.set()
        await self._traffic.run()
