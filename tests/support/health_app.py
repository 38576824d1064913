"""The fleets' app with checks: one shared, one of each worker; files say what they answer and keep who ran them."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.applications import Starlette

from perfkit import PerformanceSystem
from perfkit_asgi import PerfkitMiddleware

RAN = Path(os.environ["HEALTH_RAN"])

system = PerformanceSystem({"service": os.environ.get("FLEET_SERVICE", "fleet")})


@system.health.check("database", interval=2.0, timeout=1.0)
def check_database() -> bool:
    with RAN.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return True


@system.health.check("local", interval=1.0, timeout=1.0, shared=False)
def check_this_worker() -> dict[str, str]:
    ill = RAN.with_name("ill")
    is_ill = ill.exists() and ill.read_text() == str(os.getpid())
    return {"status": "warning" if is_ill else "healthy", "message": "ill" if is_ill else "well"}


app = Starlette()
app.add_middleware(PerfkitMiddleware, system=system)
