"""Runs a framework's own test suite, bare and with perfkit put around every app that it makes.

    python tests/support/transparency_verdict.py starlette flask             # what `make test` runs
    python tests/support/transparency_verdict.py --everything django         # what `make acceptance` runs

The suite runs in a process of its own, in the folder of the framework's source, with the modules of
`tests/transparency/around` in it: they put perfkit around and write down what happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transparency_environment import python_of_suites
from transparency_sources import source_of

__all__ = ["SUITES", "Run", "Suite", "SuiteBroken", "run"]

AROUND = Path(__file__).parents[1] / "transparency" / "around"

OURS = {"PERFKIT_ENVIRONMENT": "testing", "PERFKIT_HTTP__PREFIX": "/around-this-suite"}
"""No more settings than that: numbers in memory, and paths that no app of a suite has."""

NOT_INHERITED = ("PYTEST_", "PERFKIT_", "COV_", "COVERAGE_", "DJANGO_", "FLASK_", "PYTHONPATH", "PYTHONWARNINGS")

UNITTEST_LABEL = re.compile(r"(?:setUpClass|tearDownClass|setUpModule|tearDownModule) \((.+)\)")


class SuiteBroken(Exception):
    """A suite came to no end; the message holds the last lines that it wrote."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One framework's own tests.

    Attributes:
        distribution: The package whose source has them.
        everything: Arguments for all tests.
        subset: Arguments for those that exercise apps, patterns of files among them; a few minutes for all suites.
        is_django: True for Django's own runner, else it is pytest.
        least_exchanges: Exchanges that perfkit must have seen in the subset: else it lay around nothing.
        limit: Seconds for one run of everything.
        around: The module that puts something around the apps; by default the one named after the framework.
    """

    distribution: str
    everything: tuple[str, ...]
    subset: tuple[str, ...]
    is_django: bool = False
    least_exchanges: int
    limit: float = 900.0
    around: str = ""

    @property
    def name(self) -> str:
        """The framework's name in lower case."""
        return self.distribution.lower()


@dataclass(frozen=True, kw_only=True)
class Run:
    """What became of one run.

    Attributes:
        total: Tests that ran.
        others: What did not pass: id to outcome.
        started: Exchanges that perfkit began.
        finished: Exchanges that perfkit recorded.
        open: Exchanges that began in a test and were not recorded in it: how many, by the test, as far as it is known.
        errors: Internal errors of perfkit.
        seconds: Duration.
    """

    total: int
    others: dict[str, str]
    seconds: float
    started: float = 0
    finished: float = 0
    open: dict[str, float] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)

    @property
    def failed(self) -> set[str]:
        """The tests that did not do what they should."""
        return {name for name, outcome in self.others.items() if outcome in ("failed", "xpassed")}

    @property
    def skipped(self) -> set[str]:
        """The tests that were left out for a reason of their own."""
        return {name for name, outcome in self.others.items() if outcome == "skipped"}


FASTAPI_SUBSET = ("after_yield", "exception", "middleware", "router", "sse", "stream", "ws_")

DJANGO_SUBSET = (
    "asgi",
    "async",
    "auth_tests.test_middleware",
    "auth_tests.test_views",
    "conditional_processing",
    "csrf_tests",
    "file_uploads",
    "flatpages_tests",
    "generic_views",
    "handlers",
    "httpwrappers",
    "logging_tests",
    "messages_tests",
    "middleware",
    "middleware_exceptions",
    "redirects_tests",
    "requests_tests",
    "responses",
    "servers",
    "signals",
    "sitemaps_tests",
    "syndication_tests",
    "test_client",
    "test_client_regress",
    "test_exceptions",
    "urlpatterns",
    "urlpatterns_reverse",
    "view_tests",
    "wsgi",
)

SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            distribution="Starlette",
            everything=("tests",),
            subset=("tests", "-k", "not trio"),
            least_exchanges=600,
        ),
        Suite(
            distribution="FastAPI",
            everything=("tests",),
            subset=tuple(f"tests/test_*{part}*.py" for part in FASTAPI_SUBSET),
            least_exchanges=180,
        ),
        Suite(distribution="Flask", everything=("tests",), subset=("tests",), least_exchanges=350),
        Suite(
            distribution="Werkzeug",
            everything=("tests",),
            subset=(
                "tests/middleware",
                *(f"tests/test_{part}.py" for part in ("debug", "exceptions", "formparser", "send_file", "serving")),
                *(f"tests/test_{part}.py" for part in ("test", "utils", "wrappers", "wsgi")),
            ),
            least_exchanges=150,
        ),
        Suite(
            distribution="Django",
            is_django=True,
            everything=(),
            subset=DJANGO_SUBSET,
            least_exchanges=1000,
            limit=4500.0,
        ),
    )
}


def run(suite: Suite, tests: Sequence[str], *, is_around: bool, is_alone: bool = False) -> Run:
    """Run *tests* of *suite*, bare or with perfkit around; *is_alone*: in one process, as few tests need no more.

    Raises:
        SourceMissing: The suite could not be downloaded.
        SuiteBroken: It came to no end.
    """
    python, source = os.fspath(python_of_suites()), source_of(suite.distribution)
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="transparency-") as folder:
        command = _command(suite, python, source, tests, is_around=is_around, is_alone=is_alone)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        environ |= OURS | {"TRANSPARENCY_FOLDER": folder, "PYTHONPATH": os.fspath(AROUND), "TMPDIR": folder}
        written = _finish(command, source / "tests" if suite.is_django else source, environ, suite.limit)
        try:
            outcomes = json.loads(Path(folder, "outcomes.json").read_bytes())
        except OSError:
            outcomes = {"total": 0, "others": {}}
        if not (outcomes["total"] or outcomes["others"]):
            raise SuiteBroken(f"{suite.distribution}'s suite did not run to its end. It wrote:\n{written[-3000:]}")
        witness = Path(folder, "witness.jsonl")
        seen = [json.loads(line) for line in witness.read_bytes().splitlines()] if witness.exists() else []
    exchanges = [each for each in seen if each["kind"] == "exchanges"]
    still_open: dict[str, float] = {}
    for each in exchanges:
        still_open[each["test"]] = still_open.get(each["test"], 0.0) + each["started"] - each["finished"]
    return Run(
        total=outcomes["total"],
        others=outcomes["others"],
        seconds=time.monotonic() - started_at,
        started=sum(each["started"] for each in exchanges),
        finished=sum(each["finished"] for each in exchanges),
        open={test: count for test, count in still_open.items() if count},
        errors=[each for each in seen if each["kind"] == "error"],
    )


def _command(
    suite: Suite, python: str, source: Path, tests: Sequence[str], *, is_around: bool, is_alone: bool
) -> list[str]:
    module = (suite.around or f"around_{suite.name}") if is_around else "outcomes"
    if suite.is_django:
        labels = [_label(test) for test in tests]
        processes = f"--parallel={1 if is_alone else 2}"
        runner = [os.fspath(AROUND / "django_suite.py"), module, os.fspath(source / "tests" / "runtests.py")]
        return [python, *runner, processes, "--noinput", *sorted(set(labels))]
    plugins = ["-p", "outcomes", "-p", "no:cacheprovider", *(["-p", module] if is_around else [])]
    return [python, "-m", "pytest", "-q", "--timeout", "60", *plugins, *_found(source, tests)]


def _found(source: Path, tests: Sequence[str]) -> list[str]:
    """Return *tests* with the files of *source* in the place of patterns; the id of a test may hold a star, too."""
    found: list[str] = []
    for test in tests:
        files = [] if "::" in test or "*" not in test else sorted(source.glob(test))
        found += [os.fspath(each.relative_to(source)) for each in files] or [test]
    return list(dict.fromkeys(found))


def _label(test: str) -> str:
    """Return what Django's runner calls the id *test* of unittest."""
    found = UNITTEST_LABEL.fullmatch(test)
    return found[1] if found else test.removeprefix("unittest.loader._FailedTest.")


def _finish(command: list[str], folder: Path, environ: dict[str, str], limit: float) -> str:
    """Run *command* to its end, or end it and all that it started; return what it wrote."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            log.write(f"\nIt took more than {limit:.0f} s.".encode())
        finally:
            with contextlib.suppress(ProcessLookupError):  # what it left, such as a server of a test that broke off
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.write(f"\nIt ended with {process.returncode}.".encode())
        log.seek(0)
        return log.read().decode(errors="replace")
