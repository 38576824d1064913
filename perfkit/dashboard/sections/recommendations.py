"""What to do first: the ranked findings, each with its line, its evidence and text to copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from perfkit.advice.figures import figure
from perfkit.advice.gains import gains_told
from perfkit.advice.ranking import identity
from perfkit.advice.wording import CONFIDENCE, count
from perfkit.core.findings import Finding, Priority
from perfkit.dashboard.actions.forms import action_form
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parameters import Given
from perfkit.dashboard.parts import breakable, section, site_code
from perfkit.dashboard.timeline.history import LONGEST_NAME, release_at
from perfkit.dashboard.times import stamp

__all__ = ["finding_list", "recommendations"]

MOST = 10
"""Findings shown; the others are counted."""

FIRST = 5
"""Findings in sight; the others that are shown lie behind a button."""

LONGEST = 600
"""Characters of one text: the page stays readable, and small, whatever a component says."""

MOST_FIGURES = 12
"""Figures of the evidence."""

MOST_FIXES = 5
"""Languages in which a fix is told."""

WIDE = 36
"""Characters of a figure from which it has a line of its own."""

_MARKS = {
    Priority.CRITICAL: ("■", "bad"),
    Priority.HIGH: ("▲", "warn"),
    Priority.MEDIUM: ("●", "plain"),
    Priority.LOW: ("○", "unknown"),
}
_LANGUAGES = {"sql": "SQL", "django": "Django", "sqlalchemy": "SQLAlchemy", "python": "Python", "alembic": "Alembic"}


def recommendations(data: OverviewData, given: Given) -> Markup | None:
    """Return the card; None while there is neither a finding nor enough requests to say that there is none."""
    findings = data.recommendations
    if not findings:
        if data.score is None:
            return None
        return section("advice", _title(data), h("p", {"class": "empty"}, "Nothing: no problem was found."))
    wins = _wins(data)
    items = [
        _item(data, given, finding, wins.get(identity(finding), 0), is_first=not at)
        for at, finding in enumerate(findings[:MOST])
    ]
    parts: list[Child] = [h("ol", {"class": "findings"}, items[:FIRST])]
    if behind := items[FIRST:]:
        summary = h("summary", None, f"Show the next {count(len(behind), 'finding')}")
        parts.append(h("details", None, summary, h("ol", {"class": "findings", "start": FIRST + 1}, behind)))
    rest = len(findings) - MOST
    if rest > 0:
        link = h("a", {"class": "more", "href": "./api/overview"}, "JSON")
        parts.append(h("p", {"class": "footnote"}, f"and {count(rest, 'finding')} more, in the ", link))
    return section("advice", _title(data), *parts, note="by priority, then by request time saved")


def _title(data: OverviewData) -> str:
    """What the verdict says to do first is the first finding; or it is none, and the findings come after it."""
    return "What to do next" if data.verdict.comes_before_findings else "What to do first"


def finding_list(data: OverviewData, given: Given, findings: Sequence[Finding]) -> Markup:
    """Return *findings* one below the other, at most `MOST`, the first one opened."""
    wins = _wins(data)
    return h(
        "ol",
        {"class": "findings"},
        [
            _item(data, given, each, wins.get(identity(each), 0), is_first=not at)
            for at, each in enumerate(findings[:MOST])
        ],
    )


def _wins(data: OverviewData) -> dict[str, int]:
    """Return the points of the score that each finding costs, by fingerprint."""
    won: dict[str, int] = {}
    for part in data.score.parts if data.score is not None else ():
        for loss in part.losses:
            if loss.fingerprint:
                won[loss.fingerprint] = won.get(loss.fingerprint, 0) + loss.points
    return won


def _item(data: OverviewData, given: Given, finding: Finding, points: int, *, is_first: bool) -> Markup:
    mark, tone = _MARKS[finding.priority]
    return h(
        "li",
        {"class": "finding"},
        h(
            "p",
            {"class": "title"},
            h(
                "span",
                {"class": f"state {tone}"},
                h("span", {"class": "mark", "aria-hidden": "true"}, mark),
                finding.priority,
            ),
            h("strong", None, _cut(finding.message)),
        ),
        h("p", {"class": "do"}, _cut(finding.action)),
        h("p", {"class": "note"}, _facts(data, finding, points)),
        _snooze(data, given, finding),
        _details(finding, is_open=is_first),
    )


def _snooze(data: OverviewData, given: Given, finding: Finding) -> Markup | None:
    """Return the button that has nothing told of *finding* for a week, for who may act."""
    says = {"finding": identity(finding)}
    return action_form(data, given, "finding-snooze", "Snooze for a week", says=says, note=_cut(finding.message))


def _facts(data: OverviewData, finding: Finding, points: int) -> list[Child]:
    """Return where it is, what it is about, what it wins and since when it is there, between dots."""
    facts: list[Child] = []
    if finding.site:
        facts.append(site_code(finding.site, data.editor, _cut(finding.site)))
    if finding.object and finding.object != finding.site:
        facts.append(h("code", None, breakable(_cut(finding.object))))
    facts += gains_told(finding)
    if points:
        facts.append(f"wins {count(points, 'point')}")
    if finding.first_seen is not None:
        facts.append(_first_seen(data, finding.first_seen))
    if finding.confidence != "sure":
        facts.append(_cut(CONFIDENCE.get(finding.confidence, finding.confidence)))
    code: Child = finding.code
    if finding.help:
        code = h("a", {"href": f"./code?id={finding.code}", "title": "What it means and how to fix it"}, finding.code)
    facts.append([code, f" {finding.component}"])
    return [[" · ", fact] if at else fact for at, fact in enumerate(facts)]


def _first_seen(data: OverviewData, at: float) -> Child:
    """Say when it was met first, and in which release that was, where there have been several."""
    release = release_at(data.releases, at)
    told: list[Child] = ["first seen ", stamp(at, data.timezone)]
    if release is not None and len(data.releases) > 1:
        told.append(f" in release {release.name[:LONGEST_NAME]}")
    return told


def _details(finding: Finding, *, is_open: bool) -> Markup | None:
    """Return what is folded: the fix, then the evidence; of one that is open the evidence stays folded if it can."""
    evidence = _evidence(dict(list(finding.evidence.items())[:MOST_FIGURES]) | {"estimated_from": finding.basis})
    fixes = [_fix(language, text) for language, text in list(finding.fix.items())[:MOST_FIXES]]
    proof = h("dl", {"class": "evidence"}, evidence) if evidence else None
    of = h("span", {"class": "hidden"}, f" of {_cut(finding.message)}")
    if not fixes:
        return h("details", {"open": is_open}, h("summary", None, "Evidence", of), proof) if proof else None
    if proof and is_open:
        proof = h("details", None, h("summary", None, "Evidence", of), proof)
    words = "Fix and evidence" if proof and not is_open else "Fix"
    return h("details", {"open": is_open}, h("summary", None, words, of), fixes, proof)


def _fix(language: str, text: str) -> Markup:
    name = _LANGUAGES.get(language, language)
    code = h("pre", {"tabindex": 0, "aria-label": f"Fix, {_cut(name)}"}, h("code", None, text[: 4 * LONGEST]))
    return h("div", {"class": "fix"}, h("span", {"class": "note"}, _cut(name)), code)


def _evidence(evidence: Mapping[str, object]) -> list[Markup]:
    told = [(name, _cut(figure(name, value))) for name, value in evidence.items()]
    return [
        h(
            "div",
            {"class": "wide" if len(said) > WIDE else None},
            h("dt", None, _cut(name.replace("_", " "))),
            h("dd", None, h("code", None, said)),
        )
        for name, said in told
        if said
    ]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
