"""The demo as a proof, in all three frameworks: its problems are found where they are, and their fixes are measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from patience import until
from running_demo import RunningDemo, get

from perfkit_demo.described import FRAMEWORKS
from perfkit_demo.run import tell_story

pytestmark = [pytest.mark.acceptance, pytest.mark.server, pytest.mark.timeout(400)]

FOUND = 30.0
"""Seconds within which all problems are found, on a quiet machine."""

VISITORS = 6
"""Who send requests at once to make up for those that the demo's own visitors would send in minutes."""


class Seeded(NamedTuple):
    """A problem, its finding, and what proves the fix."""

    name: str
    code: str
    file: str
    word: str
    """What stands in the line that is named; empty where no line can be."""
    targets: tuple[str, ...]
    count: int = 160
    needs_loop: bool = False


PROBLEMS = (
    Seeded("n1", "PK101", "catalogue.py", "rating", ("/products?page=1", "/products?page=2")),
    Seeded("index", "PK201", "catalogue.py", "found", ("/search?q=SK-0007", "/search?q=SK-0042")),
    Seeded("dup", "PK102", "sales.py", "total", ("/cart?cart=3", "/cart?cart=9")),
    Seeded("cols", "PK103", "catalogue.py", "product", ("/products/3", "/products/7", "/products/11")),
    Seeded("storm", "PK301", "", "", ("/home", "/about"), count=1_500),
    Seeded("flaky", "PK503", "", "", ("/products/7/stock",), count=400),
    Seeded("block", "PK401", "sales.py", "sleep", ("/reports/daily",), needs_loop=True),
)


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def demo(framework: str, tmp_path: Path) -> Iterator[RunningDemo]:
    running = RunningDemo(tmp_path, "--framework", framework, "--no-story")
    try:
        yield running
    finally:
        running.kill()


def wanted(framework: str) -> list[Seeded]:
    return [each for each in PROBLEMS if framework == "fastapi" or not each.needs_loop]


def overview(demo: RunningDemo) -> dict[str, Any]:
    told: dict[str, Any] = get(demo.addresses["dashboard"] + "api/overview").json()
    return told


def codes(findings: list[dict[str, Any]]) -> set[str]:
    return {each["code"] for each in findings}


def ask(demo: RunningDemo, targets: tuple[str, ...], count: int) -> None:
    """Send *count* requests in all, in turn."""
    base = demo.addresses["shop"].rstrip("/")

    def visit(visitor: int) -> None:
        with httpx2.Client(timeout=60.0, trust_env=False) as client:
            for number in range(visitor, count, VISITORS):
                client.get(base + targets[number % len(targets)])

    with ThreadPoolExecutor(VISITORS) as pool:
        list(pool.map(visit, range(VISITORS)))


def flip(demo: RunningDemo, name: str, on: bool) -> None:
    address = demo.addresses["shop"] + "demo"
    answer = httpx2.post(address, data={"fix": name, "on": str(int(on))}, timeout=60.0, trust_env=False)
    assert answer.status_code == 303, f"{name}: {answer.text}"


def line_of(site: str) -> str:
    path, _, line = site.rpartition(":")
    return Path(path).read_text().splitlines()[int(line) - 1].lower()


def check_place(finding: dict[str, Any], seeded: Seeded, framework: str) -> None:
    assert finding["message"]
    assert finding["action"]
    assert finding["evidence"]
    if not seeded.file:
        return
    path, _, _ = finding["site"].rpartition(":")
    assert path.endswith(f"{framework}_shop/{seeded.file}"), finding["site"]
    words = {seeded.word, "list(", "values_list"} if seeded.name == "index" else {seeded.word}
    assert any(word in line_of(finding["site"]) for word in words), finding["site"]
    if seeded.name != "block":
        orm = "django" if framework == "django" else "alembic" if seeded.name == "index" else "sqlalchemy"
        assert finding["fix"][orm]
        assert finding["fix"]["sql"]


def test_every_problem_is_found_at_its_line_and_each_fix_is_measured(demo: RunningDemo, framework: str) -> None:
    problems = wanted(framework)
    started = time.monotonic()
    expected = {each.code for each in problems}
    told = until(lambda: overview(demo), lambda seen: expected <= codes(seen["recommendations"]))
    took = time.monotonic() - started
    assert expected <= codes(told["recommendations"]), sorted(expected - codes(told["recommendations"]))
    assert took < FOUND, f"it took {took:.1f} s"
    findings = told["recommendations"]
    assert [each for each in findings if "about" in f"{each['route']} {each['object']}"] == []
    for seeded in problems:
        shown = [each for each in findings if each["code"] == seeded.code and _is_seeded(each, seeded, framework)]
        assert len(shown) >= 1, f"{seeded.name} is told elsewhere: {findings}"
        check_place(shown[0], seeded, framework)
    before = told["score"]["value"]

    for seeded in problems:
        flip(demo, seeded.name, on=True)
    for seeded in problems:
        ask(demo, seeded.targets, seeded.count)
    told = until(lambda: overview(demo), lambda seen: expected <= codes(seen["fixed"]))
    fixed = {each["code"]: each for each in told["fixed"]}
    assert expected <= set(fixed), sorted(expected - set(fixed))
    assert not expected & codes(told["recommendations"])
    for code in expected:
        proved = fixed[code]
        assert proved["after"]["requests"] >= 100, code
        assert proved["since"] < proved["fixed_at"], code
        if not proved["route"] or code in ("PK101", "PK103"):
            assert proved["before"]["requests"] >= 20, code
        assert proved["proof"], code
    n1, dup = fixed["PK101"], fixed["PK102"]
    assert n1["before"]["queries"] > 40.0
    assert n1["after"]["queries"] == pytest.approx(2.0, abs=0.2)
    assert n1["after"]["mean"] < n1["before"]["mean"]
    assert n1["route"] == "GET /products"
    assert dup["after"]["queries"] < dup["before"]["queries"] - 0.5
    assert told["score"]["value"] >= before

    flip(demo, "n1", on=False)
    ask(demo, ("/products?page=1",), 30)
    told = until(lambda: overview(demo), lambda seen: "PK101" in codes(seen["recommendations"]))
    (again,) = [each for each in told["recommendations"] if each["code"] == "PK101"]
    assert again["state"] == "returned"


def test_the_next_release_brings_the_problem_of_the_story_and_is_marked(tmp_path: Path) -> None:
    demo = RunningDemo(tmp_path)
    try:
        until(lambda: overview(demo), lambda seen: {"PK103", "PK102"} <= codes(seen["recommendations"]))
        assert "PK101" not in codes(overview(demo)["recommendations"])
        tell_story(int(demo.addresses["shop"].rstrip("/").rpartition(":")[2]))
        told = until(lambda: overview(demo), lambda seen: "PK101" in codes(seen["recommendations"]))
        assert [mark["name"] for mark in told["releases"]] == ["2.8.0", "2.8.1"]
        assert told["release"] == "2.8.1"
    finally:
        demo.kill()


def _is_seeded(finding: dict[str, Any], seeded: Seeded, framework: str) -> bool:
    return not seeded.file or f"{framework}_shop/{seeded.file}" in (finding["site"] or "")
