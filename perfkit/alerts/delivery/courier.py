"""The courier of one receiver: its outbox, and one daemon thread that empties it."""

from __future__ import annotations

import os
import random
import threading
from collections import deque
from collections.abc import Callable

import msgspec

from perfkit.alerts.delivery.outbox import Attempt, Outbox
from perfkit.alerts.delivery.receiver import Notification, Receiver
from perfkit.alerts.routing.grouping import Message
from perfkit.alerts.routing.route import Route
from perfkit.core.clock import Clock
from perfkit.core.errors import DeliveryError, ErrorLog

__all__ = ["Courier", "ReceiverSnapshot"]

Count = Callable[[str, str, float], None]
"""Called with the receiver's name, an outcome and a number."""

LONGEST_NAP = 60.0


class ReceiverSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How one receiver does, as the worker that sends sees it.

    Attributes:
        waiting: Alerts that are not delivered yet.
        delivered: Messages that arrived, since this worker sends.
        failures: Attempts that failed in a row.
        failing_since: Unix seconds of the first of them; None while all is well.
        last_error: The last of them in words, without secrets; empty while all is well.
        dropped: Alerts that were given up: refused, too old, or too many.
    """

    name: str
    kind: str
    waiting: int = 0
    delivered: int = 0
    failures: int = 0
    failing_since: float | None = None
    last_error: str = ""
    dropped: int = 0


class Courier:
    """Brings messages to one receiver. `put` never waits for the receiver. Thread-safe.

    Attributes:
        name: Of the receiver.
        receiver: Who gets the messages.
    """

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        route: Route,
        *,
        service: str,
        clock: Clock,
        errors: ErrorLog,
        count: Count,
        retry_for: float = 86_400.0,
        rng: random.Random | None = None,
    ) -> None:
        """Bring messages to *receiver*; no thread runs before there is one and `start` was called."""
        self.name, self.receiver = name, receiver
        self._service, self._clock, self._errors, self._count = service, clock, errors, count
        self._route, self._retry_for, self._rng = route, retry_for, rng
        self._arrived: deque[Message] = deque(maxlen=10_000)
        self._delivered = self._failures = self._dropped = 0
        self._failing_since: float | None = None
        self._last_error = ""
        self._is_started = False
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        route = self._route
        self._outbox = Outbox(rate=route.rate, burst=route.burst, retry_for=self._retry_for, rng=self._rng)

    def start(self) -> None:
        """Deliver in a thread of its own from now on; in a forked child nothing of the parent's waits."""
        if self._pid != os.getpid():
            self._reset()
        self._is_started = True

    def put(self, message: Message) -> None:
        """Let *message* be delivered as soon as may be."""
        with self._wake:
            before = self._outbox.dropped
            self._outbox.put(message, self._clock.monotonic())
            dropped = self._outbox.dropped - before
            if self._is_started and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name=f"perfkit-alerts-{self.name}", daemon=True)
                self._thread.start()
            self._wake.notify_all()
        self._lose(dropped, "dropped", "too many alerts wait")

    def deliver_now(self) -> None:
        """Deliver what is due in this thread: for who never called `start`."""
        for _ in range(1_000):
            with self._wake:
                attempt = self._outbox.take(self._clock.monotonic())
            if attempt is None:
                return
            self._deliver(attempt)

    def arrived(self) -> list[Message]:
        """Return the messages that arrived since the last call."""
        found = []
        while self._arrived:
            found.append(self._arrived.popleft())
        return found

    def clear(self) -> None:
        """Forget what waits: another worker leads, and tells what was not delivered."""
        with self._wake:
            self._outbox.clear()
        self._arrived.clear()

    def ask_to_stop(self) -> None:
        """End the thread after one more attempt for all that is due; do not wait for it."""
        if self._pid != os.getpid():
            self._reset()
        with self._wake:
            self._is_started = False
            self._wake.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait for the thread for *timeout* seconds at most; return whether it ended."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def snapshot(self) -> ReceiverSnapshot:
        """Return how the receiver does."""
        with self._wake:
            waiting = len(self._outbox)
        return ReceiverSnapshot(
            name=self.name,
            kind=getattr(self.receiver, "kind", type(self.receiver).__name__),
            waiting=waiting,
            delivered=self._delivered,
            failures=self._failures,
            failing_since=self._failing_since,
            last_error=self._last_error,
            dropped=self._dropped,
        )

    def _run(self) -> None:
        while True:
            with self._wake:
                wait = self._outbox.wait(self._clock.monotonic())
                if wait != 0.0:
                    if not self._is_started:
                        return
                    self._wake.wait(LONGEST_NAP if wait is None else min(wait, LONGEST_NAP))
                    continue
                attempt = self._outbox.take(self._clock.monotonic())
            if attempt is not None:
                self._deliver(attempt)

    def _deliver(self, attempt: Attempt) -> None:
        message = attempt.message
        notification = Notification(
            receiver=self.name,
            service=self._service,
            group_key=message.key,
            group_labels=message.labels,
            alerts=message.alerts,
            at=message.at,
        )
        try:
            self.receiver.deliver(notification)
        except Exception as error:  # noqa: BLE001 - a receiver may raise anything; it is counted and tried again
            self._failed(error)
            return
        with self._wake:
            self._outbox.succeeded()
            self._delivered += 1
            self._failures, self._failing_since, self._last_error = 0, None, ""
        self._arrived.extend(attempt.parts)
        self._count(self.name, "delivered", 1.0)

    def _failed(self, error: Exception) -> None:
        # What a foreign exception says may hold an address with its token; our own are written without.
        words = str(error) if isinstance(error, DeliveryError) else f"it raised {type(error).__name__}"
        is_final = isinstance(error, DeliveryError) and error.is_final
        retry_after = error.retry_after if isinstance(error, DeliveryError) else None
        with self._wake:
            self._failures += 1
            self._failing_since = self._clock.time() if self._failing_since is None else self._failing_since
            self._last_error = words[:500]
            now = self._clock.monotonic()
            lost = self._outbox.refused() if is_final else self._outbox.failed(now, retry_after)
        self._lose(lost, "refused" if is_final else "expired", words)
        self._count(self.name, "failed", 1.0)
        self._errors.warn("alerts", f"receiver_{self.name}", f"the receiver {self.name!r} took no alert: {words}")

    def _lose(self, alerts: int, outcome: str, words: str) -> None:
        """Count what was given up, without the lock: a log may be slow."""
        if alerts > 0:
            self._dropped += alerts
            self._count(self.name, outcome, float(alerts))
            self._errors.warn("alerts", outcome, f"{alerts} alerts for {self.name!r} were given up: {words}")
