"""What findings would save: told by the requests that were kept, else by the component, and it says which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from perfkit.advice import Load, rank
from perfkit.advice.foresight import COUNTED, Foresight
from perfkit.advice.gains import gains_told
from perfkit.core.context import Context
from perfkit.core.findings import Effect, Finding, Priority
from perfkit.core.names import REQUEST_DURATION
from perfkit.core.spans import SEALED, VARIANT
from perfkit.recorder import FlightRecorder, RecorderSettings
from perfkit.store import Store
from perfkit.store.layout import FINISHED
from perfkit.testing import FakeClock
from tests.unit.advice.reports import a_finding, an_n_plus_one

REVIEWS = Effect(kind="sql", variant="r1", site="shop/views.py:48", stays=1)


class Service:
    """A store, a recorder that keeps every request, and what is foretold from it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = Store(clock=self.clock)
        self.context = Context(store=self.store, clock=self.clock, thresholds={"response_time": 1.0})
        settings = RecorderSettings(sample=1, window=1.0)
        self.recorder = FlightRecorder(settings=settings, context=self.context)
        self.recorder.start()
        self.foresight = Foresight(self.context, lambda: self.recorder)

    def serve(self, route: str, count: int, *spans: tuple[Any, ...], rest: float = 0.02) -> None:
        """Serve *count* requests of *spans* one after another, one a second, and *rest* seconds without any."""
        row = self.store.row(REQUEST_DURATION, ("GET", route, "200", "http", ""))
        self.recorder.watch(row)
        for _ in range(count):
            seconds = sum(span[3] for span in spans) + rest
            self.store.observe(row, seconds)
            self.store.values[FINISHED] += 1.0
            self.recorder.keep(row, seconds, [SEALED, *spans], began=0.0)
            self.clock.advance(1.0)
            self.recorder.tick(self.clock.now)


def queries(variant: str, count: int, each: float, *, start: float = 0.0, site: str = "") -> list[tuple[Any, ...]]:
    name, attributes = "SELECT review", ((VARIANT, variant),)
    return [("sql", name, start + at * each, each, site, "", attributes) for at in range(count)]


def the_n_plus_one(**changes: Any) -> Finding:
    return an_n_plus_one(requests=30, seconds=9.0, effect=REVIEWS, route="GET /products", **changes)


def test_the_requests_that_were_kept_go_before_what_a_component_counted() -> None:
    service = Service()
    service.serve("/products", 30, *queries("r1", 10, 0.01, site="shop/views.py:48"), rest=0.02)
    (told,) = service.foresight.told([the_n_plus_one()])
    assert told.estimate["seconds_saved"] == pytest.approx(0.09, rel=0.02)
    assert told.estimate["seconds_saved_per_minute"] == pytest.approx(60 * 0.09, rel=0.1)
    assert told.estimate["p95_from"] == pytest.approx(0.12, rel=0.07)
    assert told.estimate["p95_to"] == pytest.approx(0.03, rel=0.07)
    assert told.estimate["request_time_share"] == pytest.approx(0.75, rel=0.02)
    assert told.basis.startswith("the times of 30 requests; how each would change is known of ")
    percentiles, saved = gains_told(told)
    assert percentiles == "p95 of GET /products 119 ms → 29.7 ms"
    assert saved == "saves about 5.40 s a minute, 75 % of all request time"


def test_without_a_kept_request_the_components_estimate_stays_and_says_so() -> None:
    service = Service()
    service.serve("/products", 30, *queries("other", 10, 0.01))
    (told,) = service.foresight.told([the_n_plus_one()])
    assert told.estimate == the_n_plus_one().estimate
    assert told.basis == COUNTED
    silent = Foresight(service.context, lambda: None)
    assert silent.told([the_n_plus_one()]) == [told]
    plain = a_finding()
    assert silent.told([plain]) == [plain]


def test_a_finding_counts_on_all_routes_on_which_its_spans_were_kept_and_names_the_one_that_gains_most() -> None:
    service = Service()
    service.serve("/products", 20, *queries("r1", 10, 0.01, site="shop/views.py:48"), rest=0.1)
    service.serve("/home", 20, *queries("r1", 10, 0.02, site="shop/views.py:48"), rest=0.1)
    service.serve("/about", 20, rest=0.3)
    finding = msgspec.structs.replace(the_n_plus_one(), route=None)
    (told,) = service.foresight.told([finding])
    assert told.route == "GET /home"
    assert told.estimate["request_time_share"] == pytest.approx((0.09 + 0.18) / (0.2 + 0.3 + 0.3), rel=0.05)


def test_what_runs_beside_something_longer_is_worth_nothing_however_long_it_takes() -> None:
    service = Service()
    slow = queries("r1", 1, 0.3, site="shop/views.py:48")
    beside = ("outbound", "GET stock", 0.0, 0.4, "", "", ())
    row = service.store.row(REQUEST_DURATION, ("GET", "/products", "200", "http", ""))
    service.recorder.watch(row)
    for _ in range(60):
        service.store.observe(row, 0.42)
        service.store.values[FINISHED] += 1.0
        service.recorder.keep(row, 0.42, [SEALED, *slow, beside], began=0.0)
        service.clock.advance(1.0)
        service.recorder.tick(service.clock.now)
    alone = an_n_plus_one(requests=60, seconds=0.3, effect=Effect(kind="sql", variant="r1"))
    (told,) = service.foresight.told([alone])
    assert told.estimate["request_time_share"] == pytest.approx(0.0, abs=1e-6)
    (first,) = rank([told], Load(requests=60, seconds=25.0))
    assert first.estimate["request_time_share"] == pytest.approx(0.0, abs=1e-6)
    (counted,) = rank([alone], Load(requests=60, seconds=25.0))
    assert counted.estimate["request_time_share"] > 0.7


def test_ranking_is_by_the_time_that_is_foretold() -> None:
    service = Service()
    service.serve(
        "/products",
        60,
        *queries("r1", 10, 0.005, site="shop/views.py:48"),
        *queries("r2", 10, 0.02, start=0.05, site="shop/views.py:52"),
    )
    few = the_n_plus_one()
    much = an_n_plus_one(
        "n2", requests=60, seconds=0.001, effect=Effect(kind="sql", variant="r2", site="shop/views.py:52", stays=1)
    )
    ordered = rank(service.foresight.told([few, much]), Load(requests=60, seconds=60 * 0.27))
    assert [each.fingerprint for each in ordered] == ["n2", "n1"]
    assert [each.fingerprint for each in rank([few, much], Load(requests=60, seconds=60 * 0.27))] == ["n1", "n2"]


def test_a_cache_for_a_route_is_foretold_from_all_its_requests() -> None:
    service = Service()
    service.serve("/items", 60, rest=0.1)
    finding = a_finding("PK308", route="GET /items", effect=Effect(hit_ratio=0.9), kind="cacheable_route")
    (told,) = service.foresight.told([finding])
    assert told.estimate["seconds_saved"] == pytest.approx(0.09, rel=0.02)
    assert told.basis == "the histogram of 60 requests, any of which may be a hit"


def test_what_is_told_for_another_reason_than_time_stays_however_little_it_saves() -> None:
    failing = a_finding("PK503", Priority.HIGH, estimate={"request_time_share": 0.0, "seconds_saved": 0.0})
    assert rank([failing], Load(requests=1000, seconds=100.0)) == [failing]


def test_what_is_known_is_not_looked_at_again_for_each_page(monkeypatch: pytest.MonkeyPatch) -> None:
    service, looks = Service(), []
    service.serve("/products", 30, *queries("r1", 10, 0.01, site="shop/views.py:48"))
    read = service.recorder.prospects

    def prospects(*routes: str) -> Any:
        looks.append(routes)
        return read(*routes)

    later: list[tuple[Callable[..., None], Sequence[Any]]] = []
    monkeypatch.setattr(service.recorder, "prospects", prospects)
    monkeypatch.setattr("perfkit.core.shells.defer", lambda function, *given: later.append((function, given)))
    first = service.foresight.told([the_n_plus_one()])
    assert service.foresight.told([the_n_plus_one()]) == first
    assert (len(looks), later) == (1, [])
    service.clock.advance(60.0)
    assert service.foresight.told([the_n_plus_one()]) == first
    assert service.foresight.told([the_n_plus_one()]) == first
    assert (len(looks), len(later)) == (1, 1)
    function, given = later[0]
    function(*given)
    assert len(looks) == 2


def test_what_cannot_be_foretold_does_not_silence_the_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    service.serve("/products", 3, *queries("r1", 10, 0.01))

    def broken(*routes: str) -> Any:
        raise RuntimeError("the ring cannot be read")

    monkeypatch.setattr(service.recorder, "prospects", broken)
    (told,) = service.foresight.told([the_n_plus_one()])
    assert (told.message, told.basis) == (the_n_plus_one().message, COUNTED)


def test_a_thousand_spans_in_each_of_many_requests_are_bounded_work() -> None:
    service = Service()
    service.serve("/products", 40, *queries("r1", 900, 0.0005, site="shop/views.py:48"))
    prospects = service.recorder.prospects("GET /products")["GET /products"]
    assert prospects.size <= 6_000 + 20 * 400
    estimate = prospects.with_effect(REVIEWS)
    assert estimate is not None
    assert estimate.p95_after < 0.1 * estimate.p95


def test_a_file_name_that_is_no_text_can_be_told_with_what_its_fix_does() -> None:
    odd = "shop/\udc80views.py:48"
    finding = a_finding("odd", site=odd, effect=Effect(kind="sql", variant="r1", site=odd), evidence={"of": object()})
    (told,) = rank([finding])
    assert told.effect == Effect(kind="sql", variant="r1", site="shop/?views.py:48")
    msgspec.json.encode(told)
