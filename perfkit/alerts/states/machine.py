"""The state machine of one alert: inactive, pending, firing, resolved. Pure: time is passed in.

Source: Prometheus documentation, "Alerting rules" (``for``, ``keep_firing_for``). Deviations: a second threshold below
which a firing alert is well again (hysteresis); what absent numbers mean is chosen by the rule; too little traffic is
nothing to judge by; a pending alert that nobody looked at for a while begins to wait anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from perfkit.alerts.alert import AlertState

__all__ = ["RESOLVED_FOR", "NoData", "Policy", "Reading", "Standing", "step"]

RESOLVED_FOR = 900.0
"""Seconds for which a resolved alert is remembered and can be told again, as in Prometheus."""

NoData = Literal["ok", "keep", "alert"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """When one rule's alerts fire. All times in seconds.

    Attributes:
        threshold: Compared with the value, strictly.
        is_upper: True fires above the threshold, False below it.
        clear: A firing alert is well only at or beyond this value on the good side; None: the threshold.
        hold: The condition must hold for so long before the alert fires; 0 is at once.
        keep_firing_for: The condition must be gone for so long before it is over.
        no_data: What a missing value means: all is well, nothing changes, or an alert.
        minimum_traffic: With fewer events than these in the window a value says nothing.
        max_gap: After so long without an evaluation a pending alert waits anew.
    """

    threshold: float
    is_upper: bool = True
    clear: float | None = None
    hold: float = 0.0
    keep_firing_for: float = 0.0
    no_data: NoData = "ok"
    minimum_traffic: float = 0.0
    max_gap: float = 300.0

    def judge(self, reading: Reading, *, is_firing: bool) -> bool | None:
        """Return whether something is wrong; None if nothing should change."""
        is_wrong = self._judge(reading, is_firing=is_firing)
        return None if reading.is_partial and not is_wrong else is_wrong

    def _judge(self, reading: Reading, *, is_firing: bool) -> bool | None:
        value = reading.value
        if value is None or math.isnan(value):
            return _NO_DATA[self.no_data]
        if reading.traffic is not None and reading.traffic < self.minimum_traffic:
            # An alert about next to nothing helps nobody, but it is no recovery where "keep" or "alert" is wanted.
            return False if self.no_data == "ok" else None
        if is_firing and self.clear is not None:
            return value > self.clear if self.is_upper else value < self.clear
        return value > self.threshold if self.is_upper else value < self.threshold


_NO_DATA: dict[str, bool | None] = {"ok": False, "keep": None, "alert": True}


class Reading(msgspec.Struct, frozen=True):
    """What a rule measured.

    Attributes:
        value: None or NaN where there was nothing to measure.
        traffic: Number of events behind it; None where that has no meaning.
        is_partial: True where what began the alert lies before all that is known, as after a restart of all workers:
            then nothing well is known yet.
    """

    value: float | None = None
    traffic: float | None = None
    is_partial: bool = False


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where one alert stands. All times are seconds of one timeline.

    Attributes:
        since: When it came into its state.
        started_at: When it began to fire, this time.
        clearing_since: While firing: since when the condition is gone; None while it holds.
        seen_at: When it was evaluated last.
        value: The last one that was measured.
    """

    state: AlertState = AlertState.INACTIVE
    since: float = 0.0
    started_at: float | None = None
    clearing_since: float | None = None
    seen_at: float = 0.0
    value: float | None = None


def step(policy: Policy, standing: Standing, reading: Reading, now: float) -> Standing:
    """Return where the alert stands after *reading* at *now*."""
    now = max(now, standing.seen_at)
    is_wrong = policy.judge(reading, is_firing=standing.state is AlertState.FIRING)
    moved = _STEPS[standing.state](policy, standing, is_wrong, now)
    value = standing.value if reading.value is None or math.isnan(reading.value) else reading.value
    return msgspec.structs.replace(moved, seen_at=now, value=value)


def _from_inactive(policy: Policy, standing: Standing, is_wrong: bool | None, now: float) -> Standing:
    if not is_wrong:
        return standing
    return _fired(now) if policy.hold <= 0.0 else Standing(state=AlertState.PENDING, since=now)


def _from_pending(policy: Policy, standing: Standing, is_wrong: bool | None, now: float) -> Standing:
    if is_wrong is None:
        return standing
    if not is_wrong:
        return Standing(state=AlertState.INACTIVE, since=now)
    if now - standing.seen_at > policy.max_gap:
        return Standing(state=AlertState.PENDING, since=now)
    return _fired(now) if now - standing.since >= policy.hold else standing


def _from_firing(policy: Policy, standing: Standing, is_wrong: bool | None, now: float) -> Standing:
    if is_wrong is None:
        return standing
    if is_wrong:
        return msgspec.structs.replace(standing, clearing_since=None)
    clearing_since = now if standing.clearing_since is None else standing.clearing_since
    if now - clearing_since >= policy.keep_firing_for:
        return Standing(state=AlertState.RESOLVED, since=now, started_at=standing.started_at)
    return msgspec.structs.replace(standing, clearing_since=clearing_since)


def _from_resolved(policy: Policy, standing: Standing, is_wrong: bool | None, now: float) -> Standing:
    if is_wrong:
        return _from_inactive(policy, standing, is_wrong, now)
    if now - standing.since >= RESOLVED_FOR:
        return Standing(state=AlertState.INACTIVE, since=now)
    return standing


def _fired(now: float) -> Standing:
    return Standing(state=AlertState.FIRING, since=now, started_at=now)


_STEPS: dict[AlertState, Callable[[Policy, Standing, bool | None, float], Standing]] = {
    AlertState.INACTIVE: _from_inactive,
    AlertState.PENDING: _from_pending,
    AlertState.FIRING: _from_firing,
    AlertState.RESOLVED: _from_resolved,
}
