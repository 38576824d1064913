from __future__ import annotations

import errno
import logging
import os

import pytest

from perfkit.core import errors
from perfkit.core.errors import ErrorLog, MissingDependencyError, StoreError
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


def test_an_error_that_cannot_say_what_it_is_is_reported_by_its_kind(caplog: pytest.LogCaptureFixture) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    with caplog.at_level(logging.WARNING, "perfkit"):
        ErrorLog().report("events", Mute(), doing="a listener failed")
    assert "a listener failed: (its message cannot be read)" in caplog.records[0].getMessage()


def test_an_error_that_is_its_own_cause_is_reported_like_any_other() -> None:
    counted = list[str]()
    error = ValueError("round and round")
    error.__cause__ = error
    ErrorLog(count=lambda component, kind: counted.append(kind)).report("events", error)
    assert counted == ["ValueError"]


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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("wrapped", [False, True], ids=["itself", "as the cause"])
def test_a_full_disk_is_one_plain_line_that_says_what_to_do(
    caplog: pytest.LogCaptureFixture, number: int, wrapped: bool
) -> None:
    counted = list[tuple[str, str]]()
    error: Exception = OSError(number, os.strerror(number), "/var/lib/shop/history.ring")
    if wrapped:
        cause, error = error, StoreError("The lock cannot be opened.")
        error.__cause__ = cause
    log = ErrorLog(count=lambda *what: counted.append(what))  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING, "perfkit"):
        log.report("store", error, doing="the history could not be written")
    (record,) = caplog.records
    line = record.getMessage()
    assert line.startswith("perfkit.store: the history could not be written: ")
    assert all(words in line for words in ("/var/lib/shop/history.ring", os.strerror(number), "Free some space"))
    assert "\n" not in line
    assert record.exc_info is None
    assert counted == [("store", "disk_full")]


def test_other_errors_keep_their_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "perfkit"):
        ErrorLog().report("store", OSError(errno.EACCES, "Permission denied"))
    assert caplog.records[0].exc_info is not None
