"""Writes down what became of each test of a suite: a pytest plugin, and the same for unittest.

Only what did not pass is named, with the number of all: ``{"total": 12, "others": {"tests/a.py::test_b": "failed"}}``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from _pytest import monkeypatch

FOLDER = "TRANSPARENCY_FOLDER"
"""The environment variable that names the folder for everything that a run leaves."""

FILE = "outcomes.json"

RANKS = {"xfailed": 1, "skipped": 2, "xpassed": 3, "failed": 4}
"""The phases of one test may differ; the highest counts."""

# Flask 3.1's conftest reads a private name that newer versions of pytest lack: bare as around, it gets what it wants.
if not hasattr(monkeypatch, "notset"):
    monkeypatch.notset = monkeypatch.NOTSET  # type: ignore[attr-defined]

_total: set[str] = set()
_others: dict[str, str] = {}


def write(total: int, others: dict[str, str]) -> None:
    """Leave the outcomes where the one who started the suite looks for them."""
    text = json.dumps({"total": total, "others": others}, indent=1, sort_keys=True)
    Path(os.environ[FOLDER], FILE).write_text(text, encoding="utf-8")


def of_unittest(result: Any) -> tuple[int, dict[str, str]]:
    """Return how many tests a `unittest.TestResult` tells of, and those that did not pass; subtests by their test."""
    kinds = {
        "xfailed": [test for test, _ in result.expectedFailures],
        "skipped": [test for test, _ in result.skipped],
        "xpassed": result.unexpectedSuccesses,
        "failed": [test for test, _ in [*result.failures, *result.errors]],
    }
    others = {}
    for kind, tests in kinds.items():
        others.update({getattr(test, "test_case", test).id(): kind for test in tests})
    return result.testsRun, others


def _note(name: str, outcome: str) -> None:
    if RANKS[outcome] > RANKS.get(_others.get(name, ""), 0):
        _others[name] = outcome


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _total.add(report.nodeid)
    if hasattr(report, "wasxfail"):
        _note(report.nodeid, "xfailed" if report.skipped else "xpassed")
    elif not report.passed:
        _note(report.nodeid, report.outcome)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _note(report.nodeid, "failed")


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    yield
    write(len(_total), _others)
