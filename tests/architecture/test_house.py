"""The house stays readable: module sizes, names, folders."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "perfkit").rglob("*.py"), *(ROOT / "integrations").rglob("*.py")])
MEANINGLESS = {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_one_noun_of_bearable_length(path: Path) -> None:
    assert path.stem not in MEANINGLESS
    assert path.read_text().count("\n") <= 400


def test_a_folder_holds_few_modules() -> None:
    folders = {path.parent for path in SOURCES}
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := len(list(folder.glob("*.py")))) > (20 if folder.name == "core" else 14)
    }
    assert not crowded


def test_an_adapter_stays_thin() -> None:
    thick = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "integrations").rglob("*.py")
        if (lines := path.read_text().count("\n")) > 220
    }
    assert not thick


def test_each_import_package_is_typed() -> None:
    packages = [ROOT / "perfkit", *(ROOT / "integrations").glob("perfkit_*"), ROOT / "example_apps" / "perfkit_demo"]
    assert all((package / "py.typed").exists() for package in packages)


def test_a_code_stands_for_one_kind_of_finding() -> None:
    codes = re.compile(r'code="(PK\d{3})",\s*kind="([a-z_]+)"')
    kinds: dict[str, set[str]] = {}
    for path in SOURCES:
        for code, kind in codes.findall(path.read_text()):
            kinds.setdefault(code, set()).add(kind)
    assert kinds
    assert not {code: names for code, names in kinds.items() if len(names) > 1}
