"""THE table of actions: what each needs to be told, with its bounds, and what it does to the system.

Nothing here takes code, a statement or a path from the visitor: names and ids of what is known already, and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from perfkit.core.errors import PerfkitError
from perfkit.dashboard.parameters import Given, Number, Parameter, Text

if TYPE_CHECKING:
    from perfkit.cache import Namespace
    from perfkit.system import PerformanceSystem

__all__ = ["ACTIONS", "AUTHOR", "Action"]

AUTHOR = "dashboard"
"""Who acknowledged or silenced an alert; the audit list knows more."""

LONGEST_PLAN = 4000
"""Characters of a plan that are kept."""

HOUR, WEEK = 3600, 604_800
_NAME, _ID = Text(200), Text(100)


class Action(msgspec.Struct, frozen=True):
    """One thing that a button does.

    Attributes:
        perform: Does it to the system, with what was said; returns what was done, in words.
        fields: What it needs to be told.
    """

    perform: Callable[[PerformanceSystem, Given], str]
    fields: Mapping[str, Parameter] = {}


def _drain(system: PerformanceSystem, given: Given) -> str:
    system.drain()
    return "The service says that it is not ready; requests are still served."


def _resume(system: PerformanceSystem, given: Given) -> str:
    system.resume()
    return "The service takes traffic again."


def _begin_recording(system: PerformanceSystem, given: Given) -> str:
    system.store.past.begin_recording()
    return "The numbers begin anew, in all workers; what was before is kept to compare with."


def _end_recording(system: PerformanceSystem, given: Given) -> str:
    was_there = system.store.past.end_recording()
    return "What was before counts again." if was_there else "There is no recording to take back."


def _clear(system: PerformanceSystem, given: Given) -> str:
    name = given.text("namespace")
    if name:
        _namespace(system, name).clear()
        return f"Everything in the namespace {name!r} of the cache is forgotten."
    system.cache.clear()
    return "Everything in the cache is forgotten."


def _invalidate_tag(system: PerformanceSystem, given: Given) -> str:
    tag = _said(given, "tag")
    system.cache.invalidate_tags([tag])
    return f"Everything in the cache with the tag {tag!r} is forgotten."


def _invalidate_pattern(system: PerformanceSystem, given: Given) -> str:
    pattern, name = _said(given, "pattern"), given.text("namespace")
    space = _namespace(system, name) if name else system.cache
    number = space.invalidate_pattern(pattern)
    return f"{number:,} entries of this worker matched {pattern!r} and are forgotten, and so in all other workers."


def _drain_server(system: PerformanceSystem, given: Given) -> str:
    name = _said(given, "server")
    system.load_balancer.drain_server(name)
    return f"The server {name!r} gets no more requests."


def _restore_server(system: PerformanceSystem, given: Given) -> str:
    name = _said(given, "server")
    system.load_balancer.restore_server(name)
    return f"The server {name!r} gets requests again, few at first."


def _acknowledge(system: PerformanceSystem, given: Given) -> str:
    alerts = system.alerts.acknowledge(_said(given, "alert"), author=AUTHOR)
    return f"Acknowledged: {', '.join(alert.name for alert in alerts[:5])}. Receivers are not told again."


def _silence(system: PerformanceSystem, given: Given) -> str:
    rule, seconds = _said(given, "rule"), given.number("seconds")
    silence = system.alerts.silence(rule, duration=float(seconds), author=AUTHOR)
    return f"Alerts of {rule!r} are muted for {seconds:,} s, by the silence {silence.id}."


def _unsilence(system: PerformanceSystem, given: Given) -> str:
    silence = _said(given, "silence")
    was_there = system.alerts.unsilence(silence)
    return f"The silence {silence} is over." if was_there else f"There is no silence {silence} to end."


def _snooze(system: PerformanceSystem, given: Given) -> str:
    finding, seconds = _said(given, "finding"), given.number("seconds")
    system.snooze(finding, float(seconds))
    return f"The finding {finding} is not told for {seconds:,} s."


def _reopen(system: PerformanceSystem, given: Given) -> str:
    finding = _said(given, "finding")
    system.reopen(finding)
    return f"The finding {finding} is told again."


def _explain(system: PerformanceSystem, given: Given) -> str:
    plan = system.database.explain(_said(given, "shape"))
    return f"Plan of {plan.shape}:\n{plan.text[:LONGEST_PLAN]}" if plan.text else f"No plan: {plan.reason}."


def _said(given: Given, name: str) -> str:
    """Return what was said.

    Raises:
        NotSaidError: Nothing was.
    """
    value = given.text(name).strip()
    if not value:
        raise NotSaidError(f"The field {name!r} is empty. It must say which one is meant. Fill it in and try again.")
    return value


def _namespace(system: PerformanceSystem, name: str) -> Namespace:
    """Return the part of the cache called *name*: one that has numbers, as asking the cache for any other makes it.

    Raises:
        NotSaidError: There is none.
    """
    if name not in system.cache.snapshot().namespaces:
        raise NotSaidError(
            f"The cache has no namespace {name!r}. It must be one that was used since the start. Look at its page."
        )
    return system.cache.namespace(name)


class NotSaidError(PerfkitError, ValueError):
    """A form that does not say what is meant."""


ACTIONS: Mapping[str, Action] = {
    "service-drain": Action(_drain),
    "service-resume": Action(_resume),
    "recording-begin": Action(_begin_recording),
    "recording-end": Action(_end_recording),
    "cache-clear": Action(_clear, {"namespace": _NAME}),
    "cache-invalidate-tag": Action(_invalidate_tag, {"tag": _NAME}),
    "cache-invalidate-pattern": Action(_invalidate_pattern, {"pattern": _NAME, "namespace": _NAME}),
    "server-drain": Action(_drain_server, {"server": _NAME}),
    "server-restore": Action(_restore_server, {"server": _NAME}),
    "alert-acknowledge": Action(_acknowledge, {"alert": _NAME}),
    "alert-silence": Action(_silence, {"rule": _NAME, "seconds": Number(60, WEEK, HOUR)}),
    "alert-unsilence": Action(_unsilence, {"silence": _ID}),
    "finding-snooze": Action(_snooze, {"finding": _NAME, "seconds": Number(60, 4 * WEEK, WEEK)}),
    "finding-reopen": Action(_reopen, {"finding": _NAME}),
    "database-explain": Action(_explain, {"shape": _ID}),
}
"""Word → action. The word is what a form says in ``do``, and what the audit list shows."""
