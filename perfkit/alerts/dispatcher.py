"""The dispatcher: for each receiver its groups and its courier."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence

from perfkit.alerts.alert import Alert
from perfkit.alerts.delivery.courier import Count, Courier, ReceiverSnapshot
from perfkit.alerts.delivery.receiver import Receiver
from perfkit.alerts.delivery.receivers.local import EventReceiver
from perfkit.alerts.routing.grouping import Group, Grouping
from perfkit.alerts.routing.route import Route
from perfkit.core.clock import Clock
from perfkit.core.errors import ErrorLog

__all__ = ["Dispatcher"]

STOP_TIMEOUT = 3.0
"""Seconds that `stop` waits for all receivers together."""


class Dispatcher:
    """Tells all receivers. The evaluating thread alone calls `flush`, `collect`, `load` and `clear`."""

    def __init__(
        self, *, service: str, clock: Clock, errors: ErrorLog, count: Count, retry_for: float, rng: random.Random | None
    ) -> None:
        """Begin without receivers."""
        self._service, self._clock, self._errors, self._count = service, clock, errors, count
        self._retry_for, self._rng = retry_for, rng
        self._lines: dict[str, tuple[Grouping, Courier]] = {}
        self._told: Mapping[str, Mapping[str, Group]] = {}
        self._is_started = False

    def add(self, name: str, receiver: Receiver, route: Route) -> None:
        """Tell *receiver* too; one of the same name is replaced."""
        self.remove(name)
        courier = Courier(
            name,
            receiver,
            route,
            service=self._service,
            clock=self._clock,
            errors=self._errors,
            count=self._count,
            retry_for=self._retry_for,
            rng=self._rng,
        )
        grouping = Grouping(route)
        grouping.load(self._told.get(name, {}))
        if self._is_started:
            courier.start()
        self._lines = {**self._lines, name: (grouping, courier)}

    def remove(self, name: str) -> bool:
        """Tell the receiver *name* no more; return whether there was one."""
        known = self._lines.get(name)
        if known is None:
            return False
        self._lines = {each: line for each, line in self._lines.items() if each != name}
        known[1].ask_to_stop()
        return True

    def start(self) -> None:
        """Deliver in threads from now on, each started with its first message."""
        self._is_started = True
        for _, courier in self._lines.values():
            courier.start()

    def stop(self) -> None:
        """End all threads, after one attempt each for what is due, within `STOP_TIMEOUT` in all."""
        self._is_started = False
        couriers = [courier for _, courier in self._lines.values()]
        for courier in couriers:
            courier.ask_to_stop()
        deadline = time.monotonic() + STOP_TIMEOUT
        for courier in couriers:
            if not courier.join(max(0.0, deadline - time.monotonic())):
                self._errors.warn("alerts", "stop", f"the receiver {courier.name!r} did not end in time")

    def flush(self, alerts: Sequence[Alert], now: float) -> None:
        """Give each courier what its receiver is to be told at *now* (Unix seconds that never go back)."""
        for grouping, courier in self._lines.values():
            receiver = courier.receiver
            if isinstance(receiver, EventReceiver) and not receiver.has_listeners:
                continue
            with self._errors.guarded("alerts", f"the receiver {courier.name!r} could not be told"):
                for message in grouping.flush(alerts, now):
                    courier.put(message)

    def deliver_now(self) -> None:
        """Deliver what is due in this thread."""
        for _, courier in list(self._lines.values()):
            courier.deliver_now()

    def collect(self) -> bool:
        """Note what arrived; return whether anything did."""
        found = False
        for grouping, courier in self._lines.values():
            for message in courier.arrived():
                grouping.confirm(message.key, message.alerts, message.at)
                found = True
        return found

    def dump(self) -> dict[str, dict[str, Group]]:
        """Return what each receiver was told."""
        return {name: grouping.dump() for name, (grouping, _) in self._lines.items()}

    def load(self, told: Mapping[str, Mapping[str, Group]]) -> None:
        """Go on from what another leader told."""
        self._told = told
        for name, (grouping, _) in self._lines.items():
            grouping.load(told.get(name, {}))

    def clear(self) -> None:
        """Forget what waits: another worker leads."""
        for _, courier in self._lines.values():
            courier.clear()

    def snapshots(self) -> Iterable[ReceiverSnapshot]:
        """Return how each receiver does."""
        return [courier.snapshot() for _, courier in self._lines.values()]
