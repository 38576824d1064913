"""Starlette's, Flask's, Werkzeug's and Django's own tests pass with perfkit around every app as they do bare."""

from __future__ import annotations

from dataclasses import replace

import pytest
from transparency_sources import SourceMissing
from transparency_suites import SUITES, Suite
from transparency_verdict import Verdict, judge, reviewed

NAMES = sorted(SUITES)


def judged(suite: Suite, *, is_everything: bool = False) -> Verdict:
    try:
        return judge(suite, is_everything=is_everything)
    except SourceMissing as error:
        pytest.skip(f"{error} Set pip up such that 'pip download {suite.name}' works, or run this where it does.")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_what_exercises_apps_passes_with_perfkit_around_as_it_does_bare(name: str) -> None:
    verdict = judged(SUITES[name])
    assert verdict.is_good, str(verdict)


@pytest.mark.acceptance
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", NAMES)
def test_every_test_of_the_framework_passes_with_perfkit_around_as_it_does_bare(name: str) -> None:
    verdict = judged(SUITES[name], is_everything=True)
    assert verdict.is_good, str(verdict)


@pytest.mark.parametrize("name", NAMES)
def test_each_entry_of_a_reviewed_list_has_a_reason(name: str) -> None:
    assert all(len(reason) > 20 for reason in reviewed(SUITES[name]).values())


def test_what_meddles_with_answers_is_found() -> None:
    verdict = judged(replace(SUITES["flask"], around="meddling_flask", subset=("tests/test_basic.py",)))
    assert {"test_static_files", "test_app_freed_on_zero_refcount"} <= {
        name.split("::")[1] for name in verdict.differing
    }
    assert verdict.missing  # as perfkit saw nothing
