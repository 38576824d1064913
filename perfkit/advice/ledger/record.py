"""What is remembered of one problem, over restarts and releases."""

from __future__ import annotations

from typing import Any

import msgspec

from perfkit.advice.ledger.counts import Counts, Figures
from perfkit.advice.wording import percent, seconds, significant
from perfkit.core.findings import Finding, State

__all__ = ["BLOCKED_LOOP", "LEAK", "Fixed", "Record", "Release", "Snoozed", "fixed_of", "proof"]


FEWER = 0.01
"""Part of the requests that must fail less than before for that to be told."""

LEAK = "memory_growth"
"""The kind whose end memory itself must prove: its watch judges minutes, in which a leak may just have paused."""

BLOCKED_LOOP = "blocked_loop"
"""The kind of which the route's own times prove nothing: it takes as long as before, and the others wait no more."""

MIB = 1024.0 * 1024.0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One problem.

    Attributes:
        finding: As it was last told, without its evidence and fix.
        state: ``open``, ``fixed``, ``gone`` or ``returned``; that it is snoozed is said apart, by people.
        first_seen, last_seen: Unix seconds.
        changed_at: Unix seconds of the last change of the state.
        release: Of the app when it was last seen.
        fixed_in: Of the app when it was found to be gone; empty where nobody says.
        seen: How often it was met, as it was last told; None for a state.
        met: How often it had been met when it opened, or came back.
        base, latest: What its route had counted when it opened or came back, and when it was not seen any more.
        is_settled: Whether `latest` is of the look after the one that saw it last: workers tell what they count with a
            delay, and what still was of the time before must not count as after it.
        until: What it had counted at the look before that: in between it may have been mended already.
        before, after: What the route was like until then and since; of what is fixed.
    """

    finding: Finding
    state: State
    first_seen: float
    last_seen: float
    changed_at: float
    release: str = ""
    fixed_in: str = ""
    seen: int | None = None
    met: int = 0
    base: Counts = Counts()
    latest: Counts = Counts()
    is_settled: bool = False
    until: Counts = Counts()
    before: Figures | None = None
    after: Figures | None = None

    @property
    def route(self) -> str:
        """The route whose requests count; empty for all of them."""
        return self.finding.route or ""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A release of the app, and the Unix seconds at which it was first heard of."""

    name: str
    at: float


class Snoozed(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that somebody does not want to hear of until then (Unix seconds)."""

    finding: Finding
    until: float


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """A problem that is gone, and what that gained.

    Attributes:
        fingerprint, code, kind, component, message, site, route, object: Of the finding, as it was last told.
        first_seen: Unix seconds.
        since: Unix seconds at which it was met for the last time.
        fixed_at: Unix seconds at which enough requests had passed without it.
        release: Of the app that mended it; empty where nobody says.
        before, after: What its route was like with it, and since then.
        proof: One line that compares them, such as ``216 → 3 queries, p95 488 ms → 66 ms``.
    """

    fingerprint: str
    code: str
    kind: str
    component: str
    message: str
    site: str | None
    route: str | None
    object: str | None
    first_seen: float
    since: float
    fixed_at: float
    release: str
    before: Figures
    after: Figures
    proof: str


def fixed_of(record: Record) -> Fixed:
    """Return *record*, which is fixed, as it is shown."""
    finding = record.finding
    # Of the whole service: statements a request are those of whatever was asked for then.
    says = {"queries": bool(finding.route), "growth": finding.kind == LEAK, "blocked": finding.kind == BLOCKED_LOOP}
    untold: dict[str, Any] = {name: None for name, is_said in says.items() if not is_said}
    before, after = (
        msgspec.structs.replace(each or Figures(requests=0), **untold) for each in (record.before, record.after)
    )
    return Fixed(
        fingerprint=finding.fingerprint,
        code=finding.code,
        kind=finding.kind,
        component=finding.component,
        message=finding.message,
        site=finding.site,
        route=finding.route,
        object=finding.object,
        first_seen=record.first_seen,
        since=record.last_seen,
        fixed_at=record.changed_at,
        release=record.fixed_in,
        before=before,
        after=after,
        proof=proof(before, after),
    )


def proof(before: Figures, after: Figures) -> str:
    """Say what changed: of a leak memory, of a blocked loop for how long it was.

    Else queries where they did, fewer errors, then p95, of few the mean.
    """
    if before.growth is not None and after.growth is not None:
        return f"memory {_growth(before.growth)} → {_growth(after.growth)}"
    if before.blocked and after.blocked is not None:
        return f"event loop blocked {_in_a_minute(before.blocked)} → {_in_a_minute(after.blocked)} a minute"
    told = []
    if before.queries is not None and after.queries is not None and _queries(before) != _queries(after):
        told.append(f"{_queries(before)} → {_queries(after)} queries")
    if before.errors is not None and after.errors is not None and after.errors < before.errors - FEWER:
        told.append(f"{percent(before.errors)} → {percent(after.errors)} errors")
    if before.p95 is not None and after.p95 is not None:
        told.append(f"p95 {seconds(before.p95)} → {seconds(after.p95)}")
    elif before.mean is not None and after.mean is not None:
        told.append(f"mean {seconds(before.mean)} → {seconds(after.mean)}")
    return ", ".join(told)


def _growth(bytes_per_second: float) -> str:
    return f"{bytes_per_second * 60.0 / MIB:+.1f} MiB/min"


def _in_a_minute(part: float) -> str:
    return seconds(60.0 * part) if 60.0 * part >= 0.0005 else "0 s"


def _queries(figures: Figures) -> str:
    asked = figures.queries or 0.0
    return f"{asked:.0f}" if asked >= 10.0 or abs(asked - round(asked)) < 0.05 else significant(asked, 2)
