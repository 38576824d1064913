"""Matchers, grouping, silences, inhibition: who is told what, and when."""

from __future__ import annotations

import msgspec
import pytest

from perfkit.alerts.alert import Alert, AlertState, Severity
from perfkit.alerts.routing.grouping import Grouping
from perfkit.alerts.routing.inhibition import DEFAULT, Inhibition, inhibit
from perfkit.alerts.routing.route import Route
from perfkit.alerts.routing.silences import Acknowledgement, Silences
from perfkit.alerts.rules.matchers import Matchers
from perfkit.core.errors import AlertError
from perfkit.testing.receiver_kit import alert

RESOLVED = AlertState.RESOLVED


def told(grouping: Grouping, now: float, *alerts: Alert) -> list[list[str]]:
    """Return what is told at *now*: a list per message, resolved ones with a minus."""
    return [
        [f"{'' if each.is_firing else '-'}{each.name}" for each in message.alerts]
        for message in grouping.flush(alerts, now)
    ]


MATCHES = [
    ({"a": "x"}, {"a": "x"}, True),
    ({"a": "x"}, {"a": "y"}, False),
    ({"a": "x"}, {}, False),
    ({"a": ""}, {}, True),
    ({"a": "!=x"}, {"a": "y"}, True),
    ({"a": "!=x"}, {}, True),
    ({"a": "!=x"}, {"a": "x"}, False),
    ({"a": "=~x.*"}, {"a": "xyz"}, True),
    ({"a": "=~x"}, {"a": "xyz"}, False),
    ({"a": "!~x.*"}, {"a": "abc"}, True),
    ({"a": "!~|x"}, {}, False),
    ({"a": "!~|x"}, {"a": "x"}, False),
    ({"a": "!~|x"}, {"a": "500"}, True),
    ({"a": "x", "b": "=~y|z"}, {"a": "x", "b": "z"}, True),
    ({"a": "x", "b": "=~y|z"}, {"a": "x", "b": "w"}, False),
    ({}, {"a": "x"}, True),
]


@pytest.mark.parametrize(("where", "labels", "expected"), MATCHES)
def test_matchers(where: dict[str, str], labels: dict[str, str], expected: bool) -> None:
    assert Matchers(where).match(labels) is expected
    assert Matchers(where).bind(list(labels))(list(labels.values())) is expected


@pytest.mark.parametrize("text", ["=~(", "!~[", "=~" + "a" * 600])
def test_a_matcher_that_is_no_expression_is_refused_in_words(text: str) -> None:
    with pytest.raises(AlertError, match="must be a regular expression"):
        Matchers({"route": text})


def test_a_group_waits_for_what_belongs_to_it() -> None:
    grouping = Grouping(Route(group_by=("service",), group_wait=30.0))
    a, b = alert("A"), alert("B")
    assert told(grouping, 0.0, a) == []
    assert told(grouping, 10.0, a, b) == []
    assert told(grouping, 30.0, a, b) == [["A", "B"]]
    assert told(grouping, 31.0, a, b) == []


def test_changes_of_a_group_come_at_intervals() -> None:
    grouping = Grouping(Route(group_by=("service",), group_wait=0.0, group_interval=300.0))
    assert told(grouping, 0.0, alert("A")) == [["A"]]
    assert told(grouping, 100.0, alert("A"), alert("B")) == []
    assert told(grouping, 300.0, alert("A"), alert("B")) == [["B", "A"]]


def test_what_does_not_change_is_repeated() -> None:
    grouping = Grouping(Route(group_wait=0.0, repeat_interval=3_600.0))
    assert told(grouping, 0.0, alert("A")) == [["A"]]
    assert told(grouping, 3_599.0, alert("A")) == []
    assert told(grouping, 3_600.0, alert("A")) == [["A"]]


def test_an_alert_over_before_its_group_was_told_is_never_told() -> None:
    grouping = Grouping(Route(group_wait=30.0))
    assert told(grouping, 0.0, alert("A")) == []
    assert told(grouping, 20.0, alert("A", state=RESOLVED)) == []
    assert told(grouping, 60.0, alert("A", state=RESOLVED)) == []


def test_the_end_is_told_once() -> None:
    grouping = Grouping(Route(group_wait=0.0, group_interval=0.0))
    assert told(grouping, 0.0, alert("A")) == [["A"]]
    assert told(grouping, 10.0, alert("A", state=RESOLVED)) == [["-A"]]
    assert told(grouping, 20.0, alert("A", state=RESOLVED)) == []


def test_the_end_is_not_told_where_it_is_not_wanted() -> None:
    grouping = Grouping(Route(group_wait=0.0, group_interval=0.0, send_resolved=False))
    assert told(grouping, 0.0, alert("A")) == [["A"]]
    assert told(grouping, 10.0, alert("A", state=RESOLVED)) == []


def test_a_second_firing_is_news() -> None:
    grouping = Grouping(Route(group_wait=0.0, group_interval=0.0))
    again = msgspec.structs.replace(alert("A"), started_at=1_700_000_500.0)
    assert told(grouping, 0.0, alert("A")) == [["A"]]
    assert told(grouping, 10.0, again) == [["A"]]


def test_each_alert_is_a_group_where_none_is_wanted() -> None:
    grouping = Grouping(Route(group_by=None, group_wait=0.0))
    assert sorted(told(grouping, 0.0, alert("A"), alert("B"))) == [["A"], ["B"]]


def test_groups_have_keys_as_alertmanager_writes_them() -> None:
    grouping = Grouping(Route(group_by=("service", "alertname"), group_wait=0.0))
    (message,) = grouping.flush([alert("A")], 0.0)
    assert message.key == '{}:{alertname="A", service="shop"}'
    assert message.labels == {"alertname": "A", "service": "shop"}


def test_a_muted_alert_is_not_told_until_it_is_unmuted() -> None:
    grouping = Grouping(Route(group_wait=0.0))
    muted = msgspec.structs.replace(alert("A"), is_silenced=True)
    assert told(grouping, 0.0, muted) == []
    assert told(grouping, 10.0, alert("A")) == [["A"]]


def test_a_muted_alert_that_was_told_is_not_repeated_and_its_end_is_told() -> None:
    grouping = Grouping(Route(group_wait=0.0, group_interval=0.0, repeat_interval=100.0))
    muted = msgspec.structs.replace(alert("A"), inhibited_by="B")
    assert told(grouping, 0.0, alert("A")) == [["A"]]
    assert told(grouping, 200.0, muted) == []
    over = msgspec.structs.replace(alert("A", state=RESOLVED), is_silenced=True)
    assert told(grouping, 210.0, over) == [["-A"]]


def test_an_acknowledged_alert_is_not_repeated() -> None:
    grouping = Grouping(Route(group_wait=0.0, repeat_interval=100.0))
    seen = msgspec.structs.replace(alert("A"), acknowledged_by="ann")
    assert told(grouping, 0.0, alert("A")) == [["A"]]
    assert told(grouping, 500.0, seen) == []


def test_a_flapping_alert_is_told_once_and_again_when_it_is_calm() -> None:
    grouping = Grouping(Route(group_wait=0.0, group_interval=0.0))
    flapping = msgspec.structs.replace(alert("A"), is_flapping=True)
    dipped = msgspec.structs.replace(alert("A", state=RESOLVED), is_flapping=True)
    assert told(grouping, 0.0, alert("A")) == [["A"]]
    assert told(grouping, 10.0, flapping) == [["A"]]
    assert told(grouping, 20.0, dipped) == []
    assert told(grouping, 30.0, flapping) == []
    assert told(grouping, 40.0, alert("A", state=RESOLVED)) == [["-A"]]


def test_a_route_takes_what_it_wants() -> None:
    grouping = Grouping(Route(group_wait=0.0, minimum_severity=Severity.CRITICAL, where={"http_route": "=~/api/.*"}))
    wanted = alert("A", http_route="/api/x")
    others = [alert("B", http_route="/api/x", severity=Severity.WARNING), alert("C", http_route="/")]
    assert told(grouping, 0.0, wanted, *others) == [["A"]]


def test_what_is_over_is_repeated_where_alertmanager_wants_it() -> None:
    grouping = Grouping(
        Route(group_by=(), group_wait=0.0, group_interval=0.0, repeat_interval=60.0, repeat_resolved=True)
    )
    assert told(grouping, 0.0, alert("A")) == [["A"]]
    assert told(grouping, 60.0, alert("A")) == [["A"]]
    assert told(grouping, 70.0, alert("A", state=RESOLVED)) == [["-A"]]
    assert told(grouping, 129.0, alert("A", state=RESOLVED)) == []
    assert told(grouping, 130.0, alert("A", state=RESOLVED)) == [["-A"]]


def test_only_what_was_delivered_counts_for_the_next_leader() -> None:
    first, second = (Grouping(Route(group_by=None, group_wait=0.0)) for _ in range(2))
    messages = first.flush([alert("A"), alert("B")], 0.0)
    first.confirm(messages[0].key, messages[0].alerts, 0.0)
    second.load(first.dump())
    assert told(second, 10.0, alert("A"), alert("B")) == [["B"]]


def test_a_silence_mutes_by_labels_and_time() -> None:
    silences = Silences()
    silence = silences.new(
        {"severity": "critical"}, now=100.0, duration=50.0, starts_at=110.0, author="ann", comment="maintenance"
    )
    silences.put(silence)
    muted = {now: silences.apply([alert("A")], now)[0].is_silenced for now in (109.0, 110.0, 159.0, 160.0)}
    assert muted == {109.0: False, 110.0: True, 159.0: True, 160.0: False}
    assert not silences.apply([alert("A", severity=Severity.WARNING)], 120.0)[0].is_silenced


def test_of_two_versions_of_a_silence_the_newer_one_wins_in_any_order() -> None:
    old = Silences().new({"alertname": "A"}, now=1.0, duration=50.0, starts_at=1.0, author="", comment="")
    new = msgspec.structs.replace(old, ends_at=5.0, updated_at=2.0)
    for order in ((old, new), (new, old), (old, new, old)):
        silences = Silences()
        for each in order:
            silences.put(each)
        assert silences.all() == [new]


@pytest.mark.parametrize(("where", "duration"), [({}, 60.0), ({"a": "b"}, 0.0), ({"a": "b"}, 1e9), ({"a": "=~("}, 1.0)])
def test_a_silence_that_cannot_be_meant_is_refused(where: dict[str, str], duration: float) -> None:
    with pytest.raises(AlertError):
        Silences().new(where, now=0.0, duration=duration, starts_at=0.0, author="", comment="")


def test_silences_are_bounded_and_forgotten() -> None:
    silences = Silences()
    for number in range(600):
        silences.put(
            silences.new({"a": "b"}, now=float(number), duration=60.0, starts_at=float(number), author="", comment="")
        )
    assert len(silences.all()) == 500
    silences.expire(1_000_000.0)
    assert silences.all() == []


def test_an_acknowledgement_means_one_firing() -> None:
    silences = Silences()
    one = alert("A")
    silences.acknowledge(Acknowledgement(fingerprint=one.fingerprint, started_at=one.started_at or 0.0, updated_at=1.0))
    again = msgspec.structs.replace(one, started_at=1_700_000_900.0)
    assert [each.acknowledged_by for each in silences.apply([one, again], 0.0)] == ["somebody", ""]


def test_a_critical_alert_mutes_the_warning_about_the_same() -> None:
    critical = alert("Severe", check="errors")
    warning = alert("Mild", severity=Severity.WARNING, check="errors")
    other = alert("Other", severity=Severity.WARNING, check="latency")
    without = alert("Without", severity=Severity.WARNING)
    marked = inhibit([critical, warning, other, without], DEFAULT, {})
    assert [each.inhibited_by for each in marked] == ["", "Severe", "", ""]


def test_nothing_is_muted_by_what_is_over() -> None:
    over = alert("Severe", state=RESOLVED, check="errors")
    warning = alert("Mild", severity=Severity.WARNING, check="errors")
    assert [each.inhibited_by for each in inhibit([over, warning], DEFAULT, {})] == ["", ""]


def test_an_alert_never_mutes_itself_and_two_never_each_other() -> None:
    everything = Inhibition(source={"service": "shop"}, target={"service": "shop"}, equal=("service",))
    assert [each.inhibited_by for each in inhibit([alert("A"), alert("B")], [everything], {})] == ["", ""]


def test_what_depends_on_something_that_fires_is_muted() -> None:
    marked = inhibit([alert("Database"), alert("Slow")], (), {"Slow": ("Database",)})
    assert [each.inhibited_by for each in marked] == ["", "Database"]
