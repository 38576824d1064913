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
from transparency_suites import SUITES, Suite
from transparency_verdict import Verdict, judge, reviewed

NAMES = sorted(SUITES)

SLOWEST_FIRST = sorted(SUITES, key=["starlette", "werkzeug", "django", "fastapi", "flask"].index)

Judge: TypeAlias = Callable[[str], Verdict]


def judged(suite: Suite, *, is_everything: bool = False) -> Verdict:
    try:
        return judge(suite, is_everything=is_everything)
    except SourceMissing as error:
        pytest.skip(f"{error} Set pip up such that 'pip download {suite.name}' works, or run this where it does.")


@pytest.fixture(scope="module")
def judge_subset(request: pytest.FixtureRequest) -> Iterator[Judge]:
    """Judge the subsets that are wanted, two at a time: most run in one process each."""
    tests = [item for item in request.session.items if "judge_subset" in getattr(item, "fixturenames", ())]
    wanted = {item.callspec.params["name"] for item in tests}  # type: ignore[attr-defined]  # they are functions
    with ThreadPoolExecutor(2) as pool:
        futures = {name: pool.submit(judged, SUITES[name]) for name in SLOWEST_FIRST if name in wanted}
        yield lambda name: futures[name].result()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_what_exercises_apps_passes_with_perfkit_around_as_it_does_bare(name: str, judge_subset: Judge) -> None:
    verdict = judge_subset(name)
    assert verdict.is_good, str(verdict)


@pytest.mark.acceptance
@pytest.mark.timeout(10_800)
@pytest.mark.parametrize("name", NAMES)
def test_every_test_of_the_framework_passes_with_perfkit_around_as_it_does_bare(name: str) -> None:
    verdict = judged(SUITES[name], is_everything=True)
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


def test_what_meddles_with_answers_is_found() -> None:
    verdict = judged(replace(SUITES["flask"], around="meddling_flask", subset=("tests/test_basic.py",)))
    assert {"test_static_files", "test_app_freed_on_zero_refcount"} <= {
        name.split("::")[1] for name in verdict.differing
    }
    assert verdict.missing  # as perfkit saw nothing
