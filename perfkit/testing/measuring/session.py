"""A whole run of tests: what each sent, the limits for all, the baseline and the report."""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from perfkit.testing.measuring.limits import Excess, Limits
from perfkit.testing.measuring.report import FORMATS, written

if TYPE_CHECKING:
    from perfkit.testing.measuring.measurement import Measurement

__all__ = ["Collector", "Session", "told"]

SHOWN = 10
"""Tests shown at the end of a run."""

KEPT_FINDINGS = 20
"""Findings told of one test."""


def told(
    measurement: Measurement, excesses: tuple[Excess, ...] = (), place: str = "", *, with_findings: bool = True
) -> dict[str, Any]:
    """Return what a test's report carries of *measurement*: plain data, to be sent between processes.

    Args:
        measurement: Of the test.
        with_findings: Whether anybody will read them: to look for them costs more than all else.
        excesses: The limits that it did not keep.
        place: Its ``path:line``, for an excess that has none.
    """
    return {
        "queries": measurement.queries,
        "seconds": measurement.seconds,
        "memory": measurement.memory,
        "findings": [
            {"code": each.code, "kind": each.kind, "message": each.message, "action": each.action, "site": each.site}
            for each in (measurement.findings[:KEPT_FINDINGS] if with_findings else ())
        ],
        "excesses": [[each.message, each.code, each.site or place] for each in excesses],
    }


class Collector:
    """What all tests of a run told.

    Attributes:
        tests: By id.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.tests: dict[str, dict[str, Any]] = {}

    def add(self, name: str, test: dict[str, Any]) -> None:
        """Take what the test *name* told; of one that ran again, the last word."""
        self.tests[name] = test

    def annotations(self) -> Iterator[str]:
        """Yield a line for each limit that was not kept, as GitHub's runners want them."""
        for name, test in self.tests.items():
            for message, code, site in test["excesses"]:
                path, _, line = site.rpartition(":")
                title = _property(f"perfkit {code}".strip())
                yield f"::error file={_property(path)},line={line},title={title}::{_data(f'{message} in {name}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


class Highest:
    """The highest counts so far, as many as are shown at the end of a run."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: list[int] = []

    def takes(self, count: int) -> bool:
        """Return whether *count* is among them; of equal ones the first are."""
        if len(self._counts) < SHOWN:
            heapq.heappush(self._counts, count)
            return True
        return count > self._counts[0] and heapq.heapreplace(self._counts, count) < count


class Session(NamedTuple):
    """What the options ask for.

    Attributes:
        limits: For all tests.
        allowed: Queries that the baseline allows, by test; None without one.
        baseline: Its file.
        report: The file for the report.
        is_updating: Whether the baseline is to be written.
        highest: The counts of this process's tests that may be shown at the end.
    """

    limits: Limits
    allowed: dict[str, int] | None
    baseline: Path | None
    report: Path | None
    is_updating: bool
    highest: Highest

    @classmethod
    def of(
        cls, *, max_queries: Any, fail_on: str | None, baseline: Path | None, report: Path | None, is_updating: bool
    ) -> Session:
        """Return what is asked for.

        Raises:
            ValueError: It cannot be done, and why.
        """
        if isinstance(max_queries, str):
            if not max_queries.isdecimal():
                raise ValueError(f"perfkit_max_queries is {max_queries!r}. It is a whole number from 0. Write 20.")
            max_queries = int(max_queries)
        codes = tuple(code.strip() for code in (fail_on or "").split(",") if code.strip())
        limits = Limits.of({"max_queries": max_queries, "fail_on": codes})
        if is_updating and baseline is None:
            raise ValueError(
                "--perfkit-update-baseline has no file. It writes the one of --perfkit-baseline. Give both."
            )
        if report is not None and report.suffix not in FORMATS:
            raise ValueError(f"The report is {report.name}. It ends with {', '.join(FORMATS)}. Name it so.")
        allowed = None if baseline is None or is_updating else _read(baseline)
        return cls(limits, allowed, baseline, report, is_updating, Highest())

    def wants_findings(self, queries: int) -> bool:
        """Return whether anybody will read what was found in a test that sent so many *queries*."""
        return self.report is not None or (queries > 0 and self.highest.takes(queries))

    def limits_of(self, name: str) -> Limits:
        """Return the limits of the test *name*: what the baseline allows it comes before what all tests may."""
        known = None if self.allowed is None else self.allowed.get(name)
        return self.limits if known is None else self.limits._replace(max_queries=known)

    def close(self, collector: Collector) -> Iterator[str]:
        """Write the baseline and the report; yield what is to be said of the run."""
        tests = collector.tests
        ranked = sorted(tests.items(), key=lambda item: -item[1]["queries"])
        total = sum(test["queries"] for test in tests.values())
        yield f"{len(tests)} tests measured, {total} statements."
        for name, test in ranked[:SHOWN]:
            if test["queries"]:
                codes = sorted({finding["code"] for finding in test["findings"]})
                yield f"  {test['queries']:>6} statements  {name}  {' '.join(codes)}".rstrip()
        if self.is_updating and self.baseline is not None:
            known = _read(self.baseline) if self.baseline.exists() else {}
            known |= {name: test["queries"] for name, test in tests.items()}
            _write(self.baseline, json.dumps({"version": 1, "queries": known}, indent=1, sort_keys=True) + "\n")
            yield f"The baseline {self.baseline.name} has {len(known)} tests now."
        if self.allowed is not None:
            fewer = [name for name, test in tests.items() if test["queries"] < self.allowed.get(name, 0)]
            if fewer:
                yield f"{len(fewer)} tests send fewer statements than the baseline allows: --perfkit-update-baseline."
        if self.report is not None:
            _write(self.report, written(self.report.suffix, ranked))
            yield f"The report is in {self.report}."


def _read(path: Path) -> dict[str, int]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["queries"]
        return {str(name): int(count) for name, count in known.items()}
    except FileNotFoundError:
        raise ValueError(
            f"There is no baseline {path}. It is written by a run with --perfkit-update-baseline. Make one first."
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(
            f"{path} is no baseline. It holds a count by test. Write it anew by --perfkit-update-baseline."
        ) from None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
