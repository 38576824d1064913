"""The alert manager: rules over the store's numbers, evaluated once for all workers, and people told about it."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from perfkit.alerts.alert import Alert, AlertState, Severity
from perfkit.alerts.delivery.receiver import Receiver
from perfkit.alerts.delivery.receivers.local import EVENT_ROUTE, LOG_ROUTE, EventReceiver, LogReceiver
from perfkit.alerts.engine import Engine
from perfkit.alerts.journal import Checkpoint
from perfkit.alerts.parsing import parse_inhibition, parse_rule, parse_slo
from perfkit.alerts.routing.inhibition import Inhibition
from perfkit.alerts.routing.route import Route
from perfkit.alerts.routing.silences import Acknowledgement, Silence
from perfkit.alerts.rules.defaults import default_rules
from perfkit.alerts.rules.rule import Rule
from perfkit.alerts.rules.slo import Slo
from perfkit.alerts.settings import AlertsSettings
from perfkit.alerts.snapshot import AlertRecord, AlertsSnapshot
from perfkit.alerts.troubles import delivery_check, troubles
from perfkit.core.checks import HealthCheck
from perfkit.core.clock import Clock, SystemClock
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.errors import AlertError, ErrorLog
from perfkit.core.events import Events
from perfkit.core.findings import Finding
from perfkit.core.status import Status

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["AlertManager"]

EVENT, LOG = "event", "log"


class AlertManager(Component):
    """Alerts of one service. Thread-safe; reads never wait, and any worker answers for all.

    Nothing runs by itself before `start`: `tick` or `evaluate` then evaluates and delivers in the thread that calls.

    Attributes:
        store: The numbers that are watched; its own one where the manager stands alone.
    """

    name = "alerts"
    settings_type = AlertsSettings

    def __init__(
        self,
        *,
        settings: AlertsSettings | None = None,
        context: Context | None = None,
        store: Store | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Watch the store of *context*, or *store*; alone, a memory store of its own.

        Args:
            settings: None: the defaults, without default rules where there is no *context* to take thresholds from.
            context: What a system gives.
            store: Where the numbers are, without a system.
            clock: Without a system: anything with `monotonic()` and `time()`.
            rng: For the jitter between attempts.

        Raises:
            AlertError: A rule, objective or receiver of the settings cannot work.
            ConfigurationError: A receiver's secret is to come from a variable that is not set.
            MissingDependencyError: A receiver needs a package that is not installed.
        """
        self._ticks_store = context is None and store is None
        self._context = _alone(store, clock) if context is None else context
        self.settings = settings or AlertsSettings()
        self.store = self._context.store
        self._clock = self._context.clock
        self._engine = Engine(self.settings, self._context, rng)
        self._is_started, self._pid, self._lock = False, os.getpid(), threading.RLock()
        self._given: set[str] = set()
        self._began = self._clock.time()
        self._add_settings()

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the manager of a system."""
        return cls(settings=settings, context=context)

    def _add_settings(self) -> None:
        settings = self.settings
        if settings.default_rules and self._context.thresholds:
            for rule in default_rules(self._context.thresholds, self._context.targets):
                self._engine.rules[rule.name] = rule
        self._given = set(self._engine.rules)
        for name, given in settings.rules.items():
            self.add_rule(parse_rule(name, given))
        for name, given in settings.slos.items():
            self.add_slo(parse_slo(name, given))
        for given in settings.inhibitions:
            self.add_inhibition(parse_inhibition(given))
        dispatcher = self._engine.dispatcher
        dispatcher.add(EVENT, EventReceiver(self._context.events), EVENT_ROUTE)
        if settings.log:
            dispatcher.add(LOG, LogReceiver(), LOG_ROUTE)
        if settings.receivers:
            self._add_receivers()

    def _add_receivers(self) -> None:
        # Imported here: HTTP, TLS and mail cost 20 ms and some MiB that only those should pay who use them.
        from perfkit.alerts.delivery.factory import build_receiver

        settings = self.settings
        for name, given in settings.receivers.items():
            receiver, route = build_receiver(
                name, given, instance=settings.instance, external_url=settings.external_url, clock=self._clock
            )
            self.add_receiver(name, receiver, route=route)

    def start(self) -> None:
        """Deliver in threads of their own from now on; in a forked child everything begins anew."""
        if self._is_started and self._pid == os.getpid():
            return
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), threading.RLock()
            self._engine.begin()
        with self._lock:
            self._is_started, self._began = True, self._clock.time()
            self._engine.dispatcher.start()
            self._engine.journal.find()

    def stop(self) -> None:
        """End all threads within 3 s, after one attempt each for what is due."""
        if self._pid != os.getpid():
            return
        self._is_started = False
        self._engine.dispatcher.stop()
        with self._lock:
            self._engine.release()

    def tick(self, now: float) -> None:
        """Evaluate if it is time, and tell what is due at *now* (monotonic seconds)."""
        if self._ticks_store:
            self.store.tick(now)
        with self._lock:
            self._engine.tick(now)
            self._deliver_unless_started()

    def evaluate(self) -> list[Alert]:
        """Evaluate all rules now; return the alerts that began or are over. In a worker that does not lead: none."""
        with self._lock:
            changed = self._engine.round()
            self._deliver_unless_started()
        return changed

    def _deliver_unless_started(self) -> None:
        if not self._is_started:
            self._engine.dispatcher.deliver_now()
            self._engine.settle()

    def add_rule(self, rule: Rule) -> Rule:
        """Watch *rule* too; one of the same name is replaced. Each worker must add it.

        Raises:
            AlertError: It cannot work.
        """
        rule.check()
        with self._lock:
            self._engine.rules = {**self._engine.rules, rule.name: rule}
            self._given.discard(rule.name)
            self._engine.changed()
        return rule

    def remove_rule(self, name: str) -> bool:
        """Watch the rule *name* no more; its alerts are over. Return whether there was one."""
        with self._lock:
            known = self._engine.rules
            self._engine.rules = {each: rule for each, rule in known.items() if each != name}
            self._engine.changed()
        return name in known

    def get_rules(self) -> list[Rule]:
        """Return all rules, the default ones included."""
        return list(self._engine.rules.values())

    def add_slo(self, slo: Slo) -> Slo:
        """Watch the error budget of *slo* too; one of the same name is replaced. Each worker must add it.

        Raises:
            AlertError: It cannot work.
        """
        slo.check()
        with self._lock:
            self._engine.slos = {**self._engine.slos, slo.name: slo}
            self._engine.changed()
        for burn in slo.unreachable():
            self._context.errors.warn(
                "alerts",
                "unreachable",
                f"{burn.name!r} can never fire: with an objective of {slo.objective:g} not even errors alone burn the "
                f"budget {burn.factor:g} times too fast. Give the objective spendings of its own.",
            )
        return slo

    def add_inhibition(self, inhibition: Inhibition) -> None:
        """Let some alerts mute others."""
        with self._lock:
            self._engine.inhibitions = [*self._engine.inhibitions, inhibition]

    def add_receiver(self, name: str, receiver: Receiver, *, route: Route | None = None) -> None:
        """Tell *receiver* too, by *route* (None: the usual one). One of the same name is replaced.

        Raises:
            AlertError: It cannot take anything.
        """
        if not callable(getattr(receiver, "deliver", None)):
            raise AlertError(
                f"The alert receiver {name!r} is {type(receiver).__name__}. It must have a method "
                "deliver(notification). Add one."
            )
        with self._lock:
            self._engine.dispatcher.add(name, receiver, route or Route())

    def remove_receiver(self, name: str) -> bool:
        """Tell the receiver *name* no more; return whether there was one."""
        with self._lock:
            return self._engine.dispatcher.remove(name)

    def on_alert(self, listener: Callable[[Alert], Any]) -> Callable[[Alert], Any]:
        """Call *listener*, a function or a coroutine function, with each alert that begins or ends; return it."""
        return self._context.events.on("alert", listener)

    def get_active_alerts(self, *, severity: Severity | str | None = None) -> list[Alert]:
        """Return the alerts that fire, muted ones too, the worst first; only those of *severity* if it is given."""
        wanted = None if severity is None else Severity(severity)
        firing = [alert for alert in self._alerts() if alert.is_firing and wanted in (None, alert.severity)]
        return sorted(firing, key=lambda alert: (-alert.severity.rank, alert.started_at or 0.0, alert.name))

    def get_alert_history(self, limit: int = 100) -> list[AlertRecord]:
        """Return the latest *limit* beginnings and ends of alerts, newest first. Reads the texts of all workers."""
        return self._engine.journal.history(limit)

    def silence(
        self,
        where: str | Mapping[str, str],
        *,
        duration: float = 3_600.0,
        starts_at: float | None = None,
        author: str = "",
        comment: str = "",
    ) -> Silence:
        """Mute alerts in all workers; those of receivers that know of one still learn when it is over.

        Args:
            where: Name of a rule, or matchers of labels such as ``{"severity": "warning", "http_route": "=~/api/.*"}``.
            duration: Seconds, more than 0 and at most a year.
            starts_at: Unix seconds; None is now.
            author: Who says so.
            comment: Why.

        Raises:
            AlertError: It would mute everything, or cannot be understood.
        """
        now = self._clock.time()
        silence = self._engine.silences.new(
            {"alertname": where} if isinstance(where, str) else where,
            now=now,
            duration=duration,
            starts_at=now if starts_at is None else starts_at,
            author=author,
            comment=comment,
        )
        self._engine.journal.say(silence)
        return silence

    def unsilence(self, silence_id: str) -> bool:
        """End the silence of that id now, in all workers; return whether it was in force or still to come."""
        known, now = self._engine.silences.get(silence_id), self._clock.time()
        if known is None or known.ends_at <= now:
            return False
        ended = Silence(
            id=known.id,
            where=known.where,
            starts_at=min(known.starts_at, now),
            ends_at=now,
            author=known.author,
            comment=known.comment,
            updated_at=max(now, known.updated_at + 1e-6),
        )
        self._engine.journal.say(ended)
        return True

    def get_silences(self) -> list[Silence]:
        """Return the silences that are in force or still to come."""
        now = self._clock.time()
        return [silence for silence in self._engine.silences.all() if silence.ends_at > now]

    def acknowledge(self, alert: Alert | str, *, author: str = "", comment: str = "") -> list[Alert]:
        """Say that somebody takes care: what fires now is not repeated to receivers. Holds in all workers.

        Args:
            alert: An alert, its fingerprint, or the name of a rule for all its alerts that fire.
            author: Who does.
            comment: What they want to say.

        Returns:
            The alerts that were meant.

        Raises:
            AlertError: No such alert fires.
        """
        wanted = alert.fingerprint if isinstance(alert, Alert) else alert
        meant = [each for each in self.get_active_alerts() if wanted in (each.fingerprint, each.name)]
        if not meant:
            raise AlertError(
                f"No alert {wanted!r} fires. It must be the name or the fingerprint of one of get_active_alerts(). "
                "Look there."
            )
        now = self._clock.time()
        for each in meant:
            said = Acknowledgement(
                fingerprint=each.fingerprint,
                started_at=each.started_at or 0.0,
                author=author[:200],
                comment=comment[:1000],
                updated_at=now,
            )
            self._engine.journal.say(said)
        fingerprints = {each.fingerprint for each in meant}
        return [each for each in self.get_active_alerts() if each.fingerprint in fingerprints]

    def snapshot(self) -> AlertsSnapshot:
        """Return all alerts, rules, objectives and receivers as of now."""
        known, alerts = self._engine.journal.states.received, self._alerts()
        active = tuple(self.get_active_alerts())
        return AlertsSnapshot(
            at=self._clock.time(),
            status=_status(known, active),
            evaluated_at=None if known is None else known.at,
            is_evaluating=self._engine.leads,
            active=active,
            pending=tuple(alert for alert in alerts if alert.state is AlertState.PENDING and not alert.is_flapping),
            resolved=tuple(alert for alert in alerts if alert.state is AlertState.RESOLVED and not alert.is_flapping),
            silences=tuple(self.get_silences()),
            receivers=() if known is None else tuple(known.receivers),
            rules=() if known is None else tuple(known.rules),
            slos=() if known is None else tuple(known.slos),
        )

    def findings(self) -> Iterable[Finding]:
        """Return what keeps alerts from coming: receivers that fail, rules that measure nothing or can never fire."""
        known = self._engine.journal.states.received
        own = {name for name in self._engine.rules if name not in self._given}
        return list(troubles(known, own, list(self._engine.slos.values()), began=self._began, now=self._clock.time()))

    def checks(self) -> Iterable[HealthCheck]:
        """Return a check of the receivers, where there are any outside of this process."""
        if not self.settings.receivers:
            return ()
        return (delivery_check(lambda: self._engine.journal.states.received, self._clock),)

    def _alerts(self) -> list[Alert]:
        known = self._engine.journal.states.received
        if known is None:
            return []
        kept = [entry.alert for entry in known.entries if entry.alert.state is not AlertState.INACTIVE]
        return self._engine.marked(kept)


def _status(known: Checkpoint | None, active: Iterable[Alert]) -> Status:
    if known is None:
        return Status.UNKNOWN
    severities = {alert.severity for alert in active if not alert.is_muted}
    if Severity.CRITICAL in severities:
        return Status.CRITICAL
    return Status.WARNING if Severity.WARNING in severities else Status.HEALTHY


def _alone(store: Store | None, clock: Clock | None) -> Context:
    """Return the surroundings of a manager without a system."""
    from perfkit.store import Store, StoreSettings

    if store is not None and clock is None:
        clock = store.clock
    clock = clock or SystemClock()
    errors = ErrorLog(clock=clock)
    store = store if store is not None else Store(StoreSettings(mode="memory"), clock=clock, errors=errors)
    return Context(store=store, clock=clock, errors=errors, events=Events(errors))
