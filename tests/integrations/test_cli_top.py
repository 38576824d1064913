"""`perfkit top` on a pseudo-terminal of 80 columns and 24 lines, looked at with a terminal emulator."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyte
import pytest
from overviews import Canned, canned, finding, made, route
from patience import PATIENCE, until
from processes import family_of
from run_service import TOKEN, running

pytestmark = pytest.mark.server

COMMAND = (sys.executable, "-m", "perfkit.cli", "top", "--interval", "500ms")
WITHOUT_RICH = (
    sys.executable,
    "-c",
    "import sys; sys.modules['rich'] = None; from perfkit.cli.main import main; sys.exit(main(sys.argv[1:]))",
    "top",
    "--interval",
    "500ms",
)

SHELL = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = subprocess.Popen(sys.argv[1:], process_group=0)
os.tcsetpgrp(0, child.pid)
sys.exit(child.wait())
"""
"""As much of a shell as job control needs: the kernel stops nobody whose parent could not have him go on."""


class Seen:
    """A command on a terminal of its own, and the screen that a person would see."""

    def __init__(self, master: int, slave: int, process: subprocess.Popen[bytes]) -> None:
        self.master, self.slave, self.process = master, slave, process
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def look(self) -> list[str]:
        """Return what stands on the screen now."""
        while select.select([self.master], [], [], 0.05)[0]:
            with contextlib.suppress(OSError):
                data = os.read(self.master, 65536)
                # pyte knows no other screen; what it holds is looked at here, in `raw`.
                self.raw += data
                self._stream.feed(data)
                continue
            break
        return list(self.screen.display)

    def wait_for(self, words: str) -> list[str]:
        return until(self.look, lambda lines: any(words in line for line in lines))

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def ended(self) -> int:
        """Wait for the end; return the exit code, or minus the signal."""
        give_up_at = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < give_up_at, "it did not end"
            self.look()
        self.look()
        return self.process.returncode


@contextlib.contextmanager
def seen(url: str, command: tuple[str, ...] = COMMAND, **variables: str) -> Iterator[Seen]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    names = ("PERFKIT_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    process = subprocess.Popen(
        [*command, url],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**environment, "TERM": "xterm-256color", "PYTHONUTF8": "1", "PERFKIT_TOKEN": TOKEN, **variables},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
    )
    try:
        yield Seen(master, slave, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        os.close(master)
        os.close(slave)


@pytest.fixture
def service() -> Iterator[Canned]:
    with canned() as server:
        routes = tuple(route(f"/items/{n}", p95=0.01 * (n + 1)) for n in range(40))
        server.tells(made(routes=routes, findings=(finding(route="GET /items/0"),)))
        span = {"kind": "sql", "name": "SELECT review", "count": 214, "total": 0.4, "intervals": [[0.1, 0.4]]}
        kept = [
            {"id": name, "at": 1.0, "seconds": seconds} for name, seconds in (("a1", 0.1), ("b2", 0.6), ("c3", 0.2))
        ]
        common = {"reason": "slow", "method": "GET", "route": "/items/0", "status": 200, "spans": [span]}
        for path, document in (
            ("requests?route=GET%20%2Fitems%2F0&limit=500", {"version": 1, "requests": kept}),
            ("request?id=b2", {"version": 1, "request": {**kept[1], **common}}),
        ):
            server.answers[f"/perfkit/api/{path}"] = (200, json.dumps(document).encode())
        yield server


def mode(seen: Seen) -> list[Any]:
    return termios.tcgetattr(seen.slave)


@pytest.mark.parametrize("command", [COMMAND, WITHOUT_RICH], ids=["rich", "plain"])
def test_keys_lead_through_the_pages_and_q_leaves_everything_as_it_was(
    service: Canned, command: tuple[str, ...]
) -> None:
    with seen(service.url, command) as terminal:
        before = mode(terminal)
        lines = terminal.wait_for("/items/0")
        assert "perfkit top  shop/testing" in lines[0]
        assert "q quit" in lines[-1]
        assert max(len(line.rstrip()) for line in lines) <= 80
        if command is WITHOUT_RICH:
            assert "".join(lines).isascii()
        else:
            assert any("▸GET /items/0" in line for line in lines)
            assert b"\x1b[7m" in terminal.raw
        assert mode(terminal) != before
        terminal.press(b"\r")
        terminal.wait_for("Do: Load all of them")
        terminal.press(b"\r")
        terminal.wait_for("x214 SELECT review")
        terminal.press(b"\x1b")
        terminal.wait_for("Do: Load all of them")
        terminal.press(b"\x1b")
        terminal.wait_for("REQ/S")
        terminal.press(b"a")
        terminal.wait_for("Advice")
        terminal.press(b"a/items/17\r")
        terminal.wait_for("GET /items/17")
        until(terminal.look, lambda lines: sum("GET /items/" in line for line in lines) == 1)
        terminal.press(b"p")
        terminal.wait_for("paused")
        terminal.press(b"q")
        assert terminal.ended() == 0
        assert mode(terminal) == before
        assert terminal.raw.rstrip().endswith(b"\x1b[?25h\x1b[?1049l\x1b[0m")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)],
)
def test_a_signal_leaves_the_terminal_as_it_was(service: Canned, number: signal.Signals, code: int) -> None:
    with seen(service.url) as terminal:
        before = mode(terminal)
        terminal.wait_for("/items/0")
        terminal.process.send_signal(number)
        assert terminal.ended() == code
        assert mode(terminal) == before
        assert b"\x1b[?1049l" in terminal.raw
        assert b"Traceback" not in terminal.raw


def test_ctrl_c_is_typed_as_well(service: Canned) -> None:
    with seen(service.url) as terminal:
        terminal.wait_for("/items/0")
        terminal.press(b"\x03")
        assert terminal.ended() == 130


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(service: Canned) -> None:
    with seen(service.url, (sys.executable, "-c", SHELL, *COMMAND)) as terminal:
        before = mode(terminal)
        terminal.wait_for("/items/0")
        taken = mode(terminal)
        (child,) = family_of(terminal.process.pid)[1:]
        child.send_signal(signal.SIGTSTP)
        until(lambda: (terminal.look(), mode(terminal))[1], lambda now: now == before)
        until(child.status, lambda status: status == psutil.STATUS_STOPPED)
        child.send_signal(signal.SIGCONT)
        until(lambda: (terminal.look(), mode(terminal))[1], lambda now: now == taken)
        terminal.press(b"q")
        assert terminal.ended() == 0
        assert mode(terminal) == before


def test_another_size_is_drawn_at_once(service: Canned) -> None:
    with seen(service.url) as terminal:
        terminal.wait_for("/items/0")
        terminal.resize(120, 30)
        lines = terminal.wait_for("FINDING")
        assert any("/items/0" in line and "PK101" in line for line in lines)
        terminal.resize(40, 10)
        until(terminal.look, lambda lines: "perfkit" in lines[0] and len(lines) == 10)
        terminal.press(b"q")
        assert terminal.ended() == 0


def test_a_service_that_goes_away_is_told_and_keys_still_answer(service: Canned) -> None:
    with seen(service.url) as terminal:
        terminal.wait_for("/items/0")
        service.answers.clear()
        lines = terminal.wait_for("No newer answer")
        assert any("/items/0" in line for line in lines)
        service.tells(made(routes=(route("/back"),)))
        terminal.wait_for("/back")
        terminal.press(b"q")
        assert terminal.ended() == 0


def test_hostile_names_stay_names(service: Canned) -> None:
    service.tells(made(routes=(route("/\x1b]0;owned\x07\x1b[2J\u202ex"),), service="\x1b[31mred"))
    with seen(service.url) as terminal:
        terminal.wait_for("]0;owned")
        terminal.press(b"q")
        assert terminal.ended() == 0
        assert terminal.screen.title == ""
        assert b"\x1b]0" not in terminal.raw


def test_colour_is_left_out_where_it_is_not_wanted(service: Canned) -> None:
    with seen(service.url, NO_COLOR="1") as terminal:
        terminal.wait_for("/items/0")
        terminal.press(b"q")
        assert terminal.ended() == 0
        assert b"\x1b[3" not in terminal.raw


def test_a_terminal_that_cannot_be_painted_anew_gets_one_frame(service: Canned) -> None:
    with seen(service.url, TERM="dumb") as terminal:
        assert terminal.ended() == 0
        assert b"/items/0" in terminal.raw
        assert b"\x1b" not in terminal.raw


def test_a_real_service_is_watched(tmp_path: Path) -> None:
    with running(tmp_path, "fast:app") as server:
        for number in range(60):
            server.get(f"/items/{number}")
        with seen(f"http://127.0.0.1:{server.port}") as terminal:
            lines = terminal.wait_for("GET /items/{number}")
            assert "1 worker" in lines[0]
            terminal.press(b"2")
            lines = terminal.wait_for("ROUTE 1h")
            assert any("GET /items/{number}" in line for line in lines)
            terminal.press(b"r")
            terminal.wait_for("event loop lag")
            terminal.press(b"q")
            assert terminal.ended() == 0
