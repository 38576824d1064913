"""The list of the set-up ticks itself, and says the line that brings about what is missing."""

from __future__ import annotations

import msgspec
import pytest

from perfkit.dashboard import OverviewData, overview, page_entry, render
from perfkit.dashboard.sections.checklist import WAKES, Step, steps
from tests.unit.dashboard.full_samples import STATES
from tests.unit.dashboard.test_overview import Page


def told(shown: OverviewData) -> dict[str, Step]:
    return {each.said: each for each in steps(shown)}


def one(shown: OverviewData, part: str) -> Step:
    (found,) = [each for said, each in told(shown).items() if part in said]
    return found


def test_it_waits_for_the_first_request_and_then_counts() -> None:
    assert one(STATES["first-run"], "no request was counted yet").tone == "unknown"
    step = one(STATES["collecting"], "12 requests counted")
    assert (step.tone, "The score needs 50." in step.said) == ("ok", True)
    assert "needs" not in one(STATES["healthy"], "302,400 requests counted").said


@pytest.mark.parametrize("word", ["cache", "database", "load_balancer"])
def test_what_sleeps_tells_the_line_that_wakes_it_and_what_is_off_its_setting(word: str) -> None:
    assert one(STATES["asleep"], f"Nothing uses the {word.replace('_', ' ')} yet").line == WAKES[word]
    assert one(STATES["off"], f"The {word.replace('_', ' ')} is switched off").line == f"{word}.enabled=true"
    assert {one(STATES["full"], "The cache is in use").tone} == {"ok"}


def test_each_way_of_seeing_statements_is_told() -> None:
    assert one(STATES["full"], "through sqlalchemy").tone == "ok"
    missed = one(STATES["full"], "through asyncpg")
    assert (missed.tone, "the self-test was not captured" in missed.said) == ("warn", True)


def test_one_worker_many_workers_and_workers_that_cannot_count_together() -> None:
    assert one(STATES["one-worker"], "One worker counts").tone == "ok"
    assert one(STATES["healthy"], "4 workers count together").tone == "ok"
    assert one(STATES["not-shared"], "not writable").tone == "warn"


def test_numbers_in_memory_say_what_keeps_them() -> None:
    alone = msgspec.structs.replace(STATES["one-worker"], is_shared=False)
    assert one(alone, "end with this process").line.startswith("store.directory=")
    assert one(STATES["one-worker"], "outlive").tone == "ok"


def test_release_and_access_are_told() -> None:
    assert one(STATES["first-run"], "release is not known").line == "PERFKIT_RELEASE=2.8.1"
    assert one(STATES["healthy"], "The app is release 2.8.1").tone == "ok"
    assert one(STATES["healthy"], "buttons are off in production").line == "access.actions=true"
    assert "this machine sees the pages" in one(STATES["first-run"], "In development").said


def test_it_stands_on_the_first_page_until_there_is_a_score_and_always_in_the_settings() -> None:
    for state, is_there in (("first-run", True), ("collecting", True), ("healthy", False)):
        assert any(each.get("id") == "set-up" for each in Page(overview(STATES[state])).all("section")) is is_there
    entry = page_entry("settings")
    shown = STATES["healthy"]
    assert "Set-up" in Page(render(entry, shown, None)).text


def test_the_first_page_names_the_commands() -> None:
    text = Page(overview(STATES["first-run"])).text
    assert "perfkit doctor" in text
    assert "perfkit demo --open" in text
