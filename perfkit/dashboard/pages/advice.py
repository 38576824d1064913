"""All that was found: what to do, where the points went, what is put off, what was fixed, by release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from perfkit.advice.ranking import identity
from perfkit.advice.wording import NOTHING, count
from perfkit.core.findings import Finding
from perfkit.dashboard.actions.forms import action_form
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Choice, Given, Number, Parameter
from perfkit.dashboard.parts import Columns, cell, empty, section, site_code, table
from perfkit.dashboard.sections.fixed import fixed_list
from perfkit.dashboard.sections.ledger import ledger
from perfkit.dashboard.sections.recommendations import MOST, finding_list
from perfkit.dashboard.times import stamp

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import AdviceDocument

__all__ = ["ADVICE"]

COMPONENTS = ("all", "database", "cache", "performance", "load_balancer", "health", "alerts")


class Advice(Page[None]):
    """Findings by component, in parts; the score's ledger; the life of each."""

    parameters: ClassVar[Mapping[str, Parameter]] = {"of": Choice(COMPONENTS), "skip": Number(0, 10_000, 0)}

    def content(self, shown: OverviewData, found: None, given: Given) -> Child:
        """Return the cards."""
        return [
            h("h1", {"class": "hidden"}, "Advice"),
            _outlook(shown),
            _findings(shown, given),
            ledger(shown),
            _snoozed(shown, given),
            fixed_list(shown),
            _releases(shown),
        ]

    def document(self, shown: OverviewData, found: None, given: Given) -> AdviceDocument:
        """Return the same findings, all of them; and the score."""
        return {
            "score": shown.score,
            "outlook": shown.outlook,
            "findings": _chosen(shown, given),
            "snoozed": shown.snoozed,
            "fixed": shown.fixed,
            "releases": shown.releases,
        }


def _chosen(shown: OverviewData, given: Given) -> list[Finding]:
    of = given.text("of")
    return [each for each in shown.recommendations if of in ("all", each.component)]


def _outlook(shown: OverviewData) -> Markup | None:
    outlook, score = shown.outlook, shown.score
    if outlook is None or score is None:
        return None
    number = len(outlook.fingerprints)
    first = "the first of these" if number == 1 else f"the first {number} of these"
    return h(
        "p",
        {"class": "notice fine", "role": "note"},
        h("span", {"class": "mark", "aria-hidden": "true"}, "●"),
        h("span", None, f"The score is {score.value}. With {first} that cost points done: about {outlook.score}."),
    )


def _findings(shown: OverviewData, given: Given) -> Markup:
    chosen, first = _chosen(shown, given), given.number("skip")
    part = chosen[first : first + MOST]
    if not chosen:
        is_early = shown.score is None and not shown.recommendations
        body: Child = empty("Nothing was found yet: that takes requests." if is_early else "Nothing was found.")
    elif not part:
        body = empty(f"No finding here: the list ends at {len(chosen):,}.")
    else:
        body = finding_list(shown, given, part)
    links: list[Child] = []
    if first:
        links.append(h("a", {"class": "more", "href": given.link(skip=max(0, first - MOST))}, "‹ before"))
    if first + MOST < len(chosen):
        links.append(h("a", {"class": "more", "href": given.link(skip=first + MOST)}, "after ›"))
    here = given.text("of")
    known = [
        each for each in COMPONENTS if each == "all" or any(one.component == each for one in shown.recommendations)
    ]
    filters = [
        h(
            "a",
            {"href": given.link(of=each, skip=None), "aria-current": "true" if each == here else None},
            each.replace("_", " "),
        )
        for each in known
    ]
    note = h("span", {"class": "ranges", "role": "group", "aria-label": "Component"}, filters)
    foot = h("p", {"class": "footnote"}, links) if links else None
    return section("advice", f"What to do: {count(len(chosen), 'finding')}", body, foot, note=note)


def _snoozed(shown: OverviewData, given: Given) -> Markup | None:
    if not shown.snoozed:
        return None
    may_act = bool(shown.action_token)
    columns: Columns = [("Finding", "text"), ("Where", ""), ("Until", "")]
    columns += [("", "")] if may_act else []
    rows: list[list[Child]] = []
    for each in shown.snoozed[:50]:
        finding = each.finding
        row: list[Child] = [
            h("span", None, finding.code, " ", finding.message[:300]),
            cell(site_code(finding.site, shown.editor) if finding.site else NOTHING, ""),
            cell(stamp(each.until, shown.timezone), ""),
        ]
        if may_act:
            says = {"finding": identity(finding)}
            form = action_form(shown, given, "finding-reopen", "Tell it again", says=says, note=finding.message[:100])
            row.append(cell(form, ""))
        rows.append(row)
    return section("snoozed", "Snoozed", table("Snoozed findings", columns, rows))


def _releases(shown: OverviewData) -> Markup | None:
    if not shown.releases:
        return None
    columns: Columns = [("Release", ""), ("Since", "")]
    rows: list[list[Child]] = [
        [h("code", None, each.name[:200]), cell(stamp(each.at, shown.timezone), "")]
        for each in reversed(shown.releases[-20:])
    ]
    return section("releases", "Releases", table("Releases", columns, rows), note="the last first")


ADVICE = Advice()
