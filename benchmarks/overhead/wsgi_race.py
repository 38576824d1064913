"""The races of the WSGI layers: in Flask, and around an application without a framework."""

from __future__ import annotations

from benchmarks.harness.results import Budget, Result
from benchmarks.harness.rounds import Contestant, Subject, race
from benchmarks.harness.table import progress
from benchmarks.overhead.near import is_near
from benchmarks.overhead.wsgi_apps import Driver, flask_app, plain_app
from benchmarks.overhead.wsgi_layers import LAYERS

__all__ = ["FRAMEWORKS", "measure", "subject"]

FRAMEWORKS = ("flask", "wsgi")

HAND = "hand-written"
PEER = "prometheus-flask-exporter"
BUDGETS = {
    "flask": {
        "perfkit, in memory": Budget(0.4, HAND),
        "perfkit, shared file": Budget(0.2, PEER),
        "perfkit, everything on": Budget(0.55, HAND),
    },
    "wsgi": {
        "perfkit, in memory": Budget(0.4, HAND),
        "perfkit, shared file": Budget(0.4, HAND),
        "perfkit, everything on": Budget(0.55, HAND),
    },
}
CALLS = {"flask": 400, "wsgi": 1000}
FEW_CALLS = {"flask-monitoringdashboard": 40}
"""Calls in a turn of a contestant that takes milliseconds for each."""

ONLY_FLASK = ("Flask", "flask")
"""A contestant with one of these words in its name needs Flask."""


def measure(framework: str, *, rounds: int, scale: float, near: bool = False) -> list[Result]:
    """Race all layers that fit *framework*, or those *near* the budgets."""
    contestants = [
        Contestant(
            name=name,
            factory=f"{__name__}:subject",
            argument=f"{framework}/{name}",
            calls=FEW_CALLS.get(name, CALLS[framework]),
            budget=BUDGETS[framework].get(name),
        )
        for name in LAYERS
        if (framework == "flask" or not any(word in name for word in ONLY_FLASK)) and (is_near(name) or not near)
    ]
    return race(contestants, rounds=rounds, scale=scale, on_round=progress(framework, rounds))


def subject(argument: str) -> Subject:
    """Build the contestant that *argument* names as ``framework/layer``."""
    framework, _, layer = argument.partition("/")
    make = flask_app if framework == "flask" else plain_app
    layered = LAYERS[layer](make)
    twin, own = Driver(make()), Driver(layered.app)
    checked, seen = own.calls, layered.counted()
    if seen is not None and seen != checked:
        raise RuntimeError(f"{layer} counted {seen} of {checked} requests. A layer that does not work is not measured.")

    def run(count: int) -> None:
        own.run(count)
        layered.settle()

    def counted() -> float | None:
        found = layered.counted()
        return None if found is None else found - checked

    return Subject(run=run, twin=twin.run, counted=counted, close=layered.close)
