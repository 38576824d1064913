"""Inhibition and silences against their slow, obvious models: each alert compared with each other one, each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perfkit.alerts.alert import Alert, AlertState, Severity
from perfkit.alerts.routing.inhibition import DEFAULT, Inhibition, inhibit
from perfkit.alerts.routing.silences import Silence, Silences
from perfkit.alerts.rules.matchers import Matchers

NAMES = ("Database", "Slow", "Errors")
VALUES = ("", "a", "b")

alerts = st.lists(
    st.builds(
        lambda number, name, severity, state, check: Alert(
            fingerprint=f"{number:016x}",
            name=name,
            severity=severity,
            state=state,
            message="",
            source="",
            value=1.0,
            threshold=0.0,
            at=0.0,
            started_at=0.0,
            labels={"alertname": name, "severity": str(severity), "service": "shop", "check": check},
            annotations={},
        ),
        st.integers(0, 2**60),
        st.sampled_from(NAMES),
        st.sampled_from(Severity),
        st.sampled_from((AlertState.FIRING, AlertState.RESOLVED, AlertState.PENDING)),
        st.sampled_from(VALUES),
    ),
    max_size=12,
    unique_by=lambda alert: alert.fingerprint,
)
matchers = st.dictionaries(
    st.sampled_from(("alertname", "severity", "check")), st.sampled_from(("Slow", "critical", "=~warning|info", "!=a"))
)
inhibitions = st.lists(
    st.builds(
        lambda source, target, equal: Inhibition(source=source, target=target, equal=tuple(equal)),
        matchers,
        matchers,
        st.lists(st.sampled_from(("service", "check", "missing")), unique=True),
    ),
    max_size=3,
)
dependencies = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=2))


def mutes(alert: Alert, all_alerts: list[Alert], rules: list[Inhibition], needs: dict[str, list[str]]) -> set[str]:
    """Return the names of all that mute *alert*."""
    found = set()
    for other in all_alerts:
        if other.state is not AlertState.FIRING or other.fingerprint == alert.fingerprint:
            continue
        if other.name in needs.get(alert.name, ()):
            found.add(other.name)
        for rule in rules:
            source, target = Matchers(rule.source), Matchers(rule.target)
            if not (source.match(other.labels) and target.match(alert.labels)) or target.match(other.labels):
                continue
            if all(alert.labels.get(each) and alert.labels.get(each) == other.labels.get(each) for each in rule.equal):
                found.add(other.name)
    return found


@given(alerts=alerts, rules=inhibitions, needs=dependencies)
def test_an_alert_is_muted_by_what_the_obvious_model_says(
    alerts: list[Alert], rules: list[Inhibition], needs: dict[str, list[str]]
) -> None:
    rules = [*rules, *DEFAULT]
    for before, after in zip(alerts, inhibit(alerts, rules, needs), strict=True):
        causes = mutes(before, alerts, rules, needs)
        assert bool(after.inhibited_by) == bool(causes)
        assert after.inhibited_by in (causes or {""})


@given(
    alerts=alerts,
    steps=st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 50), st.floats(1, 50), st.floats(0, 40)), max_size=6),
)
def test_an_alert_is_silenced_while_a_silence_is_in_force(
    alerts: list[Alert], steps: list[tuple[str, float, float, float]]
) -> None:
    silences, now = Silences(), 0.0
    for name, starts_at, duration, passed in steps:
        silence = silences.new(
            {"alertname": name}, now=now, duration=duration, starts_at=starts_at, author="", comment=""
        )
        silences.put(silence)
        now += passed
        for marked in silences.apply(alerts, now):
            assert marked.is_silenced == any(_mutes(each, marked, now) for each in silences.all())


def _mutes(silence: Silence, alert: Alert, now: float) -> bool:
    return silence.starts_at <= now < silence.ends_at and silence.where["alertname"] == alert.name
