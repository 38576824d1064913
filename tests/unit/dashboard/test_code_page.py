"""The page of a code: it is that of the documentation, and leads from a finding to the next code."""

from __future__ import annotations

import json

import pytest

from perfkit.advice.codes import CODES, explanation
from perfkit.dashboard import encode, given_of, page_entry, render
from perfkit.dashboard.pages.codes.markdown import cards, inline
from tests.unit.dashboard.samples import HOSTILE, STATES_BY_NAME
from tests.unit.dashboard.test_overview import Page

SHOWN = STATES_BY_NAME["degraded"]


def html(query: str, name: str = "code") -> str:
    entry = page_entry(name)
    return render(entry, SHOWN, None, given_of(entry, query))


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_page_with_all_its_parts(code: str) -> None:
    source = html(f"id={code}")
    page = Page(source)
    for part in ("what-it-costs", "confirm-it", "fix-it", "when-to-ignore-it"):
        assert [each for each in page.all("section") if each.get("id") == part]
    assert "```" not in source
    assert "](" not in source
    links = [link.get("href") or "" for link in page.all("a")]
    assert {each.partition("id=")[2] for each in links if "code?id=" in each} <= set(CODES)


@pytest.mark.parametrize("query", ["", "id=PK999", "id=..%2F..%2Fetc", "id=%3Cscript%3E"])
def test_what_is_no_code_lists_all(query: str) -> None:
    links = [link.get("href") for link in Page(html(query)).all("a")]
    assert [each for each in links if each and "code?id=PK" in each and "PK999" not in each] == [
        f"./code?id={code}" for code in CODES
    ]


def test_the_json_has_the_meaning_of_the_code() -> None:
    entry = page_entry("code")
    document = json.loads(encode(entry, SHOWN, None, given_of(entry, "id=pk101")))
    (told,) = document["codes"]
    assert (told["code"], told["title"]) == ("PK101", explanation("PK101").title)


def test_a_finding_leads_to_what_its_code_means() -> None:
    links = {link.get("href") for link in Page(html("", "advice")).all("a")}
    told = {each.code for each in SHOWN.recommendations}
    assert told
    assert {f"./code?id={code}" for code in told if code in CODES} <= links


def test_markdown_becomes_elements_and_stays_text() -> None:
    (card,) = cards(f"## Part\n\nSee `x` and [PK136](PK136.md), [elsewhere](../../how-to/x.md), *now*.\n\n{HOSTILE}\n")
    page = Page(card)
    assert [link.get("href") for link in page.all("a")] == ["./code?id=PK136"]
    assert "<em>now</em>" in card
    assert "elsewhere" in card
    assert not page.all("img")
    assert not page.all("script")


def test_a_fence_keeps_its_blank_lines_and_headings() -> None:
    (card,) = cards("## Fix it\n\n### SQL\n\n```sql\nSELECT 1;\n\n### no heading\n```\n")
    assert "SELECT 1;\n\n### no heading" in card
    assert len(Page(card).all("h3")) == 1


def test_a_plain_line_stays_as_it_is() -> None:
    assert inline("a b") == ["a b"]
