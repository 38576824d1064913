"""What works already and what is still to do: a list that ticks itself, for the first look and for the settings."""

from __future__ import annotations

import msgspec

from perfkit.advice.wording import count
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Markup, h
from perfkit.dashboard.parts import section, state

__all__ = ["WAKES", "Step", "checklist", "steps"]

WAKES = {
    "cache": 'system.cache.set("greeting", "hello")',
    "database": "system.initialize(engine)",
    "load_balancer": 'system.load_balancer.add_server("app-1", host="10.0.0.1", port=8000)',
}
"""The line of code that gives work to a component that sleeps until it has some."""

LONGEST = 200
"""Characters of a reason."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list.

    Attributes:
        tone: ``ok`` where it is so, ``warn`` where something is wrong, ``unknown`` where it is still to come.
        word: The state in a word.
        line: Code or a setting that brings it about; empty where nothing is to be done.
    """

    tone: str
    word: str
    said: str
    line: str = ""


def steps(shown: OverviewData) -> list[Step]:
    """Return what is so and what is not, in the order in which one sets up."""
    return [
        _requests(shown),
        *_database(shown),
        *(_component(shown, word) for word in ("cache", "load_balancer")),
        _workers(shown),
        _store(shown),
        _release(shown),
        _access(shown),
    ]


def checklist(shown: OverviewData) -> Markup:
    """Return the card."""
    told = steps(shown)
    items = [
        h(
            "li",
            None,
            h("span", None, state(each.tone, each.word)),
            h("span", None, each.said, [" ", h("code", {"class": "site"}, each.line)] if each.line else None),
        )
        for each in told
    ]
    done = sum(each.tone == "ok" for each in told)
    return section(
        "set-up", "Set-up", h("ul", {"class": "ledger checklist"}, items), note=f"{done} of {len(told)} done"
    )


def _requests(shown: OverviewData) -> Step:
    if "performance" in shown.off:
        return Step(tone="unknown", word="off", said="Requests are not counted.", line="performance.enabled=true")
    number = shown.performance.total_requests
    if not number:
        return Step(tone="unknown", word="waiting", said="perfkit is in the app, and no request was counted yet.")
    needed = shown.targets.requests
    rest = "" if number >= needed else f" The score needs {needed:,}."
    return Step(tone="ok", word="counting", said=f"{count(number, 'request')} counted.{rest}")


def _database(shown: OverviewData) -> list[Step]:
    database = shown.database
    if database is None or not database.captures:
        return [_component(shown, "database")]
    told = []
    for each in database.captures:
        if each.is_active:
            told.append(Step(tone="ok", word="hooked", said=f"Statements through {each.name} are seen."))
        else:
            reason = each.reason[:LONGEST] or "it was not found"
            told.append(Step(tone="warn", word="not hooked", said=f"Statements through {each.name} are not: {reason}."))
    return told


def _component(shown: OverviewData, word: str) -> Step:
    name = word.replace("_", " ")
    if word in shown.off:
        return Step(tone="unknown", word="off", said=f"The {name} is switched off.", line=f"{word}.enabled=true")
    if word in shown.asleep:
        return Step(tone="unknown", word="asleep", said=f"Nothing uses the {name} yet.", line=WAKES[word])
    return Step(tone="ok", word="in use", said=f"The {name} is in use.")


def _workers(shown: OverviewData) -> Step:
    number = len(shown.performance.workers)
    if shown.degraded:
        return Step(tone="warn", word="alone", said=shown.degraded[:LONGEST])
    if number > 1:
        return Step(tone="ok", word="together", said=f"{count(number, 'worker')} count together.")
    return Step(tone="ok", word="one worker", said="One worker counts; more of them would count together.")


def _store(shown: OverviewData) -> Step:
    if shown.is_shared:
        return Step(tone="ok", word="in files", said="The numbers outlive each worker.")
    said = "The numbers lie in memory and end with this process. A directory keeps them over restarts."
    return Step(tone="unknown", word="in memory", said=said, line="store.directory=/var/lib/shop")


def _release(shown: OverviewData) -> Step:
    if shown.release:
        return Step(tone="ok", word="known", said=f"The app is release {shown.release[:LONGEST]}.")
    said = "The app's release is not known, so no chart can mark it."
    return Step(tone="unknown", word="not known", said=said, line="PERFKIT_RELEASE=2.8.1")


def _access(shown: OverviewData) -> Step:
    if shown.environment == "production" and not shown.action_token:
        said = "Who sees this page is decided by access; its buttons are off in production."
        return Step(tone="ok", word="read only", said=said, line="access.actions=true")
    if shown.environment == "development":
        said = "In development this machine sees the pages; in production only who brings the token."
        return Step(tone="ok", word="open to you", said=said)
    return Step(tone="ok", word="by token", said="Who sees this page is decided by access.")
