"""The demo: a temporary shop, its server and its visitors, from start to a clean end."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlencode

from perfkit.core.errors import PerfkitError
from perfkit_demo.described import FRAMEWORKS, Described
from perfkit_demo.servers import HOST, Server, listening_socket, server_of
from perfkit_demo.shop.fixes import Fixes
from perfkit_demo.shop.seed import seed_database, temporary_folder
from perfkit_demo.stock import StockServer
from perfkit_demo.traffic import RUSH, Report, Traffic, TrafficThread

__all__ = ["Demo", "run"]

RELEASE, NEXT_RELEASE = "2.8.0", "2.8.1"
STORY = "n1"
"""The problem that comes with the next release."""

RELEASE_AFTER = 60.0
"""Seconds after which that is out."""

RULES = {
    "RouteFails": {
        "metric": "http_server_request_duration_seconds",
        "measure": "ratio",
        "where": {"error_type": "!~|client_disconnected|_other"},
        "by": ["http_request_method", "http_route"],
        "above": 0.08,
        "clear": 0.05,
        "window": 60,
        "for": 5,
        "minimum_traffic": 30,
        "unit": "ratio",
        "summary": "{http_request_method} {http_route} failed {value} of its requests in {window}",
    }
}
"""What the demo alerts of, beside the rules that every service has: the flaky dependency shows there."""

START_TIMEOUT = 30.0
"""Seconds that the server may take until it listens."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What is wanted of the demo.

    Attributes:
        framework: The framework of the shop, one of `perfkit_demo.described.FRAMEWORKS`.
        port: Port on 127.0.0.1; 0 for any free one.
        workers: Worker processes.
        traffic: Whether visitors come.
        opens_browser: Whether the dashboard is opened in a browser.
        seed: Decides the data, the visitors and the failures.
        duration: Seconds after which it ends by itself; None for no end.
        fixes: Names of problems that are mended from the start.
        has_story: Whether the list of products is fine at first, and a bad release comes after a minute.
    """

    framework: str = FRAMEWORKS[0]
    port: int = 8000
    workers: int = 1
    traffic: bool = True
    opens_browser: bool = False
    seed: int = 0
    duration: float | None = None
    fixes: tuple[str, ...] = ()
    has_story: bool = True


def run(demo: Demo) -> None:
    """Run *demo* until its duration is over or a signal comes; nothing of it is left then.

    Addresses go to stdout, a line each; messages to stderr.

    Raises:
        ConfigurationError: The port cannot be had.
        PerfkitError: The server did not start, or ended by itself.
    """
    with ExitStack() as stack:
        stopping = stack.enter_context(signals())
        bound = stack.enter_context(listening_socket(demo.port))
        folder = stack.enter_context(temporary_folder())
        say("Seeding the shop ...")
        database = folder / "shop.db"
        seed_database(database, demo.seed)
        mended = {*demo.fixes, *((STORY,) if demo.has_story else ())}
        Fixes(database).begin_with(mended)
        stock = StockServer(demo.seed)
        stock.start()
        stack.callback(stock.stop)
        environment = environment_of(demo, database, os.environ, stock_url=stock.url)
        stack.enter_context(environment_variables(environment))
        port: int = bound.getsockname()[1]
        server = server_of(demo.framework, bound, demo.workers)
        server.start()
        stack.callback(server.stop)
        if not wait_until_listening(port, server, stopping):
            return
        dashboard = announce(port, environment)
        if demo.traffic:
            visitors = TrafficThread(Traffic(f"http://{HOST}:{port}", seed=demo.seed, rush=RUSH))
            visitors.start()
            stack.callback(lambda: say_goodbye(visitors.stop()))
        if demo.has_story and STORY not in demo.fixes and environment["PERFKIT_ENVIRONMENT"] == "development":
            story = threading.Timer(RELEASE_AFTER, tell_story, (port,))
            story.daemon = True
            story.start()
            stack.callback(story.cancel)
        if demo.opens_browser:
            webbrowser.open(dashboard)
        wait_until_over(server, stopping, demo.duration)


@contextmanager
def signals() -> Iterator[threading.Event]:
    """Give an event that is set by the first signal to end; the second one raises KeyboardInterrupt."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asked to go on without a terminal
        wanted.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tell_story(port: int) -> None:
    """Have the shop become release 2.8.1, whose list of products asks once more for each of them."""
    form = urlencode({"fix": STORY, "on": "0", "release": NEXT_RELEASE})
    connection = http.client.HTTPConnection(HOST, port, timeout=10.0)
    try:
        connection.request("POST", "/demo", form, {"Content-Type": "application/x-www-form-urlencoded"})
        connection.getresponse().read()
        say(f"Release {NEXT_RELEASE} of the shop is out. {HOST}:{port}/demo mends what is wrong with it.")
    except OSError as error:
        say(f"Release {NEXT_RELEASE} of the shop could not be told: {error}.")
    finally:
        connection.close()


def environment_of(demo: Demo, database: Path, environ: Mapping[str, str], *, stock_url: str = "") -> dict[str, str]:
    """Return the variables to set for the shop; what the user has set in *environ* stays as it is."""
    named = environ.get("PERFKIT_ENVIRONMENT", "development")
    wanted = {
        "PERFKIT_ENVIRONMENT": named,
        "PERFKIT_RELEASE": environ.get("PERFKIT_RELEASE", RELEASE),
        "PERFKIT_TOKEN": environ.get("PERFKIT_TOKEN") or secrets.token_urlsafe(24),
        **{name: environ.get(name, value) for name, value in quick(demo.workers).items()},
    }
    if demo.workers > 1 or demo.framework != "fastapi":
        # The numbers that worker processes share go into the folder that is removed at the end.
        numbers = str(database.parent / "numbers")
        wanted["PERFKIT_STORE__DIRECTORY"] = environ.get("PERFKIT_STORE__DIRECTORY", numbers)
    shop = Described(
        database=database,
        framework=demo.framework,
        seed=demo.seed,
        workers=demo.workers,
        stock_url=stock_url,
        has_workbench=named == "development",
    )
    return {**wanted, **shop.environment}


def quick(workers: int) -> dict[str, str]:
    """Return the settings with which a demonstration of minutes shows what takes hours in production.

    The score looks back one minute, so that it follows the buttons, and wants pages within 0.1 s; an alert waits for
    seconds, and so does the watch over the memory, which goes by the objects of the shop's own types then.
    """
    memory = "PERFKIT_PERFORMANCE__MEMORY__"
    return {
        "PERFKIT_ALERTS__INTERVAL": "2",
        "PERFKIT_ALERTS__RULES": json.dumps(RULES),
        "PERFKIT_PERFORMANCE__THRESHOLDS__RESPONSE_TIME": "0.1",
        "PERFKIT_PERFORMANCE__WINDOW": "60",
        f"{memory}WINDOW": "36",
        f"{memory}WARM_UP": "3",
        f"{memory}GROWTH": str(max(1, 3 // workers) * 1024 * 1024),
        f"{memory}TYPES": "true",
    }


@contextmanager
def environment_variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and set them back at the end."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def wait_until_listening(port: int, server: Server, stopping: threading.Event) -> bool:
    """Return True when somebody listens on *port*, False when the demo was told to stop before.

    Raises:
        PerfkitError: The server ended, or took too long.
    """
    give_up_at = time.monotonic() + START_TIMEOUT
    while not stopping.is_set():
        if not server.is_running() or time.monotonic() > give_up_at:
            raise PerfkitError(
                "The shop's server did not start. It should listen within "
                f"{START_TIMEOUT:g} seconds. Look at the messages above."
            )
        try:
            socket.create_connection((HOST, port), timeout=1.0).close()
        except OSError:
            stopping.wait(0.05)
        else:
            return True
    return False


def wait_until_over(server: Server, stopping: threading.Event, duration: float | None) -> None:
    """Wait for a signal or the end of *duration* (seconds).

    Raises:
        PerfkitError: The server ended by itself.
    """
    end = None if duration is None else time.monotonic() + duration
    while end is None or time.monotonic() < end:
        left = 0.5 if end is None else min(0.5, max(0.0, end - time.monotonic()))
        if stopping.wait(left):
            return
        if not server.is_running():
            raise PerfkitError(
                "The shop's server ended by itself. It should run until Ctrl-C. Look at the messages above."
            )


def announce(port: int, environment: Mapping[str, str]) -> str:
    """Print where everything is, and return the address of the dashboard."""
    base = f"http://{HOST}:{port}"
    # Only in development is an address of this machine enough to see the dashboard.
    is_open = environment["PERFKIT_ENVIRONMENT"] == "development"
    dashboard = f"{base}/perfkit/" if is_open else f"{base}/perfkit/?t={environment['PERFKIT_TOKEN']}"
    for name, address in (
        ("dashboard", dashboard),
        ("health", f"{base}/health"),
        ("metrics", f"{base}/metrics"),
        ("shop", f"{base}/"),
    ):
        sys.stdout.write(f"{name:<10} {address}\n")
    sys.stdout.flush()
    if is_open:
        say(f"{base}/demo mends the problems while you watch. Ctrl-C to stop.")
    else:
        say("Ctrl-C to stop.")
    return dashboard


def say_goodbye(report: Report) -> None:
    """Say what the visitors met."""
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(report.answers.items()))
    unanswered = report.errors.total()
    lost = f"; {unanswered} got no answer" if unanswered else ""
    say(f"The visitors sent {report.sent} requests ({answers or 'no answers'}{lost}).")


def say(message: str) -> None:
    """Print a message for people."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()
