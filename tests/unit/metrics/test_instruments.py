"""Instruments: what can be defined, how series are found, and what misuse says."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, StrEnum
from typing import Any

import pytest
from metric_pages import build, shown

from perfkit.core.errors import MetricError
from perfkit.core.names import HTTP_BOUNDARIES
from perfkit.metrics import Counter, Gauge, Histogram, MetricsCollector, Summary, Timer
from perfkit.store import Store, StoreSettings


@pytest.fixture
def metrics() -> MetricsCollector:
    return build()


@pytest.mark.parametrize(
    ("type", "instrument"),
    [("counter", Counter), ("gauge", Gauge), ("histogram", Histogram), ("summary", Summary), ("timer", Timer)],
)
def test_each_type_has_its_instrument(metrics: MetricsCollector, type: str, instrument: type) -> None:
    made = metrics.define_metric("thing", type)
    assert made.__class__ is instrument
    assert (made.name, made.kind, made.label_names) == ("thing", type, None)


def test_a_counter_counts(metrics: MetricsCollector) -> None:
    requests = metrics.define_metric("requests_total", "counter", labels=["endpoint"])
    requests.labels(endpoint="/x").increment()
    requests.labels("/x").increment(2)
    requests.labels("/y").increment(0.5)
    assert shown(metrics, "requests_total") == {"requests_total{endpoint=/x}": 3.0, "requests_total{endpoint=/y}": 0.5}


def test_a_gauge_goes_up_and_down(metrics: MetricsCollector) -> None:
    level = metrics.define_metric("level", "gauge")
    level.set(10)
    level.increment()
    level.decrement(4)
    level.increment(0.5)
    assert shown(metrics, "level") == {"level": 7.5}


def test_a_gauge_that_was_never_set_is_not_shown(metrics: MetricsCollector) -> None:
    metrics.define_metric("level", "gauge", labels=())
    assert shown(metrics, "level") == {}


def test_a_counter_without_labels_is_shown_from_its_definition_on(metrics: MetricsCollector) -> None:
    metrics.define_metric("jobs", "counter", labels=())
    assert shown(metrics, "jobs") == {"jobs_total": 0.0}


def test_a_histogram_counts_in_its_buckets(metrics: MetricsCollector) -> None:
    sizes = metrics.define_metric("size", "histogram", unit="bytes", buckets=[10, 100, float("inf")])
    for value in (5, 10, 11, 1000):
        sizes.record(value)
    assert shown(metrics, "size_bytes") == {
        "size_bytes_bucket{le=10.0}": 2.0,
        "size_bytes_bucket{le=100.0}": 3.0,
        "size_bytes_bucket{le=+Inf}": 4.0,
        "size_bytes_count": 4.0,
        "size_bytes_sum": 1026.0,
    }


def test_a_summary_gives_quantiles_count_and_sum(metrics: MetricsCollector) -> None:
    weights = metrics.define_metric("weight", "summary", labels=["kind"])
    for value in range(1, 101):
        weights.labels(kind="a").record(value)
    series = shown(metrics, "weight")
    assert series["weight_count{kind=a}"] == 100.0
    assert series["weight_sum{kind=a}"] == 5050.0
    for quantile, exact in (("0.5", 50), ("0.9", 90), ("0.95", 95), ("0.99", 99)):
        assert series[f"weight{{kind=a,quantile={quantile}}}"] == pytest.approx(exact, rel=0.06)


def test_a_timer_is_a_histogram_of_seconds_with_fine_buckets_beneath(metrics: MetricsCollector) -> None:
    timer = metrics.define_metric("query", "timer", labels=())
    definition = timer.definition
    assert definition is not None
    assert (definition.name, definition.unit, definition.detailed) == ("query_seconds", "seconds", True)
    timer.record(0.03)
    assert shown(metrics, "query_seconds")["query_seconds_bucket{le=0.05}"] == 1.0


def test_a_bound_series_is_always_the_same_object(metrics: MetricsCollector) -> None:
    requests = metrics.define_metric("requests", "counter", labels=["endpoint", "code"])
    bound = requests.labels("/x", 200)
    assert requests.labels(code=200, endpoint="/x") is bound
    assert requests.labels("/x", "200") is bound
    assert requests.bind({"endpoint": "/x", "code": "200"}) is bound


class Colour(StrEnum):
    RED = "red"


class Shade(str, Enum):  # noqa: UP042 - the older way has another str()
    DARK = "dark"


def test_label_values_are_texts_whatever_they_were(metrics: MetricsCollector) -> None:
    things = metrics.define_metric("things", "counter", labels=["of"])
    for value in (True, 1, "1", 1.0, None, Colour.RED, "red", Shade.DARK, "dark", ["x"]):
        things.labels(value).increment()
    assert shown(metrics, "things") == {
        "things_total{of=True}": 1.0,
        "things_total{of=1}": 2.0,
        "things_total{of=1.0}": 1.0,
        "things_total{of=None}": 1.0,
        "things_total{of=red}": 2.0,
        "things_total{of=dark}": 2.0,
        "things_total{of=['x']}": 1.0,
    }


def test_a_label_may_be_called_self(metrics: MetricsCollector) -> None:
    odd = metrics.define_metric("odd", "counter", labels=["self", "values"])
    odd.labels(self="a", values="b").increment()
    assert shown(metrics, "odd") == {"odd_total{self=a,values=b}": 1.0}


@pytest.mark.parametrize(
    ("name", "type", "unit", "full"),
    [
        ("jobs", "counter", "", "jobs_total"),
        ("jobs_total", "counter", "", "jobs_total"),
        ("sent", "counter", "bytes", "sent_bytes_total"),
        ("sent_bytes_total", "counter", "bytes", "sent_bytes_total"),
        ("wait", "histogram", "s", "wait_seconds"),
        ("wait_seconds", "summary", "seconds", "wait_seconds"),
        ("wait_ms", "histogram", "ms", "wait_ms"),
        ("bytes", "gauge", "By", "bytes"),
        ("share", "gauge", "1", "share_ratio"),
        ("query", "timer", "", "query_seconds"),
        ("query_seconds", "timer", "s", "query_seconds"),
    ],
)
def test_unit_and_total_are_added_where_they_are_missing(
    metrics: MetricsCollector, name: str, type: str, unit: str, full: str
) -> None:
    definition = metrics.define_metric(name, type, unit=unit, labels=()).definition
    assert definition is not None
    assert definition.name == full


@pytest.mark.parametrize(
    ("name", "unit", "first", "last"),
    [
        ("wait", "seconds", 0.005, 10.0),
        ("wait_seconds", "", 0.005, 10.0),
        ("wait_ms", "", 5.0, 10_000.0),
        ("wait", "us", 5_000.0, 10_000_000.0),
        ("size", "bytes", 256.0, 16_777_216.0),
        ("people", "", 0.005, 10_000.0),
    ],
)
def test_buckets_follow_from_the_unit(
    metrics: MetricsCollector, name: str, unit: str, first: float, last: float
) -> None:
    definition = metrics.define_metric(name, "histogram", unit=unit, labels=()).definition
    assert definition is not None
    assert (definition.boundaries[0], definition.boundaries[-1]) == (first, last)
    if first == 0.005 and last == 10.0:
        assert definition.boundaries == HTTP_BOUNDARIES


def test_the_same_definition_again_is_the_same_instrument(metrics: MetricsCollector) -> None:
    first = metrics.define_metric("sent", "counter", "Sent.", labels=["to"], unit="bytes")
    assert metrics.define_metric("sent", "counter", "In other words.", labels=("to",), unit="bytes") is first
    assert metrics.define_metric("sent", "counter", unit="bytes") is first
    assert metrics.define_metric("sent_bytes_total", "counter", unit="By") is first


def test_labels_left_open_are_those_of_the_first_use(metrics: MetricsCollector) -> None:
    requests = metrics.define_metric("requests", "counter")
    requests.labels(method="GET", endpoint="/x").increment()
    assert requests.label_names == ("endpoint", "method")
    assert metrics.define_metric("requests", "counter", labels=["endpoint", "method"]) is requests
    with pytest.raises(MetricError, match="It had"):
        metrics.define_metric("requests", "counter", labels=["endpoint"])


def test_labels_left_open_can_be_told_later(metrics: MetricsCollector) -> None:
    requests = metrics.define_metric("requests", "counter")
    metrics.define_metric("requests", "counter", labels=["endpoint"])
    requests.labels("/x").increment()
    assert shown(metrics, "requests") == {"requests_total{endpoint=/x}": 1.0}


def test_the_first_use_without_labels_means_none(metrics: MetricsCollector) -> None:
    requests = metrics.define_metric("requests", "counter")
    requests.increment(2)
    assert requests.label_names == ()
    with pytest.raises(MetricError, match="defined without labels"):
        requests.labels(endpoint="/x")


Misuse = Callable[[MetricsCollector], object]


def define(*arguments: Any, **named: Any) -> Misuse:
    return lambda metrics: metrics.define_metric(*arguments, **named)


@pytest.mark.parametrize(
    ("misuse", "says"),
    [
        (define("a b", "counter"), "Call it otherwise"),
        (define("", "gauge"), "Call it otherwise"),
        (define("1st", "gauge"), "begins with no digit"),
        (define("a\n", "gauge"), "Call it otherwise"),
        (define("_total", "counter"), "only the end of a name"),
        (define("perfkit_own", "gauge"), "perfkit's own"),
        (define("x", "count"), "Did you mean 'counter'"),
        (define("x", "gauge", mode="avg"), "Known are: sum, max, min, mean, latest, per_worker"),
        (define("x", "counter", mode="max"), "Only gauges have one"),
        (define("x", "gauge", mode="per_worker", labels=["worker"]), "adds this label itself"),
        (define("x", "counter", labels="endpoint"), "must be a list of names"),
        (define("x", "counter", labels=["a", "a"]), "must differ"),
        (define("x", "counter", labels=[f"l{n}" for n in range(33)]), "at most 32"),
        (define("x", "counter", labels=["__a"]), "not with '__'"),
        (define("x", "counter", labels=["a-b"]), "letters, digits and '_'"),
        (define("x", "histogram", labels=["le"]), "'le' of a histogram"),
        (define("x", "timer", labels=["le"]), "'le' of a histogram"),
        (define("x", "summary", labels=["quantile"]), "'quantile' of a summary"),
        (define("x", "timer", unit="ms"), "Timers count seconds"),
        (define("x", "gauge", unit="per cent"), "must be a word"),
        (define("x", "gauge", buckets=[1]), "Only histograms and timers"),
        (define("x", "histogram", buckets=[]), "one or more finite numbers"),
        (define("x", "histogram", buckets=[2, 1]), "Sort them"),
        (define("x", "histogram", buckets=[1, 1]), "remove doubles"),
        (define("x", "histogram", buckets=[float("nan")]), "finite numbers"),
        (define("x", "histogram", buckets=["a"]), "must be numbers"),
        (define("x", "histogram", buckets=range(2000)), "At most"),
        (define("x", "counter", max_series=0), "At least 1"),
        (define("x", "counter", callback=int), "Only gauges are sampled"),
        (define("x", "summary", exemplars=True), "Only counters and histograms"),
        (lambda metrics: metrics.define_metric("x", "counter").increment(-1), "never goes down"),
        (lambda metrics: metrics.define_metric("x", "counter").increment(float("nan")), "never goes down"),
        (lambda metrics: metrics.define_metric("x", "counter", labels=["a"]).increment(), r"labels\(a=…\)"),
        (lambda metrics: metrics.define_metric("x", "counter", labels=["a"]).labels(b=1), "Its labels are 'a'"),
        (lambda metrics: metrics.define_metric("x", "counter", labels=["a"]).labels(a=1, b=1), "Its labels are 'a'"),
        (lambda metrics: metrics.define_metric("x", "counter", labels=["a"]).labels("1", a=1), "Its labels are 'a'"),
        (lambda metrics: metrics.define_metric("x", "counter", labels=["a"]).labels("1", "2"), "Its labels are 'a'"),
        (lambda metrics: metrics.define_metric("x", "counter", labels=["a"]).labels(), "no labels"),
        (lambda metrics: metrics.define_metric("x", "counter", labels=[]).labels("1"), "without labels"),
        (lambda metrics: metrics.define_metric("x", "counter").labels("1"), "not known yet"),
        (lambda metrics: metrics.define_metric("x", "histogram").labels(le="1"), "'le' of a histogram"),
        (lambda metrics: metrics.define_metric("x", "timer", labels=["a"]).time(), "Its labels are 'a'"),
    ],
)
def test_misuse_is_a_metric_error_that_says_what_to_do(metrics: MetricsCollector, misuse: Misuse, says: str) -> None:
    with pytest.raises(MetricError, match=says) as caught:
        misuse(metrics)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).count(". ") >= 2


@pytest.mark.parametrize(
    ("again", "says"),
    [
        (define("x", "gauge"), "type 'gauge'"),
        (define("x", "timer"), "type 'timer'"),
        (define("x", "histogram", unit="bytes"), "full name 'x_bytes'"),
        (define("x", "histogram", buckets=[1, 3]), "buckets"),
        (define("x", "histogram", buckets=[1, 2], labels=["b"]), r"labels \['b'\]"),
    ],
)
def test_another_definition_of_a_name_is_an_error(metrics: MetricsCollector, again: Misuse, says: str) -> None:
    metrics.define_metric("x", "histogram", buckets=[1, 2], labels=["a"])
    with pytest.raises(MetricError, match=says):
        again(metrics)


def test_a_name_that_another_metric_uses_for_a_series_is_refused(metrics: MetricsCollector) -> None:
    metrics.define_metric("wait", "summary")
    with pytest.raises(MetricError, match="'wait_count'"):
        metrics.define_metric("wait_count", "gauge")


def test_utf8_names_are_for_those_who_ask() -> None:
    with pytest.raises(MetricError, match=r"metrics\.allow_utf8_names"):
        build().define_metric("größe.x", "gauge")
    metrics = build(allow_utf8_names=True)
    metrics.define_metric("größe.x", "gauge").set(1)
    assert "gr__e_x 1.0" in metrics.export_metrics()
    assert '{"größe.x"} 1.0' in metrics.export_metrics(escaping="allow-utf-8")
    with pytest.raises(MetricError):
        metrics.define_metric("\ud800", "gauge")


def test_series_beyond_the_limit_share_one() -> None:
    metrics = build()
    users = metrics.define_metric("seen", "counter", labels=["user"], max_series=3)
    for n in range(10):
        users.labels(user=n).increment()
    users.labels(user=1).increment()
    assert shown(metrics, "seen") == {
        "seen_total{user=_other}": 7.0,
        "seen_total{user=0}": 1.0,
        "seen_total{user=1}": 2.0,
        "seen_total{user=2}": 1.0,
    }


def test_the_store_limits_metrics_that_say_nothing() -> None:
    metrics = build(Store(StoreSettings(max_series_per_family=2)))
    users = metrics.define_metric("seen", "counter", labels=["user"])
    wider = metrics.define_metric("wider", "counter", labels=["user"], max_series=4)
    for n in range(10):
        users.labels(user=n).increment()
        wider.labels(user=n).increment()
    assert len(shown(metrics, "seen")) == 2 + 1
    assert len(shown(metrics, "wider")) == 4 + 1


@pytest.mark.parametrize(("type", "most"), [("counter", 2000), ("timer", 600), ("summary", 110)])
def test_one_metric_cannot_take_the_whole_store(metrics: MetricsCollector, type: str, most: int) -> None:
    definition = metrics.define_metric("x", type, labels=["a"]).definition
    assert definition is not None
    assert most * 0.8 < definition.max_series <= most


def test_strangers_values_are_not_remembered(metrics: MetricsCollector) -> None:
    users = metrics.define_metric("seen", "counter", labels=["user"], max_series=2)
    for n in range(5000):
        users.labels(user=n).increment()
        users.labels(user="x" * 1025 + str(n)).increment()
    assert len(users._children) <= 4
    assert len(users._passing) <= 256
    metrics.tick(1.0)
    assert not users._passing
    users.labels(user=4711).increment()
    assert sum(shown(metrics, "seen").values()) == 10_001.0


def test_updates_reach_the_shared_file_when_the_store_opens(tmp_path: Any) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)))
    metrics = build(store)
    jobs = metrics.define_metric("jobs", "counter")
    bound = metrics.define_metric("hits", "counter", labels=["page"]).labels("a")
    jobs.increment()
    bound.increment()
    store.open()
    jobs.increment()
    bound.increment()
    assert shown(metrics, "jobs") == {"jobs_total": 2.0}
    store.close()
    store.open()
    bound.increment()
    assert shown(metrics, "hits") == {"hits_total{page=a}": 3.0}
    store.close()
