"""What a code of a finding means: the page of the documentation, at hand where the finding is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from perfkit.advice.codes import CODES, Meaning, explanation, explanations
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.pages.codes.markdown import cards, inline
from perfkit.dashboard.parameters import Given, Parameter, Text
from perfkit.dashboard.parts import cell, section, table

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import CodeDocument

__all__ = ["CODE"]


class Code(Page[None]):
    """One code; all of them where none is asked for. The same for everybody: nothing of the service is in it."""

    parameters: ClassVar[Mapping[str, Parameter]] = {"id": Text(5)}

    def title(self, shown: OverviewData, found: None, given: Given) -> str:
        """Return the code and its title."""
        told = _asked(given)
        return "Codes" if told is None else _name(told)

    def content(self, shown: OverviewData, found: None, given: Given) -> Child:
        """Return the cards."""
        told = _asked(given)
        if told is None:
            return [h("h1", {"class": "hidden"}, "Codes"), _list()]
        return [h("h1", {"class": "hidden"}, _name(told)), _facts(told), cards(told.body), _evidence(told)]

    def document(self, shown: OverviewData, found: None, given: Given) -> CodeDocument:
        """Return the same; the body is Markdown."""
        told = _asked(given)
        return {"codes": explanations() if told is None else (told,)}


def _asked(given: Given) -> Meaning | None:
    """Return the code that is asked for; None where there is no such code."""
    code = given.text("id").upper()
    return explanation(code) if code in CODES else None


def _name(told: Meaning) -> str:
    return f"{told.code}: {told.title}"


def _list() -> Markup:
    rows: list[list[Child]] = [
        [
            h("a", {"href": f"./code?id={each.code}"}, each.code),
            cell(each.title, "text"),
            cell(inline(each.told), "text"),
        ]
        for each in explanations()
    ]
    return section("codes", "Codes", table("Codes", [("Code", ""), ("What", "text"), ("Told when", "text")], rows))


def _facts(told: Meaning) -> Markup:
    back = h("p", None, h("a", {"class": "back", "href": "./advice"}, "‹ Advice"))
    return section(
        "code",
        _name(told),
        back,
        h("p", None, "Told when ", inline(told.told), "."),
        h("p", {"class": "note"}, f"{told.kind} · {told.component.replace('_', ' ')} · priority: {told.priority}"),
        note=h("a", {"class": "more", "href": "./code"}, "all codes"),
    )


def _evidence(told: Meaning) -> Markup | None:
    if not told.evidence:
        return None
    rows: list[list[Child]] = [
        [h("code", None, name), cell(inline(meaning), "text")] for name, meaning in told.evidence.items()
    ]
    return section("evidence", "What it carries", table("Evidence", [("Evidence", ""), ("Meaning", "text")], rows))


CODE = Code()
