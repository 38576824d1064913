"""What was wrong and is gone: each with what its route was like before and since."""

from __future__ import annotations

from perfkit.advice.ledger import Fixed
from perfkit.advice.wording import count
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import breakable, section, site_code, state
from perfkit.dashboard.times import clock_time

__all__ = ["fixed_list"]

MOST = 5
"""Shown on the overview, the latest."""

LONGEST = 240
"""Characters of a text."""

TODAY = 86_400.0
"""Seconds within which the time of the day says when."""


def fixed_list(data: OverviewData) -> Markup | None:
    """Return the card of what was fixed; None where nothing was."""
    if not data.fixed:
        return None
    rest = len(data.fixed) - MOST
    return section(
        "fixed",
        "Fixed",
        h("ul", {"class": "findings"}, [_item(each, data) for each in data.fixed[:MOST]]),
        h("p", {"class": "footnote"}, f"and {count(rest, 'problem')} more, in the JSON") if rest > 0 else None,
        note="measured before and since",
    )


def _item(fixed: Fixed, data: OverviewData) -> Markup:
    proof = fixed.proof or "not met any more"
    since = f" since {clock_time(fixed.since, data.timezone)}" if data.at - fixed.since < TODAY else ""
    release = f", release {fixed.release[:LONGEST]}" if fixed.release else ""
    facts: list[Child] = [breakable(fixed.route[:LONGEST])] if fixed.route else []
    facts += [site_code(fixed.site, data.editor, fixed.site[:LONGEST])] if fixed.site else []
    facts.append(f"{count(fixed.after.requests, 'request')} measured since")
    return h(
        "li",
        {"class": "finding"},
        h(
            "p",
            {"class": "title"},
            state("ok", "fixed"),
            h("strong", None, f"{fixed.code} {proof}{since}{release}"),
        ),
        h("p", {"class": "do"}, fixed.message[:LONGEST]),
        h("p", {"class": "note"}, [[" · ", fact] if at else fact for at, fact in enumerate(facts)]),
    )
