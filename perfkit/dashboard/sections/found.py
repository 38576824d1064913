"""What a component's own page begins with: its figures in a row, and what was found about it."""

from __future__ import annotations

from collections.abc import Sequence

from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Markup, h
from perfkit.dashboard.parameters import Given
from perfkit.dashboard.parts import figure, section, split_unit
from perfkit.dashboard.sections.recommendations import MOST, finding_list

__all__ = ["figures", "found_card", "sort_link"]


def figures(*facts: tuple[str, str, str]) -> Markup:
    """Return cards in a row: title, value with its unit, and a note of each."""
    return h("div", {"class": "figures"}, [figure(title, *split_unit(said), note) for title, said, note in facts])


def found_card(shown: OverviewData, given: Given, component: str, *, is_about: Sequence[str] = ()) -> Markup | None:
    """Return what was found about *component*, or about those shapes of statements; None where that is nothing."""
    findings = [each for each in shown.recommendations if each.component == component]
    if is_about:
        findings = [each for each in findings if each.evidence.get("shape") in is_about]
    if not findings:
        return None
    note = f"{MOST} of {len(findings)}" if len(findings) > MOST else ""
    return section("findings", "What to do", finding_list(shown, given, findings), note=note)


def sort_link(given: Given, word: str, title: str) -> Markup:
    """Return the title of a column as a link that sorts by *word*, the largest first."""
    is_here = given.text("sort") == word
    arrow = h("span", {"class": "mark", "aria-hidden": "true"}, "▾") if is_here else None
    attributes = {"class": "sort", "href": given.link(sort=word), "aria-current": "true" if is_here else None}
    return h("a", attributes, title, arrow, h("span", {"class": "hidden"}, ", sort"))
