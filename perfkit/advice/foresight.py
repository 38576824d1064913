"""What each finding would save, told by the requests that were kept: its fix is made on paper before anybody makes it.

A component counts what its own statements or calls took. That promises too much where they ran beside something longer,
and says nothing of the percentiles. The requests that were kept say both, so their word goes before the component's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from perfkit.advice.ranking import TIME_SHARE, identity
from perfkit.core import shells
from perfkit.core.context import Context
from perfkit.core.findings import Effect, Finding

if TYPE_CHECKING:
    from perfkit.recorder import Estimate, FlightRecorder
    from perfkit.recorder.prospects import Prospects

__all__ = ["COUNTED", "Foresight"]

FRESH, REST = 5.0, 50.0
"""Seconds for which what was foretold is good, and times as long as it took: so it takes 2 % of a core at most."""

MOST_FINDINGS = 50
"""Findings that are looked at, the first in the order in which they are given."""

MOST_ROUTES = 5
"""Routes of one finding, those that take most time."""

MOST_SPANS = 60_000
"""Intervals gone through in one look, for all findings, of 4 microseconds each, in the thread for slow work."""

FIRST_SPANS = 6_000
"""Those gone through while somebody waits, for what is seen for the first time."""

COUNTED = "what its own statements or calls took, as no request that was kept shows it"
"""The basis of an estimate that the component made."""

_TIMES = ("seconds_saved", "load_seconds_saved", "seconds_saved_per_second")

Subject: TypeAlias = tuple[str, Effect]
"""A finding by its identity, and what its fix does."""


class _Foretold(NamedTuple):
    """What one finding would save.

    Attributes:
        route: The route that gains most.
        figures: For `Finding.estimate`.
        basis: What they are from.
    """

    route: str
    figures: dict[str, float]
    basis: str


class Foresight:
    """The findings of one system with what each would save. Thread-safe: what is known is replaced as a whole.

    What was never asked for before is looked at while the asker waits, as far as it is little; the rest, and what has
    become old, by the thread for slow work.
    """

    def __init__(self, context: Context, recorder: Callable[[], FlightRecorder | None]) -> None:
        """Ask what *recorder* returns, None where nothing is kept."""
        self._clock, self._errors, self._recorder = context.clock, context.errors, recorder
        self._known: Mapping[Subject, _Foretold | None] = {}
        self._looked_at, self._fresh = float("-inf"), FRESH
        self._busy_in = 0

    def told(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return *findings* with what each would save, and what that is made from."""
        told = list(findings)
        subjects = [(identity(each), each.effect) for each in told if each.effect is not None][:MOST_FINDINGS]
        routes = {identity(each): each.route for each in told}
        if subjects:
            self._look(subjects, routes)
        known = self._known
        return [_with(each, known.get((identity(each), each.effect)) if each.effect else None) for each in told]

    def _look(self, subjects: Sequence[Subject], routes: Mapping[str, str | None]) -> None:
        recorder, now = self._recorder(), self._clock.monotonic()
        if recorder is None:
            self._known = {}
            return
        is_old = not 0.0 <= now - self._looked_at < self._fresh
        unknown = [each for each in subjects if each not in self._known]
        if unknown:
            with self._errors.guarded("advice", "what findings would save could not be foretold"):
                found = _foretold(recorder, unknown, routes, FIRST_SPANS)
                self._known = {each: told for each, told in self._known.items() if each in subjects} | found
                if not is_old:
                    return
                self._looked_at = now
                if len(found) == len(subjects):
                    return
        if is_old and self._busy_in != os.getpid():
            # A forked child is not busy with what its parent does.
            self._busy_in, self._looked_at = os.getpid(), now
            shells.defer(self._renew, recorder, subjects, routes)

    def _renew(self, recorder: FlightRecorder, subjects: Sequence[Subject], routes: Mapping[str, str | None]) -> None:
        began = self._clock.monotonic()
        try:
            with self._errors.guarded("advice", "what findings would save could not be foretold"):
                self._known = {**dict.fromkeys(subjects), **_foretold(recorder, subjects, routes, MOST_SPANS)}
        finally:
            self._fresh = max(FRESH, REST * (self._clock.monotonic() - began))
            self._busy_in = 0


def _foretold(
    recorder: FlightRecorder, subjects: Sequence[Subject], routes: Mapping[str, str | None], most: int
) -> dict[Subject, _Foretold | None]:
    """Return what *subjects* would save, None for nothing known; those beyond *most* intervals are left out."""
    wanted = {route for name, effect in subjects if effect.hit_ratio > 0.0 and (route := routes.get(name))}
    prospects = recorder.prospects()
    if missing := wanted - set(prospects):
        prospects |= recorder.prospects(*missing)
    by_time = sorted(prospects.values(), key=lambda each: -each.part)
    found: dict[Subject, _Foretold | None] = {}
    for subject in subjects:
        name, effect = subject
        if effect.hit_ratio > 0.0:
            touched = [each for each in by_time if each.route == routes.get(name)]
        else:
            touched = [each for each in by_time if each.touched(effect)][:MOST_ROUTES]
            most -= sum(each.size for each in touched)
            if most < 0 and found:
                break
        found[subject] = _summed([(each, told) for each in touched if (told := each.with_effect(effect)) is not None])
    return found


def _summed(told: Sequence[tuple[Prospects, Estimate]]) -> _Foretold | None:
    """Return the sum over routes, with the percentiles of the one that gains most."""
    if not told:
        return None
    _, best = max(told, key=lambda pair: pair[1].share_saved * pair[0].part)
    figures = best.figures()
    figures["seconds_saved_per_minute"] = sum(each.seconds_saved_per_minute for _, each in told)
    figures[TIME_SHARE] = min(1.0, sum(each.share_saved * prospects.part for prospects, each in told))
    return _Foretold(best.route, figures, best.basis)


def _with(finding: Finding, foretold: _Foretold | None) -> Finding:
    if foretold is None:
        has_time = any(finding.estimate.get(name) for name in _TIMES)
        return msgspec.structs.replace(finding, basis=COUNTED) if has_time else finding
    return msgspec.structs.replace(
        finding,
        route=finding.route or foretold.route,
        estimate={**finding.estimate, **foretold.figures},
        basis=foretold.basis,
    )
