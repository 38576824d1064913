"""Puts perfkit around every app of FastAPI's suite: outermost in each, by the one way that it builds its own stack.

All share one system: the suite keeps a thousand apps to its end, and as many threads would be a load by themselves.
"""

from __future__ import annotations

from typing import Any

import pytest
import witness
from fastapi import FastAPI

from perfkit.system import PerformanceSystem
from perfkit_asgi import PerfkitMiddleware

witness.watch()

build = FastAPI.build_middleware_stack
system = PerformanceSystem()


def build_middleware_stack(self: FastAPI) -> Any:
    return PerfkitMiddleware(build(self), system=system)


FastAPI.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]


def pytest_unconfigure(config: pytest.Config) -> None:
    witness.tally()
    system.stop()
