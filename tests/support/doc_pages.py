"""The pages of the documentation, their code blocks, links, headings and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)

INSIDE = {"docs/explanation/store.md"}
"""Pages for maintainers, which show lines of the code and not how to use it."""

FENCE = re.compile(r"^```(\w*)\s*$")
HEADING = re.compile(r"^#{1,6} (.+)$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
SKIP = re.compile(r"^<!-- not run: \S.* -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: Number of its first line of code in the page.
        is_run: False if a comment above it says why it cannot be.
    """

    language: str
    code: str
    line: int
    is_run: bool


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text(page: str | Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(source: str) -> Iterator[Block]:
    """Give the fenced blocks of a page's *source*; an open one is an error."""
    lines, language, begin, is_run = source.splitlines(), "", 0, True
    for number, line in enumerate(lines, 1):
        found = FENCE.match(line)
        if found is None:
            continue
        if begin:
            assert not found[1], f"line {number}: a block begins inside a block"
            yield Block(language, "\n".join(lines[begin : number - 1]) + "\n", begin + 1, is_run)
            begin = 0
        else:
            above = next((each for each in reversed(lines[: number - 1]) if each), "")
            language, begin, is_run = found[1], number, SKIP.match(above) is None
    assert not begin, f"line {begin}: a block has no end"


def prose(source: str) -> str:
    """Return *source* without its fenced blocks."""
    kept, is_code = [], False
    for line in source.splitlines():
        if FENCE.match(line):
            is_code = not is_code
        elif not is_code:
            kept.append(line)
    return "\n".join(kept)


def anchors(source: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = (found[1] for line in prose(source).splitlines() if (found := HEADING.match(line)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(source: str, heading: str) -> str:
    """Return what stands below *heading* up to the next one of its level or above."""
    level = heading.split(" ")[0]
    pattern = rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)"
    found = re.search(pattern, source, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading!r}"
    return found[1]


def rows(source: str) -> list[list[str]]:
    """Return the cells of all table rows of *source*, without the rows of headings."""
    lines = [line for line in source.splitlines() if line.startswith("|")]
    heads = {index - 1 for index, line in enumerate(lines) if set(line) <= set("|- ")}
    kept = (line for index, line in enumerate(lines) if index not in heads and index - 1 not in heads)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in kept]
