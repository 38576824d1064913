"""The engine: what happens in each worker every second, and in the one that evaluates every few.

Every worker keeps samples of the metrics that rules look back at, and hears the journal. The store's leader alone
evaluates, groups and tells. Whoever becomes the leader goes on from the journal, so that nothing that fires is told
anew and no `for` begins again; whoever is one no longer forgets what it was about to tell.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from perfkit.alerts.alert import Alert, AlertState, Severity
from perfkit.alerts.dispatcher import Dispatcher
from perfkit.alerts.evaluation import Evaluator
from perfkit.alerts.journal import Checkpoint, Journal
from perfkit.alerts.meters import FIRING, NOTIFICATIONS
from perfkit.alerts.numbers.measures import bad_and_total
from perfkit.alerts.numbers.numbers import Numbers
from perfkit.alerts.routing.inhibition import DEFAULT, Inhibition, inhibit
from perfkit.alerts.routing.silences import Silences
from perfkit.alerts.rules.rule import Rule
from perfkit.alerts.rules.slo import Slo
from perfkit.alerts.settings import AlertsSettings
from perfkit.alerts.snapshot import AlertRecord, RuleSnapshot, SloSnapshot
from perfkit.alerts.states.steady import SteadyTime
from perfkit.alerts.watch import Watch, watch_burn, watch_rule
from perfkit.core.context import Context

__all__ = ["Engine"]

KEEP_INTERVAL = 60.0
"""Seconds after which the state is written and told again while something is active."""

FAR = 900.0
"""A rule that looks back further than this has its samples written too, as they outlast a leader's memory."""

RANKS = {AlertState.FIRING: 3, AlertState.PENDING: 2, AlertState.RESOLVED: 1, AlertState.INACTIVE: 0}


class Engine:
    """Not thread-safe: the manager guards it.

    Attributes:
        leads: True while this worker evaluates.
        silences: What people said; reads of it need no guard.
        rules, slos: What is watched, by name.
        inhibitions: Which alerts mute which.
    """

    def __init__(self, settings: AlertsSettings, context: Context, rng: random.Random | None) -> None:
        """Watch nothing yet."""
        self._settings, self._context = settings, context
        self._store, self._clock = context.store, context.clock
        self.silences = Silences()
        self.journal = Journal(context.store, context.errors, self.silences)
        self.rules: dict[str, Rule] = {}
        self.slos: dict[str, Slo] = {}
        self.inhibitions: list[Inhibition] = list(DEFAULT)
        self.dispatcher = Dispatcher(
            service=context.service,
            clock=context.clock,
            errors=context.errors,
            count=self._count,
            retry_for=settings.retry_for,
            rng=rng,
        )
        self.leads = False
        self.begin()

    def begin(self) -> None:
        """Know nothing of what was: at the start, and in a forked child."""
        self._time = SteadyTime(self._clock)
        self._numbers = Numbers(self._store, self._context.families)
        self._evaluator = Evaluator(most=self._settings.max_alerts, errors=self._context.errors)
        self._watches: list[Watch] | None = None
        self._due = float("-inf")
        self._number = 0
        self._kept_at = self._told_at = self._budget_at = float("-inf")
        self._signature: object = None
        self._budgets: list[SloSnapshot] = []
        self.leads = False
        self.journal.forget()

    def changed(self) -> None:
        """Rules or objectives came or went."""
        self._watches = None

    def tick(self, now: float) -> None:
        """Do what is due at *now* (monotonic seconds)."""
        self._follow_lead()
        if now >= self._due:
            self._due = now + self._settings.interval
            self.round()
        elif self.leads:
            self._tell()

    def round(self) -> list[Alert]:
        """Sample, and as the leader evaluate and tell; return the alerts that changed."""
        self._follow_lead()
        now = self._time.now()
        watches = self._watched()
        self._numbers.sample(now, everything=self.leads)
        if not self.leads or not self._is_still_leader():
            return []
        changed = self._evaluator.evaluate(watches, self._numbers, now)
        for alert in changed:
            self.journal.record(_record(alert))
        self.silences.expire(self._clock.time())
        self._budget(now)
        self._meter()
        self._tell()
        self._write(now)
        return changed

    def marked(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Return *alerts* with what mutes them and who took care of them."""
        depends_on = {rule.name: rule.depends_on for rule in list(self.rules.values()) if rule.depends_on}
        inhibited = inhibit(list(alerts), self.inhibitions, depends_on)
        return self.silences.apply(inhibited, self._clock.time())

    def settle(self) -> None:
        """Write what was delivered until now, for the next leader."""
        if self.leads and self.dispatcher.collect():
            self._keep(self._checkpoint(self._time.now()))

    def release(self) -> None:
        """Lead no more, in order."""
        self.settle()
        self.leads = False

    def _follow_lead(self) -> None:
        leads = self._store.is_leader
        if leads and not self.leads:
            self._take_over()
        elif not leads and self.leads:
            self.dispatcher.clear()
        self.leads = leads

    def _is_still_leader(self) -> bool:
        return self._store.lease.is_still_mine(self._clock.monotonic())

    def _take_over(self) -> None:
        """Go on from what the last leader knew."""
        found = self.journal.find()
        self._signature = None
        if found is None:
            return
        self._number = found.number
        self._time.not_before(found.at)
        self._evaluator.load(found.entries, self._time.now())
        for rule in found.rules:
            if rule.value is not None and rule.measured_at is not None:
                self._evaluator.last_values[rule.name] = (rule.value, rule.measured_at)
        self.dispatcher.load(found.told)
        self._watched()
        if self._looks_far():
            for metric, dumped in self.journal.past().items():
                past = self._numbers.past(metric)
                if past is not None:
                    past.load(dumped)

    def _watched(self) -> list[Watch]:
        if self._watches is None:
            gap = max(60.0, 5.0 * self._settings.interval)
            service = self._context.service
            watches = [watch_rule(rule, service=service, max_gap=gap) for rule in self.rules.values()]
            for slo in self.slos.values():
                watches += [watch_burn(burn, service=service, max_gap=gap) for burn in slo.burns()]
            self._numbers.forget()
            for watch in watches:
                for metric, span in watch.spans.items():
                    self._numbers.watch(metric, span=span)
            self._watches = watches
        return self._watches

    def _tell(self) -> None:
        """Give the receivers what is due, and note what arrived."""
        if not self._is_still_leader():
            return
        self.settle()
        self.dispatcher.flush(self.marked(self._evaluator.alerts()), self._time.now())

    def _write(self, now: float) -> None:
        """Tell the other workers, and write where something changed or it is time."""
        signature = (
            tuple((entry.name, entry.group, entry.alert.state, entry.is_flapping) for entry in self._evaluator.dump()),
            tuple(silence.id for silence in self.silences.all()),
        )
        is_new = signature != self._signature
        is_active = bool(signature[0] or signature[1])
        checkpoint = self._checkpoint(now)
        if is_new or is_active or now - self._told_at >= KEEP_INTERVAL:
            self._told_at = now
            self.journal.states.tell(checkpoint)
        else:
            self.journal.states.received = checkpoint
        if is_new or (is_active and now - self._kept_at >= KEEP_INTERVAL):
            self._signature = signature
            self._keep(checkpoint)
        if self._looks_far() and now - self._kept_at >= KEEP_INTERVAL:
            self._kept_at = now
            far = {metric: past.dump() for metric, past in self._numbers.pasts.items() if past.span > FAR}
            self.journal.keep_past(far)

    def _keep(self, checkpoint: Checkpoint) -> None:
        self.journal.states.received = checkpoint
        if self._store.is_shared:
            self._kept_at = checkpoint.at
            self.journal.states.keep(checkpoint)

    def _looks_far(self) -> bool:
        return self._store.is_shared and any(past.span > FAR for past in self._numbers.pasts.values())

    def _checkpoint(self, now: float) -> Checkpoint:
        self._number += 1
        return Checkpoint(
            generation=self._store.lease.generation,
            number=self._number,
            at=now,
            entries=self._evaluator.dump(),
            silences=self.silences.all(),
            acknowledgements=self.silences.acknowledgements(),
            told=self.dispatcher.dump(),
            receivers=list(self.dispatcher.snapshots()),
            rules=self._rules(),
            slos=self._budgets,
        )

    def _rules(self) -> list[RuleSnapshot]:
        states: dict[str, AlertState] = {}
        for entry in self._evaluator.entries.values():
            state = entry.alert.state
            if RANKS[state] > RANKS[states.get(entry.name, AlertState.INACTIVE)]:
                states[entry.name] = state
        snapshots = []
        for watch in self._watched():
            value, measured_at = self._evaluator.last_values.get(watch.name, (None, None))
            snapshots.append(
                RuleSnapshot(
                    name=watch.name,
                    severity=watch.severity,
                    state=states.get(watch.name, AlertState.INACTIVE),
                    threshold=watch.policy.threshold,
                    value=value,
                    measured_at=measured_at,
                    unit=watch.unit,
                )
            )
        return snapshots

    def _budget(self, now: float) -> None:
        """Refresh what is left of the error budgets, each minute."""
        if now - self._budget_at < KEEP_INTERVAL or not self.slos:
            self._budgets = self._budgets if self.slos else []
            return
        self._budget_at = now
        found = []
        for slo in self.slos.values():
            with self._context.errors.guarded("alerts", f"the budget of {slo.name!r} could not be computed"):
                counted = bad_and_total(slo, self._numbers, slo.period, now)
                bad, events = (counted.bad, counted.total) if counted is not None else (0.0, 0.0)
                left = 1.0 - bad / events / slo.budget if events > 0.0 else None
                found.append(
                    SloSnapshot(
                        name=slo.name,
                        objective=slo.objective,
                        period=slo.period,
                        events=events,
                        bad=bad,
                        budget_left=left,
                    )
                )
        self._budgets = found

    def _meter(self) -> None:
        if self.rules or self.slos:
            firing = [alert.severity for alert in self._evaluator.alerts() if alert.is_firing]
            for severity in Severity:
                row = self._store.row(FIRING, (str(severity),))
                self._store.set(row, float(firing.count(severity)))

    def _count(self, receiver: str, outcome: str, amount: float) -> None:
        self._store.add(self._store.row(NOTIFICATIONS, (receiver, outcome)), amount)


def _record(alert: Alert) -> AlertRecord:
    is_over = alert.state is AlertState.RESOLVED and alert.started_at is not None
    return AlertRecord(
        at=alert.at,
        fingerprint=alert.fingerprint,
        name=alert.name,
        severity=alert.severity,
        state=alert.state,
        message=alert.message,
        source=alert.source,
        value=alert.value,
        threshold=alert.threshold,
        labels=alert.labels,
        duration=alert.at - alert.started_at if is_over and alert.started_at is not None else None,
    )
