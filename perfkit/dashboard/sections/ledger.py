"""The score: as an arc in the verdict, and as a ledger of where the points went."""

from __future__ import annotations

from collections.abc import Collection

from perfkit.advice.ranking import identity
from perfkit.advice.score import Loss, Part, Score
from perfkit.advice.wording import count, window
from perfkit.dashboard.charts import bar
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import section, status_class

__all__ = ["arc", "ledger"]

MOST_LOSSES = 6
"""Losses of one part told one by one."""

LONGEST = 240
"""Characters of a reason."""

_ARC = "M8 36a20 20 0 1 1 32 0"


def arc(score: Score) -> Markup:
    """Return the score as a number in an arc, for all who see and hear."""
    return h(
        "svg",
        {
            "class": f"icon arc {status_class(score.status)}",
            "viewBox": "0 0 48 48",
            "role": "img",
            "aria-label": f"Score {score.value} of 100",
        },
        h("path", {"class": "track", "d": _ARC}),
        h("path", {"class": "ring", "d": _ARC, "pathLength": 100, "stroke-dasharray": f"{score.value} 200"})
        if score.value
        else None,
        h("text", {"x": 24, "y": 30}, score.value),
        h("text", {"class": "of", "x": 24, "y": 42}, "of 100"),
    )


def ledger(data: OverviewData) -> Markup:
    """Return the card that accounts for each point."""
    score, performance = data.score, data.performance
    if score is None:
        seen, needed = performance.total_requests, data.targets.requests
        if seen < needed:
            said = f"No score yet: {count(needed, 'request')} are needed, {seen:,} so far."
        else:
            said = f"No score: no request in the last {window(performance.window)}."
        return section("score", "Score", h("p", {"class": "empty"}, said))
    left = [f"{_title(name)} is left out: {why}." for name, why in score.left_out.items()]
    scaled = "The other parts are scaled to 100." if left else ""
    snoozed = frozenset(identity(each.finding) for each in data.snoozed)
    hidden = f"{count(len(snoozed), 'finding')} snoozed: what they cost still counts." if snoozed else ""
    formula = f"Formula: score v{score.version}."
    return section(
        "score",
        f"Score {score.value}: where {count(100 - score.value, 'point')} went" if score.value < 100 else "Score 100",
        h("ul", {"class": "ledger"}, [_part(part, snoozed) for part in score.parts]),
        h("p", {"class": "footnote"}, " ".join(filter(None, (*left, scaled, hidden, formula)))),
        note=f"last {window(performance.window)}",
    )


def _part(part: Part, snoozed: Collection[str]) -> Markup:
    shown, rest = part.losses[:MOST_LOSSES], part.losses[MOST_LOSSES:]
    losses: list[Child] = [_loss(loss, is_snoozed=loss.fingerprint in snoozed) for loss in shown]
    if rest:
        losses.append(_loss(Loss(points=sum(loss.points for loss in rest), reason=count(len(rest), "other cause"))))
    return h(
        "li",
        None,
        h(
            "p",
            {"class": "part"},
            h("strong", None, _title(part.name)),
            bar(part.points / part.maximum if part.maximum else 1.0),
            h("span", {"class": "points"}, f"{part.points} of {part.maximum}"),
        ),
        h("ul", None, losses) if losses else None,
    )


def _loss(loss: Loss, *, is_snoozed: bool = False) -> Markup:
    reason = loss.reason if len(loss.reason) <= LONGEST else loss.reason[: LONGEST - 1] + "…"
    code = h("span", {"class": "tag"}, loss.code) if loss.code else None
    state = [" ", h("span", {"class": "tag"}, "snoozed")] if is_snoozed else None
    return h("li", None, h("span", {"class": "minus"}, f"−{loss.points}"), h("span", None, reason, " ", code, state))


def _title(name: str) -> str:
    return name.capitalize()
