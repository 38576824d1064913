"""The frameworks' own tests pass with perfkit around every app as they do bare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
import transparency_verdict
from transparency_sources import SourceMissing
from transparency_suites import SUITES, Suite, run
from transparency_verdict import Verdict, judge, reviewed

NAMES = sorted(SUITES)

SLOWEST_FIRST = sorted(SUITES, key=["django", "fastapi", "starlette", "werkzeug", "flask"].index)

Judge: TypeAlias = Callable[[str], Verdict]


def judged(suite: Suite, *, is_everything: bool = False) -> Verdict:
    try:
        return judge(suite, is_everything=is_everything)
    except SourceMissing as error:
        pytest.skip(f"{error} Set pip up such that 'pip download {suite.name}' works, or run this where it does.")


@pytest.fixture(
    scope="module", params=[False, pytest.param(True, marks=pytest.mark.acceptance)], ids=["subset", "whole"]
)
def judge_wanted(request: pytest.FixtureRequest) -> Iterator[Judge]:
    """Judge the suites that are wanted, two at a time: most run in one process each."""
    tests = [item for item in request.session.items if "judge_wanted" in getattr(item, "fixturenames", ())]
    wanted = {item.callspec.params["name"] for item in tests}  # type: ignore[attr-defined]  # they are functions
    with ThreadPoolExecutor(2) as pool:
        futures = {
            name: pool.submit(judged, SUITES[name], is_everything=request.param)
            for name in SLOWEST_FIRST
            if name in wanted
        }
        yield lambda name: futures[name].result()


@pytest.mark.timeout(5400)
@pytest.mark.parametrize("name", NAMES)
def test_the_frameworks_own_tests_pass_with_perfkit_around_as_they_do_bare(name: str, judge_wanted: Judge) -> None:
    verdict = judge_wanted(name)
    assert verdict.is_good, str(verdict)


def test_a_reviewed_list_wants_a_reason_for_each_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transparency_verdict, "REVIEWED", tmp_path)
    listed = tmp_path / "flask.txt"
    listed.write_text("# Reviewed.\n\ntests/a.py::test_b  # it counts the frames above a view\n")
    assert reviewed(SUITES["flask"]) == {"tests/a.py::test_b": "it counts the frames above a view"}
    assert reviewed(SUITES["django"]) == {}
    listed.write_text("tests/a.py::test_b\n")
    with pytest.raises(ValueError, match="no reason for"):
        reviewed(SUITES["flask"])


def compare_apps(suite: Suite) -> set[str]:
    """Return the reviewed tests of Django that compare lists of apps: all but those that only differ at times."""
    return {name for name, reason in reviewed(suite).items() if not reason.startswith(transparency_verdict.AT_TIMES)}


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_what_is_reviewed_of_django_fails_with_any_app_that_is_installed_beside_its_own() -> None:
    """One that does nothing does it: that is the reason that each entry gives."""
    suite = replace(SUITES["django"], around="bystander_django")
    entries = compare_apps(suite)
    try:
        beside = run(suite, sorted(entries), is_around=True, is_alone=True)
    except SourceMissing as error:
        pytest.skip(str(error))
    assert beside.failed == entries


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_what_is_reviewed_of_django_passes_with_the_middleware_alone() -> None:
    """So it is the list of apps that those tests look at, not what perfkit does."""
    suite = replace(SUITES["django"], around="middleware_django")
    entries = compare_apps(suite)
    try:
        around = run(suite, sorted(entries), is_around=True, is_alone=True)
    except SourceMissing as error:
        pytest.skip(str(error))
    assert (around.total, around.others, around.errors) == (len(entries), {}, [])


def test_what_meddles_with_answers_is_found() -> None:
    verdict = judged(replace(SUITES["flask"], around="meddling_flask", subset=("tests/test_basic.py",)))
    assert {"test_static_files", "test_app_freed_on_zero_refcount"} <= {
        name.split("::")[1] for name in verdict.differing
    }
    assert verdict.missing  # as perfkit saw nothing
