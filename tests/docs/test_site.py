"""The site is built from the pages as they are: no broken link, each page in the navigation, nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest
from doc_pages import FENCE, PAGES, ROOT, name, text

DOCS = ROOT / "docs"
LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("form", "action")}


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def zensical() -> Path:
    program = Path(sys.executable).with_name("zensical")
    if not program.exists():
        pytest.skip("zensical is not installed; install it with: pip install --group docs")
    return program


@pytest.fixture(scope="module")
def site(builder: ModuleType, zensical: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, DOCS / "build.py", "--into", folder], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return folder / "site"


def paths(navigation: object) -> Iterator[str]:
    if isinstance(navigation, str):
        yield navigation
    elif isinstance(navigation, dict):
        for each in navigation.values():
            yield from paths(each)
    elif isinstance(navigation, list):
        for each in navigation:
            yield from paths(each)


def test_every_page_is_in_the_navigation_once(builder: ModuleType) -> None:
    listed = list(paths(builder.navigation(text("docs/README.md"))))
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in PAGES if page.is_relative_to(DOCS))


def test_the_parts_are_those_of_diataxis(builder: ModuleType) -> None:
    parts = [next(iter(part)) for part in builder.navigation(text("docs/README.md"))]
    assert parts[:5] == ["Home", "Start", "Do", "Look up", "Understand"]


def test_every_page_is_built_with_its_title(site: Path) -> None:
    for page in PAGES:
        if page.is_relative_to(DOCS):
            inner = page.relative_to(DOCS).with_suffix("")
            made = site / (inner.parent if inner.name == "README" else inner) / "index.html"
            assert "<h1" in made.read_text(encoding="utf-8"), name(page)


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.items = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("canonical", "prev", "next"):
            return
        self.loads += [value or "" for key, value in attrs if (tag, key) in LOADED]


def test_no_page_loads_anything_from_another_origin(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 90
    for page in pages:
        elements = Elements()
        elements.feed(page.read_text(encoding="utf-8"))
        assert elements.loads
        foreign = [each for each in elements.loads if re.match(r"(?:[a-z]+:)?//", each)]
        assert not foreign, page
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")), style


def test_search_knows_every_part(site: Path) -> None:
    found = json.loads((site / "search.json").read_text(encoding="utf-8"))
    places = " ".join(str(each.get("location", "")) for each in found["items"])
    assert all(f"{part}/" in places for part in ("tutorials", "how-to", "reference", "explanation", "decisions"))


def test_a_broken_link_ends_the_build(builder: ModuleType, zensical: Path, tmp_path: Path) -> None:
    pages = tmp_path / "docs"
    pages.mkdir()
    (pages / "README.md").write_text("# Start\n\n[a page](other.md#part)\n")
    (pages / "other.md").write_text("# Other\n\n## Another part\n")
    shutil.copy(DOCS / "zensical.toml", tmp_path / "zensical.toml")
    done = subprocess.run(
        [zensical, "build", "--strict", "--config-file", tmp_path / "zensical.toml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "anchor does not exist" in re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)


def test_lists_and_tables_stand_apart_as_the_generator_wants_them() -> None:
    """GitHub sees a list right below a line, Python-Markdown takes it for a part of it."""
    item, wrong = re.compile(r"(?:[-*]|\d+\.) "), []
    for page in PAGES:
        is_code, before = False, ""
        for number, line in enumerate(text(page).splitlines(), 1):
            if FENCE.match(line):
                is_code = not is_code
            elif not is_code and before.strip() and page.is_relative_to(DOCS):
                begins_list = item.match(line) and not item.match(before) and not before.startswith(" ")
                begins_table = line.startswith("|") and not before.startswith("|")
                wrong += [f"{name(page)}:{number}"] if begins_list or begins_table else []
            before = line
    assert not wrong
