"""Importing costs little and does nothing."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("psutil", "prometheus_client", "cachetools", "starlette", "fastapi", "sqlalchemy", "rich", "asyncio")

LOOK = """
import os, sys, threading
before = set(os.listdir("/proc/self/fd"))
import {module}
print(threading.active_count(), len(set(os.listdir("/proc/self/fd")) - before))
print(" ".join(name for name in {heavy!r} if name in sys.modules))
"""


def look(module: str, heavy: tuple[str, ...]) -> tuple[str, str]:
    script = LOOK.format(module=module, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    first, second = done.stdout.splitlines()[:2] if done.stdout.count("\n") > 1 else (done.stdout.strip(), "")
    return first, second


def test_importing_perfkit_starts_nothing_opens_nothing_and_loads_nothing_heavy() -> None:
    assert look("perfkit", HEAVY) == ("1 0", "")


def test_importing_the_asgi_adapter_starts_nothing_and_loads_no_framework() -> None:
    assert look("perfkit_asgi", tuple(name for name in HEAVY if name != "asyncio")) == ("1 0", "")


def test_the_command_line_loads_no_web_framework_to_print_its_help() -> None:
    assert look("perfkit.cli.main", HEAVY) == ("1 0", "")
