"""Links lead somewhere, every page can be reached, and names in the text exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_pages import INSIDE, LINK, PAGES, ROOT, anchors, name, prose, text

from perfkit.config.fields import leaves, render
from perfkit.config.performance_config import PerformanceConfig

SETTINGS = {render(path) for path, _ in leaves(PerformanceConfig)}
OF_TESTS = {"PERFKIT_NO_SKIP"}


def relative_links(page: Path) -> list[str]:
    return [link for link in LINK.findall(prose(text(page))) if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in relative_links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)} links to {link}"
        assert target.is_relative_to(ROOT), f"{name(page)} links out of the repository: {link}"
        if anchor:
            assert anchor in anchors(text(target)), f"{name(page)} links to {link}, which has no such heading"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        if page in PAGES:
            waiting += [(page.parent / link.partition("#")[0]).resolve() for link in relative_links(page)]
    assert not {name(page) for page in PAGES if page not in seen}


def test_every_decision_is_numbered_and_tells_context_decision_and_cost() -> None:
    pages = sorted(page for page in (ROOT / "docs" / "decisions").glob("*.md") if page.name != "README.md")
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        source = text(page)
        assert source.startswith(f"# {int(page.name[:4])}. "), name(page)
        for part in ("**Context.**", "**Decision.**", "**Cost.**"):
            assert source.count(part) == 1, f"{name(page)} has no {part}"


def test_every_dependency_has_a_decision() -> None:
    import tomllib

    project = tomllib.loads(text("pyproject.toml"))
    wanted = list(project["project"]["dependencies"])
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    for group in project["dependency-groups"].values():
        wanted += [each for each in group if isinstance(each, str)]
    names = {re.split(r"[^A-Za-z0-9._-]", each)[0].lower() for each in wanted} - {"perfkit"}
    decisions = "\n".join(text(page) for page in PAGES if page.parent.name == "decisions").lower()
    assert not {each for each in names if not re.search(rf"\b{re.escape(each)}\b", decisions)}


def test_every_variable_in_the_text_exists() -> None:
    known = {"PERFKIT_TOKEN", "PERFKIT_URL", *OF_TESTS} | {
        f"PERFKIT_{path.upper().replace('.', '__')}" for path in SETTINGS
    }
    for page in PAGES:
        if page.name != "settings.md":
            assert set(re.findall(r"PERFKIT_[A-Z_]+", text(page))) <= known, name(page)


def test_every_setting_in_the_text_exists() -> None:
    sections = {path.partition(".")[0] for path in SETTINGS if "." in path}
    inner = {path.rpartition(".")[0] for path in SETTINGS}
    pattern = re.compile(rf"`((?:{'|'.join(sorted(sections))})(?:\.[a-z_]+)+)(?:=[^`]*)?`")
    for page in (page for page in PAGES if name(page) not in INSIDE):
        for found in pattern.findall(prose(text(page))):
            assert found in SETTINGS | inner, f"{name(page)} names {found}"


def test_the_readme_stays_short_and_shows_pictures_of_ours_alone() -> None:
    readme = text("README.md")
    assert readme.count("\n") < 250
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]*)\)", readme)
    assert len(pictures) == readme.count("![")
    assert all(re.fullmatch(r"docs/pictures/[a-z]+-(?:light|dark|phone)\.png", each) for each in pictures)
