from __future__ import annotations

import logging

import pytest

from perfkit.core import errors
from perfkit.core.errors import ErrorLog, MissingDependencyError
from perfkit.testing import FakeClock


def test_each_error_is_counted_and_logged_once_a_minute_per_kind(caplog: pytest.LogCaptureFixture) -> None:
    clock, counted = FakeClock(), list[tuple[str, str]]()
    log = ErrorLog(clock=clock, count=lambda component, kind: counted.append((component, kind)))
    with caplog.at_level(logging.WARNING, "perfkit"):
        for _ in range(5):
            log.report("cache", ValueError("bad"))
        log.report("cache", KeyError("other"))
        clock.advance(61)
        log.report("cache", ValueError("bad"))
    assert len(counted) == 7
    assert len(caplog.records) == 3
    assert "4 more since the last line" in caplog.records[-1].getMessage()


def test_guarded_keeps_an_error_from_the_caller() -> None:
    counted = list[tuple[str, str]]()
    with ErrorLog(count=lambda *what: counted.append(what)).guarded("health", "a check"):  # type: ignore[arg-type]
        raise RuntimeError("inside")
    assert counted == [("health", "RuntimeError")]


def test_guarded_lets_the_end_of_the_program_through() -> None:
    with pytest.raises(KeyboardInterrupt), ErrorLog().guarded("health"):
        raise KeyboardInterrupt


def test_reporting_never_raises_even_if_counting_and_logging_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(errors.logger, "warning", fail)
    ErrorLog(count=fail).report("store", ValueError("x"))


def test_kinds_that_are_remembered_are_bounded() -> None:
    log = ErrorLog(clock=FakeClock())
    for number in range(2000):
        log.warn("store", f"kind {number}", "message")  # noqa: G010 - not a logger
    assert len(log._logged) <= 256


def test_each_error_is_also_the_builtin_that_a_caller_would_catch() -> None:
    pairs = {
        errors.ConfigurationError: ValueError,
        errors.MetricError: ValueError,
        errors.ComponentNotFoundError: LookupError,
        errors.UnknownEventError: LookupError,
        errors.LifecycleError: RuntimeError,
        errors.StoreError: OSError,
        errors.MissingDependencyError: ImportError,
    }
    for ours, builtin in pairs.items():
        assert issubclass(ours, builtin)
        assert issubclass(ours, errors.PerfkitError)
        assert ours.__name__ in (errors.__doc__ or "")


def test_a_missing_package_names_the_exact_command() -> None:
    error = MissingDependencyError("redis", extra="redis", wanted_by="The second tier")
    assert "pip install 'perfkit[redis]'" in str(error)
