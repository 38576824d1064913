"""One contestant in its process: the application with its layer, and the bare twin beside it."""

from __future__ import annotations

import asyncio

from benchmarks.harness.rounds import Subject
from benchmarks.overhead.apps import Driver, fastapi_app, starlette_app
from benchmarks.overhead.layers import LAYERS

__all__ = ["FRAMEWORKS", "subject"]

FRAMEWORKS = {"starlette": starlette_app, "fastapi": fastapi_app}


def subject(argument: str) -> Subject:
    """Build the contestant that *argument* names as ``framework/layer``."""
    framework, _, layer = argument.partition("/")
    make = FRAMEWORKS[framework]
    loop = asyncio.new_event_loop()
    layered = LAYERS[layer](make)
    twin = Driver(make(), loop)
    driver = Driver(layered.app, loop)
    checked, seen = driver.calls, layered.counted()
    if seen is not None and seen != checked:
        raise RuntimeError(f"{layer} counted {seen} of {checked} requests. A layer that does not work is not measured.")

    def run(count: int) -> None:
        driver.run(count)
        layered.settle()

    def counted() -> float | None:
        found = layered.counted()
        return None if found is None else found - checked

    def close() -> None:
        driver.close()
        twin.close()
        layered.close()
        loop.close()

    return Subject(run=run, twin=twin.run, counted=counted, close=close)
