"""The race of the Django layers: over WSGI, over ASGI, and over the async part of Django alone.

Django takes threads and tasks for each ASGI request, even where every view is async: that costs ten times as much as a
careful middleware, and varies by more. So there is a third race, which calls what Django's ASGI handler awaits
(`get_response_async`: middlewares, routing, view) without that handler.
"""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.harness.results import Budget, Result
from benchmarks.harness.rounds import Contestant, Subject, race
from benchmarks.harness.table import progress
from benchmarks.overhead.django_layers import LAYERS
from benchmarks.overhead.django_site import AsyncDriver, SyncDriver, inner_app
from benchmarks.overhead.near import is_near

__all__ = ["FRAMEWORKS", "measure", "subject"]

FRAMEWORKS = ("django-wsgi", "django-asgi", "django-async")

PEER = "django-prometheus"
BUDGETS = {
    "django-wsgi": {"perfkit, in memory": Budget(0.5, "hand-written"), "perfkit, shared file": Budget(0.07, PEER)},
    "django-asgi": {"perfkit, in memory": Budget(0.02, PEER), "perfkit, shared file": Budget(0.02, PEER)},
    "django-async": {"perfkit, in memory": Budget(0.5, "hand-written"), "perfkit, shared file": Budget(0.02, PEER)},
}
CALLS = {"django-wsgi": 400, "django-asgi": 200, "django-async": 400}
FEW_CALLS = {"django-silk": 20}
"""Calls in a turn of a contestant that takes milliseconds for each."""


def measure(framework: str, *, rounds: int, scale: float, near: bool = False) -> list[Result]:
    """Race all layers in *framework*, or those *near* the budgets."""
    contestants = [
        Contestant(
            name=name,
            factory=f"{__name__}:subject",
            argument=f"{framework}/{name}",
            calls=FEW_CALLS.get(name, CALLS[framework]),
            budget=BUDGETS[framework].get(name),
        )
        for name in LAYERS
        if (framework != "django-async" or name != "django-silk") and (is_near(name) or not near)
    ]
    return race(contestants, rounds=rounds, scale=scale, on_round=progress(framework, rounds))


def subject(argument: str) -> Subject:
    """Build the contestant that *argument* names as ``framework/layer``."""
    framework, _, layer = argument.partition("/")
    is_async = framework != "django-wsgi"
    setup = LAYERS[layer](is_async)
    loop = asyncio.new_event_loop()

    def driver(middleware: list[str]) -> Any:
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler
        from django.test.utils import override_settings

        with override_settings(MIDDLEWARE=middleware):
            if not is_async:
                return SyncDriver(WSGIHandler())
            handler = ASGIHandler()
            return AsyncDriver(handler if framework == "django-asgi" else inner_app(handler), loop)

    own, twin = driver(setup.middleware), driver([])
    checked, seen = own.calls, setup.counted()
    if seen is not None and seen != checked:
        raise RuntimeError(f"{layer} counted {seen} of {checked} requests. A layer that does not work is not measured.")

    def run(count: int) -> None:
        own.run(count)
        setup.settle()

    def counted() -> float | None:
        found = setup.counted()
        return None if found is None else found - checked

    def close() -> None:
        setup.close()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    return Subject(run=run, twin=twin.run, has_threads=is_async, counted=counted, close=close)
