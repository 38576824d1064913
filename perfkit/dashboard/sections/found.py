"""What a component's own page begins with: its figures in a row, and what was found about it."""

from __future__ import annotations

from collections.abc import Sequence

from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Markup, h
from perfkit.dashboard.parameters import Given
from perfkit.dashboard.parts import section
from perfkit.dashboard.sections.recommendations import MOST, finding_list

__all__ = ["figures", "found_card", "none"]


def figures(*facts: tuple[str, str, str]) -> Markup:
    """Return cards in a row: title, value with its unit, and a note of each."""
    return h("div", {"class": "figures"}, [_figure(*fact) for fact in facts])


def _figure(title: str, said: str, note: str) -> Markup:
    value, _, unit = said.partition(" ")
    return h(
        "section",
        {"class": "card figure"},
        h("h2", None, title),
        h("p", {"class": "value"}, value, h("span", {"class": "unit"}, unit) if unit else None),
        h("p", {"class": "note"}, note),
    )


def found_card(shown: OverviewData, given: Given, component: str, *, is_about: Sequence[str] = ()) -> Markup | None:
    """Return what was found about *component*, or about those shapes of statements; None where that is nothing."""
    findings = [each for each in shown.recommendations if each.component == component]
    if is_about:
        findings = [each for each in findings if each.evidence.get("shape") in is_about]
    if not findings:
        return None
    note = f"{MOST} of {len(findings)}" if len(findings) > MOST else ""
    return section("findings", "What to do", finding_list(shown, given, findings), note=note)


def none(sentence: str) -> Markup:
    """Return the sentence that stands where a table would be empty."""
    return h("p", {"class": "empty"}, sentence)
