"""Says whether a framework's own tests pass with perfkit around as they do bare.

A test that fails with perfkit around is run again, by itself: bare, as it may fail so, too (as root, without a service,
with another version of a library), then around, as it may have met a busy machine. What fails around both times and
passes bare differs, and so does what is skipped around only. To run the whole of a suite bare as well would take twice
the time and tell nothing more. A reviewed list may name tests that look at what lies around them, each with its reason.

Run by hand: see `transparency_suites`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from transparency_sources import SourceMissing
from transparency_suites import SUITES, Run, Suite, run

__all__ = ["AT_TIMES", "Verdict", "judge", "reviewed"]

REVIEWED = Path(__file__).parents[1] / "transparency" / "reviewed"

ERROR = "internal error: "
"""Begins an entry of a reviewed list that is no test but an internal error of perfkit, by its message."""

REASON = "  # "

AT_TIMES = "at times: "
"""Begins the reason of an entry that passes or fails with what ran before it in the same process."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a suite did with perfkit around.

    Attributes:
        around: The run with perfkit around.
        differing: Tests that pass bare and fail around, but for reviewed ones.
        reviewed: Tests that fail around and are in the reviewed list.
        unsteady: Tests that failed around once and passed when run again.
        failing_bare: Tests that fail in both ways.
        errors: Internal errors of perfkit that are not reviewed, by message: how many, and the first trace.
        missing: What else shows that the run was not the one it should have been.
    """

    suite: Suite
    around: Run
    differing: frozenset[str]
    reviewed: frozenset[str]
    unsteady: frozenset[str]
    failing_bare: frozenset[str]
    errors: dict[str, tuple[int, str]]
    missing: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """True if nothing speaks against perfkit being transparent to this framework."""
        return not (self.differing or self.errors or self.missing)

    def __str__(self) -> str:
        around = self.around
        lines = [
            f"{self.suite.distribution}: {around.total} tests in {around.seconds:.0f} s; {around.started:.0f} exchanges"
            f" begun, {around.finished:.0f} recorded; {len(self.differing)} differ, {len(self.reviewed)} reviewed,"
            f" {len(self.unsteady)} unsteady, {len(self.failing_bare)} fail bare"
        ]
        for kind in ("differing", "reviewed", "unsteady", "failing_bare"):
            lines += [f"  {kind}: {name}" for name in sorted(getattr(self, kind))]
        for message, (count, trace) in self.errors.items():
            lines.append(f"  {count} internal errors: {message}\n{trace}")
        return "\n".join(lines + [f"  {each}" for each in self.missing])


def reviewed(suite: Suite) -> dict[str, str]:
    """Return the reviewed list of *suite*, if there is one: each entry with its reason.

    Raises:
        ValueError: An entry has no reason.
    """
    file = REVIEWED / f"{suite.name}.txt"
    if not file.exists():
        return {}
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    entries = {entry.strip(): reason.strip() for entry, _, reason in (line.partition(REASON) for line in lines)}
    if bare := [entry for entry, reason in entries.items() if not reason]:
        raise ValueError(
            f"{file.name} has no reason for {bare}. Each entry must have one. Write it after two spaces and #."
        )
    return entries


def judge(suite: Suite, *, is_everything: bool = False) -> Verdict:
    """Run *suite* with perfkit around, and what did not pass bare, too: where it passes so, it differs.

    Raises:
        SourceMissing: The suite could not be downloaded.
        SuiteBroken: It came to no end.
    """
    around = run(suite, suite.everything if is_everything else suite.subset, is_around=True)
    known = reviewed(suite)
    missing = []
    if around.started < suite.least_exchanges:
        missing.append(f"perfkit saw {around.started:.0f} exchanges, at least {suite.least_exchanges} were expected")
    if around.started != around.finished:
        missing.append(f"{around.started - around.finished:.0f} exchanges were begun and never recorded: {around.open}")
    if is_everything:
        missing += [f"the reviewed list names {name}, which passes" for name in _stale(known, around)]
    suspects, skipped = around.failed - known.keys(), around.skipped - known.keys()
    bare = run(suite, sorted(suspects | skipped), is_around=False, is_alone=True) if suspects or skipped else None
    failing_bare = suspects & bare.failed if bare else set()
    missing += [f"{name} is skipped around only" for name in sorted(skipped) if not _skips(bare, name)] if bare else []
    suspects -= failing_bare
    differing = run(suite, sorted(suspects), is_around=True, is_alone=True).failed & suspects if suspects else set()
    return Verdict(
        suite=suite,
        around=around,
        differing=frozenset(differing),
        reviewed=frozenset(around.failed & known.keys()),
        unsteady=frozenset(suspects - differing),
        failing_bare=frozenset(failing_bare),
        errors=_errors(around, known),
        missing=missing,
    )


def _skips(bare: Run, name: str) -> bool:
    """Return True if the test *name* is skipped: Django's processes name a test where one process names its class."""
    return name in bare.skipped or f"setUpClass ({name.rpartition('.')[0]})" in bare.skipped


def _stale(known: dict[str, str], around: Run) -> list[str]:
    steady = (name for name, reason in known.items() if not (name.startswith(ERROR) or reason.startswith(AT_TIMES)))
    return sorted(name for name in steady if name not in around.failed)


def _errors(around: Run, known: Iterable[str]) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for error in around.errors:
        message = f"{error['component']}: {error['message']}"
        if f"{ERROR}{message}" not in known:
            count, first = found.get(message, (0, f"in {error['test']}\n{error['trace']}"))
            found[message] = (count + 1, first)
    return found


def main(arguments: list[str]) -> int:
    """Judge the suites that are named, or all; return the exit code."""
    parser = argparse.ArgumentParser(description="Run frameworks' own tests with perfkit around every app.")
    parser.add_argument("suites", nargs="*", default=list(SUITES), help=f"of {', '.join(SUITES)}; all if none is named")
    parser.add_argument("--everything", action="store_true", help="all tests of each")
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.suites) - SUITES.keys())
    if unknown:
        parser.error(f"there is no suite {', '.join(unknown)}")
    is_good = True
    for name in chosen.suites:
        try:
            verdict = judge(SUITES[name], is_everything=chosen.everything)
        except SourceMissing as error:
            sys.stderr.write(f"{error}\n")
            return 2
        is_good = is_good and verdict.is_good
        sys.stdout.write(f"{verdict}\n")
        sys.stdout.flush()
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
