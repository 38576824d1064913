"""What keeps alerts from coming: the findings and the health check of this component."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from perfkit.alerts.delivery.courier import ReceiverSnapshot
from perfkit.alerts.journal import Checkpoint
from perfkit.alerts.rules.slo import Slo
from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.clock import Clock
from perfkit.core.findings import Finding, Priority
from perfkit.core.status import Status

__all__ = ["delivery_check", "troubles"]

PATIENCE = 300.0
"""Seconds for which a receiver may fail before it is worth a word."""

SILENCE = 900.0
"""Seconds after the start from which a rule without any number is worth a word."""


def troubles(
    known: Checkpoint | None, own: Collection[str], slos: Sequence[Slo], *, began: float, now: float
) -> Iterator[Finding]:
    """Yield what is wrong.

    Args:
        known: The state as last heard.
        own: Names of the user's own rules: the default ones may well have nothing to measure.
        slos: The objectives.
        began: Unix seconds at which the manager started.
        now: Unix seconds.
    """
    for slo in slos:
        yield from _unreachable(slo)
    if known is None:
        return
    for receiver in failing(known.receivers, now):
        yield _failing(receiver, now)
    if now - began >= SILENCE:
        for rule in known.rules:
            if rule.name in own and rule.measured_at is None:
                yield _silent(rule.name, now - began)


def failing(receivers: Sequence[ReceiverSnapshot], now: float) -> list[ReceiverSnapshot]:
    """Return the receivers that have failed for longer than `PATIENCE`."""
    return [each for each in receivers if each.failing_since is not None and now - each.failing_since >= PATIENCE]


def delivery_check(known: Callable[[], Checkpoint | None], clock: Clock) -> HealthCheck:
    """Return the check that warns while a receiver fails."""

    def run() -> CheckResult:
        checkpoint = known()
        if checkpoint is None:
            return CheckResult(Status.UNKNOWN, "no alert was evaluated yet")
        bad = failing(checkpoint.receivers, clock.time())
        if not bad:
            return CheckResult(Status.HEALTHY, "alerts can be delivered")
        return CheckResult(Status.WARNING, f"alerts do not reach {', '.join(each.name for each in bad)}")

    return HealthCheck(name="alert_delivery", run=run, critical=False)


def _failing(receiver: ReceiverSnapshot, now: float) -> Finding:
    seconds = now - (receiver.failing_since or now)
    return Finding(
        code="PK601",
        kind="alert_receiver_failing",
        component="alerts",
        priority=Priority.HIGH,
        message=f"Alerts have not reached the receiver {receiver.name!r} for {seconds / 60.0:.0f} minutes: "
        f"{receiver.last_error or 'it failed'}.",
        action="Check the receiver's address and whether it can be reached from this host.",
        object=receiver.name,
        evidence={"waiting": receiver.waiting, "failures": receiver.failures, "seconds": seconds},
        fingerprint=f"alert_receiver_failing:{receiver.name}",
    )


def _silent(name: str, seconds: float) -> Finding:
    return Finding(
        code="PK602",
        kind="alert_rule_without_data",
        component="alerts",
        priority=Priority.MEDIUM,
        message=f"The alert rule {name!r} has had nothing to measure since the service started.",
        action="Check the names of its metric and labels, or remove the rule.",
        object=name,
        evidence={"seconds": round(seconds)},
        confidence="likely",
        fingerprint=f"alert_rule_without_data:{name}",
    )


def _unreachable(slo: Slo) -> Iterator[Finding]:
    burns = slo.unreachable()
    if burns:
        yield Finding(
            code="PK603",
            kind="slo_unreachable",
            component="alerts",
            priority=Priority.MEDIUM,
            message=f"The objective {slo.name!r} of {slo.objective:g} has alerts that can never fire: even errors "
            f"alone burn its budget only {1.0 / slo.budget:.3g} times too fast, {burns[0].factor:g} are asked for.",
            action="Give the objective spendings of its own, or watch its error rate with a rule.",
            object=slo.name,
            evidence={"budget": slo.budget, "factors": [burn.factor for burn in burns]},
            fingerprint=f"slo_unreachable:{slo.name}",
        )
