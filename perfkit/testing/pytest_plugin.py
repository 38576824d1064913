"""The pytest plugin: limits on queries, time and memory per test, and findings with the line and the fix.

Does nothing, and imports nothing of perfkit's components, before a test asks for it by the marker or the fixture, or an
option for all of them. What is measured travels on the test's report, so pytest-xdist brings it home.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from perfkit.testing.measuring import Excess, Limits, Measurement

__all__ = ["Perfkit"]

MARKER = "perfkit"
_LIMITS = (
    "perfkit(max_queries=, max_seconds=, max_memory=, no_n_plus_one=, fail_on=): fail where the test asks more of the"
    " databases, takes longer or needs more memory, or where perfkit finds something wrong."
)
_KEY: pytest.StashKey[Any] = pytest.StashKey()
_OURS = frozenset({"perfkit", "perfkit_asgi", "perfkit_django", "perfkit_flask", "perfkit_wsgi"})
_ASSERTING, _SILENT = "perfkit.testing.", "perfkit.testing.measuring"


class _AsWritten:
    """Finds perfkit's modules as Python itself does, before pytest's own finder is asked.

    pytest rewrites the assertions of the whole of a distribution that brings a plugin: it looks each module up twice,
    reads and hashes its source, and keeps a second compiled file. All of perfkit, in an app that has it too, takes
    twice as long to import then, and far longer the first time. What states assertions to tests is left to pytest.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return where the module *name* lies if it is one of perfkit's that states no assertions to tests."""
        if name.partition(".")[0] not in _OURS or (name.startswith(_ASSERTING) and not name.startswith(_SILENT)):
            return None
        return PathFinder.find_spec(name, path, target)


_as_written: Any = _AsWritten()


class Perfkit:
    """What the fixture ``perfkit`` gives: measures blocks of a test."""

    def measure(self, **limits: Any) -> AbstractContextManager[Measurement]:
        """Do what `perfkit.testing.measure` does."""
        from perfkit.testing.measuring import measure

        return measure(**limits)

    def assert_scales(
        self, function: Callable[[int], Any], *, sizes: Sequence[int] = (1, 10), max_growth: int = 0
    ) -> None:
        """Do what `perfkit.testing.assert_scales` does."""
        from perfkit.testing.measuring import assert_scales

        __tracebackhide__ = True
        assert_scales(function, sizes=sizes, max_growth=max_growth)

    def best_of(self, function: Callable[[], Any], *, repeat: int = 5, max_seconds: float | str | None = None) -> float:
        """Do what `perfkit.testing.best_of` does."""
        from perfkit.testing.measuring import best_of

        __tracebackhide__ = True
        return best_of(function, repeat=repeat, max_seconds=None if _is_slow() else max_seconds)


@pytest.fixture
def perfkit() -> Perfkit:
    """Measures blocks: ``with perfkit.measure(max_queries=3) as m``; ``perfkit.assert_scales(function)``."""
    return Perfkit()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Have perfkit imported as it is written, before a conftest imports the app."""
    if _as_written not in sys.meta_path:
        sys.meta_path.insert(0, _as_written)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; each has a twin in the ini file."""
    group = parser.getgroup("perfkit", "what tests ask of the databases")
    options: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("--perfkit", {"action": "store_true"}, "measure all tests, and say which asked most of the databases"),
        ("--perfkit-max-queries", {"metavar": "N", "type": int}, "fail tests that send more than N statements"),
        (
            "--perfkit-fail-on",
            {"metavar": "CODES"},
            "fail tests with such findings: codes or how they begin, PK1,PK201",
        ),
        ("--perfkit-report", {"metavar": "PATH"}, "write what was measured to PATH: .html, .json or .md"),
        ("--perfkit-baseline", {"metavar": "FILE"}, "fail tests that send more statements than FILE allows them"),
        ("--perfkit-update-baseline", {"action": "store_true"}, "write what the tests send to that file"),
    )
    for name, arguments, meaning in options:
        group.addoption(name, dest=_ini(name), default=None, help=meaning, **arguments)
        kind = "bool" if arguments.get("action") else "string"
        if name != "--perfkit-update-baseline":
            parser.addini(_ini(name), meaning, type=kind, default=None)  # type: ignore[arg-type]  # one of its words


def _ini(name: str) -> str:
    return name.removeprefix("--").replace("-", "_")


def _option(config: pytest.Config, name: str) -> Any:
    """Return what is given by the option *name*, by the ini file, or None."""
    given = config.getoption(name, None)
    return given if given is not None else config.getini(name) or None


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; measure all tests where an option asks for that."""
    config.addinivalue_line("markers", _LIMITS)
    wanted = {name: _option(config, name) for name in ("perfkit_max_queries", "perfkit_fail_on", "perfkit_baseline")}
    report, updates = _option(config, "perfkit_report"), config.getoption("perfkit_update_baseline")
    if not (any(value is not None for value in wanted.values()) or report or updates or _option(config, "perfkit")):
        return
    from perfkit.testing.measuring.session import Session

    try:
        session = Session.of(
            max_queries=wanted["perfkit_max_queries"],
            fail_on=wanted["perfkit_fail_on"],
            baseline=_path(config, wanted["perfkit_baseline"]),
            report=_path(config, report),
            is_updating=bool(updates),
        )
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_KEY] = session


def _path(config: pytest.Config, given: str | None) -> Path | None:
    return None if given is None else config.invocation_params.dir / given


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Measure the test itself, without its fixtures."""
    session = item.config.stash.get(_KEY, None)
    marker = item.get_closest_marker(MARKER)
    if session is None and marker is None:
        return (yield)
    from perfkit.testing.measuring import Measurement

    measurement = Measurement(_limits(item, session, marker))
    measurement.start()
    try:
        result = yield
    finally:
        measurement.stop()
        item.stash[_KEY] = measurement
    measurement.check()
    return result


def _limits(item: pytest.Item, session: Any, marker: pytest.Mark | None) -> Limits:
    """Return the limits of *item*: its own ones, then those for all tests."""
    if marker is None:
        limits_of_all: Limits = session.limits_of(item.nodeid)
        return limits_of_all
    from perfkit.testing.measuring import Limits

    if marker.args:
        pytest.fail(
            f"@pytest.mark.perfkit got {marker.args!r}. It takes names only. Write max_queries=5.", pytrace=False
        )
    try:
        limits = Limits.of(marker.kwargs)
    except ValueError as error:
        pytest.fail(f"@pytest.mark.perfkit: {error}", pytrace=False)
    if _is_slow():
        limits = limits._replace(max_seconds=None)
    return limits if session is None else limits.merged(session.limits_of(item.nodeid))


def _is_slow() -> bool:
    """Return True where durations tell nothing: the environment says so by ``CI_SLOW``."""
    return bool(os.environ.get("CI_SLOW"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what was measured on the report; show a limit that was not kept by its own words, without a trace."""
    report = yield
    measurement = item.stash.get(_KEY, None)
    if call.when != "call" or measurement is None:
        return report
    from perfkit.testing.measuring.measurement import LimitExceededError
    from perfkit.testing.measuring.session import told

    excesses: tuple[Excess, ...] = ()
    if call.excinfo is not None and isinstance(call.excinfo.value, LimitExceededError):
        excesses = call.excinfo.value.excesses
        if call.excinfo.value.measurement is measurement:
            report.longrepr = str(call.excinfo.value)
    path, line, _ = item.location
    session = item.config.stash.get(_KEY, None)
    is_read = session is not None and session.wants_findings(measurement.queries)
    place = f"{path}:{(line or 0) + 1}"
    report.perfkit = told(measurement, excesses, place, with_findings=is_read)  # type: ignore[attr-defined]  # travels with the report
    # pytest keeps its items to the end: all statements of a suite, and the tasks that sent them, would stay with them.
    del item.stash[_KEY]
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect what was measured: here, or by a worker of pytest-xdist."""
    if _collector is not None and report.when == "call" and hasattr(report, "perfkit"):
        _collector.add(report.nodeid, report.perfkit)


_collector: Any = None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin to collect, in the process that the user started."""
    global _collector
    from_worker = hasattr(session.config, "workerinput")
    if not from_worker and (os.environ.get("GITHUB_ACTIONS") or session.config.stash.get(_KEY, None) is not None):
        from perfkit.testing.measuring.session import Collector

        _collector = Collector()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was measured, write the report and the baseline."""
    if _collector is None:
        return
    session = config.stash.get(_KEY, None)
    if os.environ.get("GITHUB_ACTIONS"):
        for line in _collector.annotations():
            terminalreporter.write_line(line)
    if session is not None:
        terminalreporter.section("perfkit")
        for line in session.close(_collector):
            terminalreporter.write_line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Forget what was collected and find no more modules: pytest may run again in this process."""
    global _collector
    _collector = None
    if _as_written in sys.meta_path:
        sys.meta_path.remove(_as_written)
