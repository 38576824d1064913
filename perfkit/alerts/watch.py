"""What the evaluator goes through: rules and burning objectives in one shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from perfkit.alerts.alert import Alert, AlertState, Severity, fingerprint
from perfkit.alerts.numbers.measures import FULL, Readings, measure_burn, measure_rule
from perfkit.alerts.numbers.numbers import Numbers
from perfkit.alerts.numbers.past import Labels
from perfkit.alerts.rules.rule import Rule
from perfkit.alerts.rules.slo import Burn
from perfkit.alerts.states.machine import Policy, Standing

__all__ = ["Watch", "figure", "watch_burn", "watch_rule"]

LONGEST_DOUBT = 900.0
"""Seconds after which what is known is enough; of longer windows the samples are written, and outlive the workers."""


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to evaluate.

    Attributes:
        by: Names of the labels that tell its alerts apart.
        spans: Metrics that it reads and the seconds of past that it needs of each.
        enough: Seconds of past that tell that all is well.
        summary: The message, with fields to fill in.
    """

    name: str
    measure: Callable[[Numbers, float], Readings]
    policy: Policy
    severity: Severity
    by: tuple[str, ...]
    spans: dict[str, float]
    enough: float
    window: float
    unit: str
    source: str
    summary: str
    labels: dict[str, str]
    annotations: dict[str, str]
    depends_on: tuple[str, ...] = ()

    def knows_too_little(self, numbers: Numbers, standing: Standing, now: float) -> bool:
        """Return True if what brought an alert to where it stands is older than all samples, of a window not yet full.

        So it is after a restart of all workers, who keep the samples: until they fill a window, nothing found well in
        it says that the alert is over.
        """
        if standing.state not in (AlertState.FIRING, AlertState.PENDING):
            return False
        began = standing.since if standing.started_at is None else standing.started_at
        for metric, span in self.spans.items():
            past = numbers.past(metric) if span > 0.0 else None
            if past is not None and past.begins_at >= began and past.begins_at > now - self.enough:
                return True
        return False

    def alert(self, group: Labels, standing: Standing, *, is_flapping: bool) -> Alert:
        """Return the alert of *group* as it stands."""
        named = {name: value for name, value in zip(self.by, group, strict=True) if value}
        labels = {**self.labels, **named, "alertname": self.name, "severity": str(self.severity)}
        return Alert(
            fingerprint=fingerprint(labels),
            name=self.name,
            severity=self.severity,
            state=standing.state,
            message=self._message(standing.value, named, is_over=standing.state is AlertState.RESOLVED),
            source=self.source,
            value=standing.value,
            threshold=self.policy.threshold,
            at=standing.since,
            started_at=standing.started_at,
            labels=labels,
            annotations=self.annotations,
            is_flapping=is_flapping,
        )

    def _message(self, value: float | None, named: Mapping[str, str], *, is_over: bool) -> str:
        shown = "nothing measured" if value is None else figure(value, self.unit)
        if is_over:
            return f"over: now {shown}, the threshold is {figure(self.policy.threshold, self.unit)}"
        fields = {
            **named,
            "value": shown,
            "threshold": figure(self.policy.threshold, self.unit),
            "window": figure(self.window, "seconds"),
        }
        text = self.summary
        for name, each in fields.items():
            text = text.replace(f"{{{name}}}", each[:200])
        return text[:1000]


def watch_rule(rule: Rule, *, service: str, max_gap: float) -> Watch:
    """Return *rule* as a watch."""
    side = "above" if rule.above is not None else "below"
    windowed = 0.0 if rule.measure == "value" else rule.window
    spans = {rule.metric: windowed}
    if rule.of_metric:
        spans[rule.of_metric] = windowed
    return Watch(
        name=rule.name,
        measure=lambda numbers, now: measure_rule(rule, numbers, now),
        policy=rule.policy(max_gap=max_gap),
        severity=rule.severity,
        by=rule.by,
        spans=spans,
        enough=min(FULL * windowed, LONGEST_DOUBT),
        window=rule.window,
        unit=rule.unit,
        source=rule.source or rule.metric,
        summary=rule.summary or f"{rule.measure.replace('_', ' ')} of {rule.metric} is {{value}}, {side} {{threshold}}",
        labels={"service": service, **rule.labels},
        annotations=rule.annotations,
        depends_on=rule.depends_on,
    )


def watch_burn(burn: Burn, *, service: str, max_gap: float) -> Watch:
    """Return *burn* as a watch: it fires at once, the windows are damping enough."""
    slo, spending = burn.slo, burn.spending
    what = f"the error budget of {slo.name} ({slo.objective * 100:g} %) burns {{value}} times too fast"
    windows = f"{figure(spending.long, 'seconds')} and {figure(spending.short, 'seconds')}"
    gone = f"{100.0 * spending.spent:.0f} % of it is gone in {figure(spending.long, 'seconds')} at {{threshold}}"
    spans = {slo.metric: spending.long}
    if slo.bad_metric:
        spans[slo.bad_metric] = spending.long
    return Watch(
        name=burn.name,
        measure=lambda numbers, now: measure_burn(burn, numbers, now),
        policy=Policy(
            threshold=burn.factor,
            minimum_traffic=slo.minimum_traffic,
            keep_firing_for=spending.short / 5.0,
            max_gap=max_gap,
        ),
        severity=spending.severity,
        by=(),
        spans=spans,
        enough=min(FULL * spending.short, LONGEST_DOUBT),
        window=spending.long,
        unit="",
        source=slo.metric,
        summary=slo.summary or f"{what} over {windows}; {gone}",
        labels={"service": service, "slo": slo.name, "check": f"slo {slo.name}", **slo.labels},
        annotations=slo.annotations,
    )


def figure(value: float, unit: str) -> str:
    """Write *value* for people."""
    if unit == "seconds":
        if abs(value) < 1.0:
            return f"{value * 1000.0:.3g} ms"
        for size, word in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
            if value >= size and value % size == 0.0:
                return f"{value / size:g} {word}"
        return f"{value:.4g} s"
    if unit == "ratio":
        return f"{value * 100.0:.3g} %"
    if unit == "bytes":
        for size, word in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
            if abs(value) >= size:
                return f"{value / size:.3g} {word}"
        return f"{value:g} B"
    return f"{value:.4g}"
