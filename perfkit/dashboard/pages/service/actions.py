"""What can be done to the whole service, and what was done by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from perfkit.dashboard.actions.audit import Done, audited
from perfkit.dashboard.actions.forms import action_form
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Given
from perfkit.dashboard.parts import cell, section, state, table
from perfkit.dashboard.times import clock_time, stamp

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import ActionsDocument
    from perfkit.system import PerformanceSystem

__all__ = ["ACTIONS", "ActionsFound"]


class ActionsFound(msgspec.Struct, frozen=True):
    """The list of what was done, the last first."""

    done: tuple[Done, ...] = ()


class Actions(Page[ActionsFound]):
    """Buttons and the audit list."""

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> ActionsFound:
        """Return the audit list."""
        return ActionsFound(audited(system))

    def content(self, shown: OverviewData, found: ActionsFound | None, given: Given) -> Child:
        """Return the buttons, then the list."""
        title = h("h1", {"class": "hidden"}, "Actions")
        return [title, _buttons(shown, given), _list(shown, found or ActionsFound())]

    def document(self, shown: OverviewData, found: ActionsFound | None, given: Given) -> ActionsDocument:
        """Return the list."""
        return {"done": (found or ActionsFound()).done}


def _buttons(shown: OverviewData, given: Given) -> Markup:
    if not shown.action_token:
        said: Child = [
            "Nothing can be done from here by you. Actions are off in production; ",
            h("code", None, "access.actions"),
            " switches them on, for those whose access lets them act.",
        ]
        return section("buttons", "What can be done", h("p", {"class": "empty"}, said))
    rows: list[tuple[str, Markup | None]] = []
    if shown.health.is_draining:
        rows.append(
            (
                "The service says that it is not ready.",
                action_form(shown, given, "service-resume", "Take traffic again"),
            )
        )
    else:
        rows.append(
            (
                "Have all workers say that they are not ready.",
                action_form(shown, given, "service-drain", "Drain the service"),
            )
        )
    rows.append(
        (
            "Measure anew from now on; what was before is kept to compare with.",
            action_form(shown, given, "recording-begin", "New recording"),
        )
    )
    if shown.recordings:
        rows.append(
            (
                f"Have what was before {clock_time(shown.recordings[-1], shown.timezone)} count again.",
                action_form(shown, given, "recording-end", "Take the recording back"),
            )
        )
    if shown.cache is not None:
        rows += [
            (
                "Forget everything in the cache, in all workers.",
                action_form(shown, given, "cache-clear", "Clear the cache"),
            ),
            (
                "Forget what has a tag.",
                action_form(shown, given, "cache-invalidate-tag", "Invalidate", asks={"tag": "Tag"}),
            ),
            (
                "Forget the keys that match a pattern, such as product:*.",
                action_form(
                    shown,
                    given,
                    "cache-invalidate-pattern",
                    "Invalidate",
                    asks={"pattern": "Pattern", "namespace": "Namespace"},
                ),
            ),
        ]
    items = [h("li", None, h("p", None, said), form) for said, form in rows]
    return section(
        "buttons", "What can be done", h("ul", {"class": "acts"}, items), note="holds in all workers within a second"
    )


def _list(shown: OverviewData, found: ActionsFound) -> Markup:
    if not found.done:
        return section("done", "What was done", h("p", {"class": "empty"}, "Nothing was done from the dashboard yet."))
    columns: list[tuple[Child, str]] = [("When", ""), ("What", ""), ("By", ""), ("Said", "text"), ("Result", "text")]
    rows = [_done(shown, done) for done in found.done]
    return section(
        "done", "What was done", table("What was done", columns, rows, "done"), note="the last first, by all workers"
    )


def _done(shown: OverviewData, done: Done) -> list[Child]:
    said = ", ".join(f"{name}: {value}" for name, value in done.said.items())
    return [
        stamp(done.at, shown.timezone),
        cell(state("ok" if done.is_done else "bad", done.what), ""),
        cell(done.who, "text"),
        cell(said, "text"),
        cell(done.result if len(done.result) <= 300 else f"{done.result[:299]}…", "text"),
    ]


ACTIONS = Actions()
