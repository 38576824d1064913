"""An app with twenty checks, some of them as bad as can be, and ways to fill its thread pool and to keep its loop busy.

Its files tell what to do: requests of ``/hold`` and ``/work`` end when there is a file `release` in the folder
`STRESS_FOLDER`; the checks that hang do so for ever.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import anyio.to_thread
from fastapi import FastAPI

from perfkit import PerformanceSystem
from perfkit_asgi import PerfkitMiddleware

FOLDER = Path(os.environ["STRESS_FOLDER"])
CHECKS = 20

system = PerformanceSystem({"service": "stressed"})
never = threading.Event()


def hang() -> None:
    never.wait()


async def hang_in_the_loop() -> None:
    await asyncio.get_running_loop().create_future()


def leak_a_thread() -> str:
    threading.Thread(target=never.wait, args=(60.0,), name="leaked", daemon=True).start()
    return "healthy"


def fail() -> None:
    raise ConnectionError("postgres://shop:sesame@db/shop refused")


def rubbish() -> object:
    return object()


BAD: dict[str, Any] = {
    "hangs": hang,
    "hangs-async": hang_in_the_loop,
    "leaks": leak_a_thread,
    "raises": fail,
    "rubbish": rubbish,
}
for name, check in BAD.items():
    system.health.register_health_check(name, check, timeout=0.5, interval=1.0)
for number in range(CHECKS - len(BAD)):
    system.health.register_health_check(f"well-{number}", lambda: True, interval=1.0, critical=True)

app = FastAPI(openapi_url=None)


def released() -> bool:
    return (FOLDER / "release").exists()


@app.get("/hold")
def hold() -> str:
    """Hold a thread of the framework's pool."""
    while not released():
        time.sleep(0.02)
    return "held"


@app.get("/plain")
def plain() -> str:
    """Want a thread of the framework's pool for a moment."""
    return "plain"


@app.get("/wait")
async def wait() -> str:
    """Be under way in the loop."""
    while not released():  # noqa: ASYNC110 - what it waits for is a file of another process
        await asyncio.sleep(0.02)
    return "waited"


@app.get("/pool")
async def pool() -> dict[str, float]:
    told = anyio.to_thread.current_default_thread_limiter().statistics()
    return {"total": told.total_tokens, "busy": told.borrowed_tokens, "waiting": told.tasks_waiting}


@app.get("/work")
async def work() -> dict[str, float]:
    """Keep the loop busy four fifths of the time, in blocks of 40 ms, and tell which part that was in the end."""
    began, busy = time.monotonic(), 0.0
    while not released():
        until = time.monotonic() + 0.04
        while time.monotonic() < until:
            pass
        busy += 0.04
        await asyncio.sleep(0.01)
    return {"busy": busy / (time.monotonic() - began)}


@app.get("/threads")
async def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


app.add_middleware(PerfkitMiddleware, system=system)
