"""Where a request spent its time adds up, and the source that is shown is the user's own and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import floats, lists, tuples

from perfkit.dashboard import given_of, page_entry, render
from perfkit.dashboard.pages.request import RequestFound, _sites
from perfkit.dashboard.sections.excerpt import AROUND, excerpt
from perfkit.dashboard.sections.kept import typical
from perfkit.dashboard.sections.waterfall import critical_path, kinds_of
from perfkit.recorder.kept import KeptSpan
from tests.unit.dashboard.samples import HOSTILE, STATES_BY_NAME, kept
from tests.unit.dashboard.test_overview import Page


def span(*intervals: tuple[float, float], kind: str = "sql") -> KeptSpan:
    return KeptSpan(kind=kind, name="x", intervals=intervals, total=sum(took for _, took in intervals))


def test_spans_one_after_the_other_are_all_on_the_critical_path() -> None:
    assert critical_path([span((0.0, 0.1), (0.3, 0.2)), span((0.1, 0.2))], 0.6) == pytest.approx([0.3, 0.2])


def test_of_spans_at_once_the_last_to_end_is_waited_for() -> None:
    assert critical_path([span((0.0, 0.5)), span((0.0, 0.3))], 0.6) == pytest.approx([0.5, 0.0])
    assert critical_path([span((0.0, 0.3)), span((0.25, 0.35)), span((0.0, 0.2))], 0.6) == pytest.approx(
        [0.0, 0.35, 0.2]
    )


@given(lists(lists(tuples(floats(0.0, 1.0), floats(0.0, 1.0)), min_size=1, max_size=5), max_size=6))
def test_the_critical_path_is_never_longer_than_the_request(rows: list[list[tuple[float, float]]]) -> None:
    spans = [span(*each) for each in rows]
    told = critical_path(spans, 1.0)
    assert all(each >= 0.0 for each in told)
    assert sum(told) <= 1.0 + 1e-9
    assert all(each <= one.total + 1e-9 for each, one in zip(told, spans, strict=True))


def test_what_no_span_accounts_for_is_python() -> None:
    kinds = kinds_of(kept())
    assert sum(took for kind, (_, took) in kinds.items() if kind != "cache") == pytest.approx(0.612, abs=1e-6)
    assert kinds["sql"][0] == 215
    together, total = typical([kept(), kept(number=1)])
    assert together["sql"][0] == 430
    assert total == pytest.approx(1.234)


def test_a_request_shows_its_rows_its_exception_and_hostile_words_as_text() -> None:
    entry = page_entry("request")
    found = RequestFound(kept=kept(number=1))
    source = render(entry, STATES_BY_NAME["healthy"], found, given_of(entry, "id=0000000000000001"))
    seen = Page(source)
    assert HOSTILE not in source
    assert seen.row("×214 SELECT * FROM review")[2] == "407 ms"
    assert "shop/views/products.py:48" in seen.text
    assert "ValueError" in seen.text
    assert "Your code there" not in seen.text


def test_a_request_that_is_not_kept_says_so() -> None:
    entry = page_entry("request")
    assert "not kept (any more)" in Page(render(entry, STATES_BY_NAME["healthy"], None, given_of(entry, "id=x"))).text


@pytest.fixture
def project(tmp_path: Path) -> Path:
    inside = tmp_path / "project"
    inside.mkdir()
    (inside / "views.py").write_text("".join(f"line {n}\n" for n in range(1, 41)))
    (inside / "settings.ini").write_text("secret = 1\n" * 20)
    (tmp_path / "outside.py").write_text("secret\n" * 20)
    (inside / "link.py").symlink_to(tmp_path / "outside.py")
    (inside / "huge.py").write_text("x" * 2_000_000)
    return inside


def test_an_excerpt_is_the_lines_around_its_site(project: Path) -> None:
    lines = excerpt("views.py:20", project)
    assert lines[0] == (20 - AROUND, f"line {20 - AROUND}")
    assert len(lines) == 2 * AROUND + 1
    assert excerpt("views.py:1", project)[0] == (1, "line 1")
    (project / "views.py").write_text("new\n" * 3)
    assert excerpt("views.py:2", project)[0] == (1, "new")


@pytest.mark.parametrize(
    "site",
    [
        "", "views.py", "views.py:", "views.py:0", "views.py:41", "views.py:-1", "views.py:1e3", "views.py:99999999",
        "settings.ini:1", "../outside.py:1", "link.py:1", "/etc/passwd:1", "/etc/hosts.py:1", "huge.py:1", "none.py:1",
        "views.py\0:1", "x" * 10_000 + ".py:1", ".:1", "views.py/../../outside.py:1",
    ],
)  # fmt: skip
def test_no_other_file_and_no_other_line_is_shown(site: str, project: Path) -> None:
    assert excerpt(site, project) == ()


def test_code_of_the_app_that_lies_elsewhere_is_shown_and_what_is_installed_is_not(project: Path) -> None:
    assert excerpt(f"{__file__}:1", project)[0][0] == 1
    assert excerpt(f"{pytest.__file__}:1", project) == ()
    assert excerpt(f"{json.__file__}:1", project) == ()


def test_the_lines_that_failed_come_first_then_the_dearest() -> None:
    assert _sites(kept(number=1))[:2] == ["shop/views.py:48", "shop/views/products.py:48"]
