"""Instrumentation: an exchange begun is recorded once, under the labels its key was learned with."""

from __future__ import annotations

import sys
import threading
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.families import Histogram
from perfkit.core.names import REQUEST_DURATION, WEBSOCKET_DURATION, WEBSOCKETS
from perfkit.core.spans import OPEN, Span, add_span, current_spans
from perfkit.http import instrumentation as module
from perfkit.http.instrumentation import Instrumentation
from perfkit.store.boundaries import FINE
from perfkit.system import PerformanceSystem

pytestmark = pytest.mark.usefixtures("spans_expected")

Labels = tuple[str, ...]


@pytest.fixture
def instrumentation(system: PerformanceSystem) -> Instrumentation:
    return Instrumentation(system)


def histograms(system: PerformanceSystem) -> dict[Labels, Histogram]:
    return {
        point.labels: point.value
        for family in system.store.families({REQUEST_DURATION.name}, detailed=True)
        for point in family.points
        if isinstance(point.value, Histogram)
    }


def counts(system: PerformanceSystem) -> dict[Labels, float]:
    return {labels: value.count for labels, value in histograms(system).items() if value.count}


def learn(instrumentation: Instrumentation, key: Any = "key", **changes: Any) -> Any:
    given = {"method": "GET", "route": "/", "status": 200, "scheme": "http", **changes}
    return instrumentation.learn(key, **given)


def test_nothing_starts_before_the_first_exchange(instrumentation: Instrumentation) -> None:
    learn(instrumentation)
    assert not instrumentation.system.is_running
    instrumentation.begin()
    assert instrumentation.system.is_running


def test_an_exchange_is_in_flight_until_it_is_recorded(
    instrumentation: Instrumentation, system: PerformanceSystem
) -> None:
    learn(instrumentation)
    spans = instrumentation.begin()
    assert system.store.in_flight() == 1
    assert instrumentation.record("key", perf_counter(), spans)
    assert system.store.in_flight() == 0
    assert counts(system) == {("GET", "/", "200", "http", ""): 1.0}


def test_a_key_that_was_never_learned_records_nothing(
    instrumentation: Instrumentation, system: PerformanceSystem
) -> None:
    spans = instrumentation.begin()
    assert not instrumentation.record("unheard", perf_counter(), spans)
    assert system.store.in_flight() == 1
    assert counts(system) == {}
    assert current_spans() == ()


def test_an_abandoned_exchange_is_not_in_flight_and_leaves_no_series(
    instrumentation: Instrumentation, system: PerformanceSystem
) -> None:
    instrumentation.abandon(instrumentation.begin())
    assert system.store.in_flight() == 0
    assert counts(system) == {}
    assert current_spans() is None


def test_spans_belong_to_the_exchange_until_it_is_recorded(instrumentation: Instrumentation) -> None:
    learn(instrumentation)
    spans = instrumentation.begin()
    assert add_span(Span("sql", "SELECT", 0.0, 0.001))
    instrumentation.record("key", perf_counter(), spans)
    assert not add_span(Span("sql", "SELECT", 0.0, 0.001))
    assert len(spans) == 2


@given(ago=st.floats(0.0, 3600.0))
def test_the_duration_falls_into_its_bucket(ago: float) -> None:
    system = PerformanceSystem(environment="testing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "perf_counter", lambda: 10_000.0 + ago)
        instrumentation = Instrumentation(system)
        with system:
            learn(instrumentation)
            assert instrumentation.record("key", 10_000.0, instrumentation.begin())
            (histogram,) = histograms(system).values()
    bucket = list(histogram.counts).index(1.0)
    took = 10_000.0 + ago - 10_000.0
    assert histogram.sum == took
    assert bucket == len(FINE) or took <= FINE[bucket]
    assert bucket == 0 or took > FINE[bucket - 1]


@pytest.mark.parametrize(
    ("given_labels", "expected"),
    [
        ({}, ("GET", "/", "200", "http", "")),
        ({"route": ""}, ("GET", "", "200", "http", "")),
        ({"method": "FOO"}, ("_OTHER", "/", "200", "http", "")),
        ({"method": "get"}, ("_OTHER", "/", "200", "http", "")),
        ({"method": "QUERY"}, ("QUERY", "/", "200", "http", "")),
        ({"scheme": "https"}, ("GET", "/", "200", "https", "")),
        ({"scheme": "gopher"}, ("GET", "/", "200", "_other", "")),
        ({"status": 404}, ("GET", "/", "404", "http", "")),
        ({"status": 503}, ("GET", "/", "503", "http", "503")),
        ({"status": 500, "error": "ValueError"}, ("GET", "/", "500", "http", "ValueError")),
        ({"status": 0, "error": "cancelled"}, ("GET", "/", "", "http", "cancelled")),
    ],
)
def test_labels_are_bounded_and_say_what_failed(
    given_labels: dict[str, Any], expected: Labels, instrumentation: Instrumentation, system: PerformanceSystem
) -> None:
    key = learn(instrumentation, **given_labels)
    instrumentation.record(key, perf_counter(), instrumentation.begin())
    assert counts(system) == {expected: 1.0}


@pytest.mark.parametrize("changes", [{"cache": False}, {"method": "FOO"}, {"scheme": "gopher"}])
def test_what_does_not_tell_the_labels_alone_is_not_remembered(
    changes: dict[str, Any], instrumentation: Instrumentation
) -> None:
    key = learn(instrumentation, "what a stranger made up", **changes)
    assert key != "what a stranger made up"
    assert not instrumentation.record("what a stranger made up", perf_counter(), instrumentation.begin())
    assert instrumentation.record(key, perf_counter(), instrumentation.begin())


def test_what_a_key_was_built_from_is_held_so_that_no_other_object_gets_its_id(
    instrumentation: Instrumentation,
) -> None:
    class Route:
        pass

    import weakref

    route = Route()
    alive = weakref.ref(route)
    learn(instrumentation, id(route), hold=(route,))
    del route
    assert alive() is not None


def test_a_stranger_cannot_make_memory_grow(
    instrumentation: Instrumentation, system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 50)
    instrumentation.begin()
    for n in range(500):
        hold = object()
        key = learn(instrumentation, (n, id(hold)), route=f"/{n % 7}", hold=(hold,))
        assert instrumentation.record(key, perf_counter(), [OPEN])
        assert len(instrumentation.rows) <= 50
        assert len(instrumentation._held) <= 50
    assert sum(counts(system).values()) == 500


def test_two_instrumentations_of_one_system_count_together(system: PerformanceSystem) -> None:
    for instrumentation in (Instrumentation(system), Instrumentation(system)):
        learn(instrumentation)
        instrumentation.record("key", perf_counter(), instrumentation.begin())
    assert counts(system) == {("GET", "/", "200", "http", ""): 2.0}


def test_a_system_that_was_stopped_is_not_started_by_a_late_exchange(
    instrumentation: Instrumentation, system: PerformanceSystem
) -> None:
    learn(instrumentation)
    system.start()
    system.stop()
    assert instrumentation.record("key", perf_counter(), instrumentation.begin())
    assert not system.is_running


def test_counts_go_on_when_the_system_moves_to_files_and_back(tmp_path: Any) -> None:
    system = PerformanceSystem({"store": {"directory": str(tmp_path)}}, environment="production")
    instrumentation = Instrumentation(system)
    learn(instrumentation)
    instrumentation.record("key", perf_counter(), [OPEN])
    with system:
        assert system.store.is_shared
        for _ in range(5):
            instrumentation.record("key", perf_counter(), instrumentation.begin())
        assert counts(system) == {("GET", "/", "200", "http", ""): 6.0}


def test_threads_lose_no_exchange(instrumentation: Instrumentation, system: PerformanceSystem) -> None:
    keys = [learn(instrumentation, n, route=f"/{n}") for n in range(3)]
    barrier = threading.Barrier(6)
    instrumentation.begin()
    interval = sys.getswitchinterval()

    def work() -> None:
        barrier.wait(90)
        for n in range(2000):
            instrumentation.record(keys[n % 3], perf_counter(), instrumentation.begin())

    threads = [threading.Thread(target=work) for _ in range(6)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
    finally:
        sys.setswitchinterval(interval)
    assert sum(counts(system).values()) == 12_000
    assert system.store.in_flight() == 1


def test_threads_that_come_first_at_once_start_one_system(
    instrumentation: Instrumentation, system: PerformanceSystem
) -> None:
    started: list[object] = []
    system.on("started", started.append)
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait(90)
        instrumentation.begin()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert started == [system]
    assert system.store.in_flight() == 8


def test_where_the_interpreter_has_no_lock_updates_take_one(
    system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IS_LOCKED", True)
    instrumentation = Instrumentation(system)
    learn(instrumentation)
    spans = instrumentation.begin()
    assert add_span(Span("sql", "SELECT", 0.0, 0.001))
    assert system.store.in_flight() == 1
    assert instrumentation.record("key", perf_counter(), spans)
    assert not add_span(Span("sql", "SELECT", 0.0, 0.001))
    assert (system.store.in_flight(), counts(system)) == (0, {("GET", "/", "200", "http", ""): 1.0})


def test_websockets_have_a_gauge_and_a_duration_by_route(
    instrumentation: Instrumentation, system: PerformanceSystem
) -> None:
    for _ in range(2):
        instrumentation.websocket_opened()
    assert system.is_running
    instrumentation.websocket_closed("/rooms/{room}", 2.0)
    (gauge,) = system.store.families({WEBSOCKETS.name})
    assert [point.value for point in gauge.points] == [1.0]
    (durations,) = system.store.families({WEBSOCKET_DURATION.name})
    (point,) = durations.points
    assert isinstance(point.value, Histogram)
    assert (point.labels, point.value.count, point.value.sum) == (("/rooms/{room}",), 1.0, 2.0)


def test_who_has_just_learned_a_key_records_with_it_though_another_thread_has_learned_the_most(
    instrumentation: Instrumentation, system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 20)
    learn(instrumentation, "one more, so that it is the other thread that finds no room", route="/")
    for number in range(40):
        spans, start = instrumentation.begin(), perf_counter()
        key = learn(instrumentation, number, route=f"/{number}")
        learn(instrumentation, -1 - number, route="/of-another-thread")
        assert instrumentation.record(key, start, spans)
        assert len(instrumentation.rows) <= 20
    assert system.store.in_flight() == 0
