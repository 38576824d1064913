"""How a page is looked at: its width, its colours, and what axe-core says of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from visits import OVERFLOW, Visit

__all__ = ["OPEN_ALL", "SCHEMES", "WIDTHS", "dressed", "overflow", "violations"]

WIDTHS = (360, 768, 1440)
SCHEMES = ("light", "dark", "forced")

OPEN_ALL = "document.querySelectorAll('details').forEach(each => { each.open = true })"

_RULES = {"resultTypes": ["violations"]}


@cache
def _axe() -> str:
    """The source of axe-core, which only tests use."""
    package = pytest.importorskip("axe_playwright_python")
    return Path(str(package.__file__)).with_name("axe.min.js").read_text()


def dressed(visit: Visit, width: int, scheme: str) -> Visit:
    """Show the page as wide as that, and in that scheme: ``light``, ``dark`` or the system's ``forced`` colours."""
    visit.page.set_viewport_size({"width": width, "height": 844})
    if scheme == "forced":
        visit.page.emulate_media(color_scheme="dark", forced_colors="active")
    else:
        visit.page.emulate_media(color_scheme=scheme, forced_colors="none")
    return visit


def overflow(visit: Visit, width: int, scheme: str) -> Any:
    """Return the pixels by which the page so shown is wider than its window."""
    return dressed(visit, width, scheme).measure(OVERFLOW)


def violations(visit: Visit) -> list[tuple[str, list[str]]]:
    """Return what axe finds wrong with the page as it is."""
    if not visit.measure("'axe' in window"):
        visit.measure(f"(() => {{ {_axe()} }})()")
    found = visit.page.evaluate("rules => axe.run(document, rules)", _RULES)["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found]
