"""The evaluator: rules times numbers gives alerts. It alone knows how each of them stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from perfkit.alerts.alert import Alert, AlertState
from perfkit.alerts.numbers.measures import Readings
from perfkit.alerts.numbers.numbers import Numbers
from perfkit.alerts.numbers.past import Labels
from perfkit.alerts.states.flapping import Flaps
from perfkit.alerts.states.machine import RESOLVED_FOR, Reading, Standing, step
from perfkit.alerts.watch import Watch
from perfkit.core.errors import ErrorLog

__all__ = ["Entry", "Evaluator"]

Key = tuple[str, Labels]

INACTIVE = Standing()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, with what is needed to go on with it in another process."""

    name: str
    group: tuple[str, ...]
    standing: Standing
    changes: tuple[float, ...] = ()
    is_flapping: bool = False
    alert: Alert

    @property
    def key(self) -> Key:
        """Of the alert within the evaluator."""
        return self.name, self.group


class Evaluator:
    """Steps all alerts. Not thread-safe: the evaluating thread owns it.

    Attributes:
        entries: The alerts that are not inactive.
        last_values: By rule, the last value and its time (Unix seconds); rules that never had one are missing.
    """

    def __init__(self, *, most: int, errors: ErrorLog) -> None:
        """Keep at most *most* alerts."""
        self._most, self._errors = most, errors
        self.entries: dict[Key, Entry] = {}
        self.last_values: dict[str, tuple[float, float]] = {}

    def evaluate(self, watches: Sequence[Watch], numbers: Numbers, now: float) -> list[Alert]:
        """Step everything at *now* (Unix seconds that never go back); return the alerts that began or are over."""
        changed: list[Alert] = []
        for watch in watches:
            with self._errors.guarded("alerts", f"the rule {watch.name!r} could not be evaluated"):
                readings = watch.measure(numbers, now)
                self._note(watch, readings, now)
                changed += self._step_watch(watch, readings, numbers, now)
        changed += self._end_orphans({watch.name for watch in watches}, now)
        return changed

    def _note(self, watch: Watch, readings: Readings, now: float) -> None:
        values = [reading.value for reading in readings.values() if reading.value is not None]
        if values:
            self.last_values[watch.name] = (max(values) if watch.policy.is_upper else min(values), now)

    def _step_watch(self, watch: Watch, readings: Readings, numbers: Numbers, now: float) -> Iterable[Alert]:
        groups = dict.fromkeys(readings)
        groups.update({group: None for name, group in self.entries if name == watch.name})
        if not watch.by:
            groups[()] = None
        for group in groups:
            if len(group) == len(watch.by):
                reading = readings.get(group, Reading())
                entry = self.entries.get((watch.name, group))
                if entry is not None and watch.knows_too_little(numbers, entry.standing, now):
                    reading = msgspec.structs.replace(reading, is_partial=True)
                yield from self._step(watch, group, reading, now)

    def _step(self, watch: Watch, group: Labels, reading: Reading, now: float) -> Iterable[Alert]:
        key = (watch.name, group)
        known = self.entries.get(key)
        before = known.standing if known is not None else INACTIVE
        after = step(watch.policy, before, reading, now)
        is_turn = after.state is not before.state and AlertState.FIRING in (after.state, before.state)
        flaps = Flaps(known.changes, known.is_flapping) if known is not None else Flaps()
        flaps = flaps.after(now, changed=is_turn)
        if after.state is AlertState.INACTIVE and not flaps.changes:
            self.entries.pop(key, None)
            return
        if known is None and after.state is AlertState.INACTIVE:
            return
        if known is None and len(self.entries) >= self._most:
            self._errors.warn("alerts", "too_many", f"an alert of {watch.name!r} was left out: {self._most} are active")
            return
        alert = watch.alert(group, after, is_flapping=flaps.is_flapping)
        self.entries[key] = Entry(
            name=watch.name,
            group=group,
            standing=after,
            changes=flaps.changes,
            is_flapping=flaps.is_flapping,
            alert=alert,
        )
        if is_turn:
            yield alert

    def _end_orphans(self, names: set[str], now: float) -> Iterable[Alert]:
        """Resolve the alerts whose rule is gone."""
        for key, entry in list(self.entries.items()):
            if entry.name in names:
                continue
            standing = entry.standing
            if standing.state is AlertState.FIRING:
                standing = msgspec.structs.replace(standing, state=AlertState.RESOLVED, since=now)
                alert = msgspec.structs.replace(entry.alert, state=AlertState.RESOLVED, at=now, is_flapping=False)
                self.entries[key] = msgspec.structs.replace(entry, standing=standing, alert=alert, is_flapping=False)
                yield alert
            elif standing.state is not AlertState.RESOLVED or now - standing.since >= RESOLVED_FOR:
                del self.entries[key]

    def alerts(self) -> list[Alert]:
        """Return all alerts that are not inactive."""
        return [entry.alert for entry in self.entries.values() if entry.alert.state is not AlertState.INACTIVE]

    def dump(self) -> list[Entry]:
        """Return all entries, to be given to `load` of the next leader."""
        return list(self.entries.values())

    def load(self, entries: Iterable[Entry], now: float) -> None:
        """Go on with *entries* of another process; none of them lies in the future of *now*."""
        self.entries = {
            entry.key: msgspec.structs.replace(entry, standing=_past(entry.standing, now)) for entry in entries
        }


def _past(standing: Standing, now: float) -> Standing:
    """Return *standing* with no stamp after *now*: another host's clock may be ahead of ours."""
    if standing.seen_at <= now and standing.since <= now:
        return standing
    clearing_since = standing.clearing_since
    return msgspec.structs.replace(
        standing,
        since=min(standing.since, now),
        seen_at=min(standing.seen_at, now),
        clearing_since=None if clearing_since is None else min(clearing_since, now),
    )
