"""What is said to be missing can be had: each extra that the code or a page names is there, and brings that package."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = [
    path for folder in ("perfkit", "integrations", "example_apps") for path in sorted((ROOT / folder).rglob("*.py"))
]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]

EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_NAMED = re.compile(r"perfkit\[([^\]{}]*)\]")


def packages(extra: str) -> set[str]:
    """Return the names of what *extra* brings."""
    return {found[0].lower() for each in EXTRAS[extra] if (found := _NAME.match(each))}


def missing_named() -> Iterator[tuple[str, ast.Call]]:
    """Yield each call that says which package is missing, and where it stands."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and any(each.arg == "extra" for each in node.keywords):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_what_is_missing_is_named_by_an_extra_that_brings_it() -> None:
    looked_at = 0
    for place, call in missing_named():
        extra = text(next(each.value for each in call.keywords if each.arg == "extra"))
        if not extra:  # it is handed on: the calls of that function are looked at
            continue
        looked_at += 1
        assert extra in EXTRAS, f"{place} names the extra {extra!r}"
        names = {text(each).lower() for each in call.args} - {""}
        if names:
            assert names & packages(extra), f"{place}: {extra!r} brings {packages(extra)}, not {names}"
    assert looked_at > 10


def test_what_the_demo_needs_is_in_its_extra() -> None:
    from perfkit.cli.demo import PACKAGES

    brought = packages("demo") | {"greenlet"}  # that of sqlalchemy[asyncio]
    assert {name for names in PACKAGES.values() for name in names} <= brought


def test_all_extras_together_are_all_others() -> None:
    (everything,) = EXTRAS["all"]
    assert set(everything.removeprefix("perfkit[").removesuffix("]").split(",")) == EXTRAS.keys() - {"all"}


@pytest.mark.parametrize("paths", [CODE, PAGES], ids=["code", "pages"])
def test_every_extra_that_is_named_is_there(paths: list[Path]) -> None:
    unknown = {
        f"{path.relative_to(ROOT)}: {extra}"
        for path in paths
        for found in _NAMED.finditer(path.read_text())
        for extra in found[1].replace(" ", "").split(",")
        if extra not in EXTRAS
    }
    assert unknown == set()
