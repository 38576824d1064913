"""What waits for one receiver: the newest state of each alert, in a bounded space. Pure: time is passed in.

It is no queue of messages. A newer message about a group replaces the waiting one, alert by alert, so that a receiver
that was down for an hour learns what is, not what was. An alert that came and went while its message waited, and that
no attempt was made to tell, is not told at all. When more groups wait than the rate allows, they go in one digest.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

from perfkit.alerts.alert import Alert
from perfkit.alerts.delivery.pacing import Bucket, backoff
from perfkit.alerts.routing.grouping import Message

__all__ = ["DIGEST", "MOST_ALERTS", "Attempt", "Outbox"]

MOST_ALERTS = 1_000
"""Alerts that may wait for one receiver; the oldest groups give way."""

DIGEST = "digest"
"""The group key of a message about several groups."""


class _Waiting:
    """One group's message.

    Attributes:
        since: Monotonic seconds at which it began to wait.
        known: Fingerprints of alerts that the receiver may take for firing: it was told, or an attempt was made.
    """

    __slots__ = ("alerts", "at", "known", "labels", "since")

    def __init__(self, labels: dict[str, str], since: float) -> None:
        self.labels, self.since = labels, since
        self.alerts: dict[str, Alert] = {}
        self.known: set[str] = set()
        self.at = 0.0

    def put(self, alerts: Iterable[Alert], at: float) -> None:
        for alert in alerts:
            key = alert.fingerprint
            waiting = self.alerts.get(key)
            if alert.is_firing:
                self.alerts[key] = alert
            elif waiting is not None and waiting.is_firing and key not in self.known:
                del self.alerts[key]
            else:
                # What is over was told when it began: nobody would say so otherwise.
                self.known.add(key)
                self.alerts[key] = alert
        self.at = max(self.at, at)


class Attempt(NamedTuple):
    """What is handed out to be delivered: one message, made of the messages of one or more groups."""

    message: Message
    parts: tuple[Message, ...]


class Outbox:
    """The messages for one receiver. Not thread-safe: its courier guards it.

    Attributes:
        dropped: Alerts that gave way because too much waited.
    """

    def __init__(
        self,
        *,
        rate: float,
        burst: float,
        retry_for: float = 86_400.0,
        most: int = MOST_ALERTS,
        rng: random.Random | None = None,
    ) -> None:
        """Hand out at most *burst* messages at once and *rate* per second; try each for *retry_for* seconds."""
        self._bucket = Bucket(rate, burst)
        self._retry_for, self._most = retry_for, most
        self._rng = rng or random.Random()
        self._waiting: dict[str, _Waiting] = {}
        self._handed: dict[str, _Waiting] = {}
        self._failures = 0
        self._not_before = float("-inf")
        self.dropped = 0

    def __len__(self) -> int:
        """Return the number of alerts that wait, those being delivered among them."""
        return sum(len(each.alerts) for group in (self._waiting, self._handed) for each in group.values())

    def put(self, message: Message, now: float) -> None:
        """Let *message* wait from *now* (monotonic seconds) on."""
        waiting = self._waiting.get(message.key)
        if waiting is None:
            waiting = self._waiting[message.key] = _Waiting(message.labels, now)
        handed = self._handed.get(message.key)
        waiting.known |= message.known
        if handed is not None:
            waiting.known |= handed.known
        waiting.put(message.alerts, message.at)
        if not waiting.alerts:
            del self._waiting[message.key]
        self._make_room(message.key)

    def _make_room(self, newest: str) -> None:
        while len(self) > self._most and len(self._waiting) > 1:
            oldest = next(key for key in self._waiting if key != newest)
            self.dropped += len(self._waiting.pop(oldest).alerts)
        waiting = self._waiting.get(newest)
        while waiting is not None and len(waiting.alerts) > self._most:
            del waiting.alerts[next(iter(waiting.alerts))]
            self.dropped += 1

    def wait(self, now: float) -> float | None:
        """Return the seconds until `take` has something at *now*; None while nothing waits."""
        if not self._waiting or self._handed:
            return None
        return max(0.0, self._not_before - now, self._bucket.wait(now))

    def take(self, now: float) -> Attempt | None:
        """Hand out what is due; then `succeeded`, `failed` or `refused` must be called before the next."""
        if self.wait(now) != 0.0:
            return None
        tokens = self._bucket.available(now)
        keys = list(self._waiting) if len(self._waiting) > tokens else [next(iter(self._waiting))]
        self._bucket.take(now)
        self._handed = {key: self._waiting.pop(key) for key in keys}
        parts = []
        for key, each in self._handed.items():
            each.known |= set(each.alerts)
            parts.append(Message(key=key, labels=each.labels, alerts=_ordered(each.alerts.values()), at=each.at))
        if len(parts) == 1:
            return Attempt(parts[0], tuple(parts))
        alerts = _ordered(alert for part in parts for alert in part.alerts)
        return Attempt(Message(key=DIGEST, labels={}, alerts=alerts, at=max(p.at for p in parts)), tuple(parts))

    def succeeded(self) -> None:
        """What was handed out has arrived."""
        # What came in between is news to a receiver that now knows what was handed out.
        self._handed = {}
        self._failures, self._not_before = 0, float("-inf")

    def failed(self, now: float, retry_after: float | None = None) -> int:
        """What was handed out has not arrived; return how many alerts are given up as too old."""
        self._failures += 1
        self._not_before = now + backoff(self._failures, self._rng, retry_after)
        given_up = 0
        handed, self._handed = self._handed, {}
        for key, each in reversed(handed.items()):
            newer = self._waiting.pop(key, None)
            if newer is not None:
                each.known |= newer.known
                each.put(newer.alerts.values(), newer.at)
                each.since = newer.since
            if now - each.since >= self._retry_for:
                given_up += len(each.alerts)
            elif each.alerts:
                # In front, where it was: nobody is overtaken by those who came later.
                self._waiting = {key: each, **self._waiting}
        return given_up

    def refused(self) -> int:
        """What was handed out will never arrive; return how many alerts that are."""
        count = sum(len(each.alerts) for each in self._handed.values())
        self._handed = {}
        self._failures, self._not_before = 0, float("-inf")
        return count

    def clear(self) -> None:
        """Forget all that waits: somebody else tells it now."""
        self._waiting = {}


def _ordered(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Return those that fire first, the worst of them in front."""
    return tuple(sorted(alerts, key=lambda alert: (not alert.is_firing, -alert.severity.rank, alert.name)))
