"""The life of a problem: open, fixed with proof, returned; and what is not enough to call it fixed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.advice.ledger.counts import SERVICE, Counts, Figures, counts_of, figures
from perfkit.advice.ledger.ledger import MOST, REMEMBERED, Ledger
from perfkit.advice.ledger.record import Record, fixed_of, proof
from perfkit.core.families import Histogram, Point
from perfkit.core.findings import Finding, Priority, State
from perfkit.core.names import REQUEST_DURATION
from perfkit.store.series.rows import bounds_of

ROUTE = "GET /products"
BOUNDS = bounds_of(REQUEST_DURATION)


def finding(name: str = "n1", *, seen: int | None = 1, route: str | None = ROUTE) -> Finding:
    return Finding(
        code="PK101",
        kind="n_plus_one",
        component="database",
        priority=Priority.HIGH,
        message="54 queries in one request load Review one by one.",
        action="Load them with the products.",
        route=route,
        evidence={"count": 54},
        fingerprint=name,
        seen=seen,
    )


class Shop:
    """A service whose requests are made up, and its ledger."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.ledger = Ledger()
        self.points: dict[str, list[float]] = {}
        self.seconds: dict[str, float] = {}
        self.queries: dict[str, float] = {}
        self.met = 0

    def serve(
        self, count: int, *, seconds: float = 0.05, route: str = ROUTE, queries: int = 1, meets: bool = False
    ) -> None:
        counts = self.points.setdefault(route, [0.0] * (len(BOUNDS) + 1))
        counts[next((at for at, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))] += count
        self.seconds[route] = self.seconds.get(route, 0.0) + count * seconds
        self.queries[route] = self.queries.get(route, 0.0) + count * queries
        self.met += count if meets else 0

    def look(self, *findings: Finding, after: float = 2.0, release: str = "", known: bool = True) -> bool:
        self.now += after
        points = [
            Point((*route.split(" "), "200", "http", ""), Histogram(BOUNDS, counts, self.seconds[route]))
            for route, counts in self.points.items()
        ]
        counts = counts_of(points, self.queries)
        told = {each.fingerprint: each for each in findings}
        return self.ledger.observe(told, counts, self.now, release=release, is_known=lambda _: known)

    def look_again(self, **named: object) -> bool:
        return self.look(finding(seen=self.met), **named)  # type: ignore[arg-type]  # handed on

    def record(self, name: str = "n1") -> Record:
        return self.ledger.records[name]


def ill_shop() -> Shop:
    """A shop that met a problem in each of 200 requests: 216 queries, 488 ms."""
    shop = Shop()
    shop.serve(500, seconds=0.01, route="GET /about", queries=0)
    shop.look()
    for _ in range(10):
        shop.serve(20, seconds=0.48, queries=216, meets=True)
        shop.look_again(release="2.8.0")
    shop.look_again(release="2.8.0")
    return shop


def test_a_problem_is_open_from_when_it_is_first_told() -> None:
    shop = Shop()
    shop.serve(10, meets=True)
    assert shop.look_again()
    record = shop.record()
    assert (record.state, record.first_seen, record.last_seen, record.seen) == (State.OPEN, 1_002.0, 1_002.0, 10)
    assert record.finding.evidence == {}
    shop.serve(5, meets=True)
    assert not shop.look_again()
    assert (shop.record().first_seen, shop.record().last_seen) == (1_002.0, 1_004.0)


def test_a_fix_is_proved_by_what_the_route_was_like_before_and_since() -> None:
    shop = ill_shop()
    assert not shop.look_again(after=2.0)
    shop.serve(120, seconds=0.066, queries=3)
    assert shop.look_again(after=20.0, release="2.8.1")
    record = shop.record()
    assert (record.state, record.release, record.fixed_in) == (State.FIXED, "2.8.0", "2.8.1")
    assert record.before is not None
    assert record.after is not None
    # Of the last twenty nobody knows whether they came before or after it was mended: they do not count.
    assert (record.before.requests, record.before.queries) == (180, 216.0)
    assert (record.after.requests, record.after.queries) == (120, 3.0)
    assert record.before.p95 == pytest.approx(0.48, rel=0.07)
    assert record.after.p95 == pytest.approx(0.066, rel=0.07)
    assert record.before.share == pytest.approx(96.0 / 96.0)
    told = proof(record.before, record.after)
    assert told.startswith("216 → 3 queries, p95 4")
    assert "→ 6" in told


def test_what_is_measured_before_begins_where_the_problem_began() -> None:
    """A bad release after a day of good numbers: the good ones are not its own."""
    shop = Shop()
    shop.serve(10_000, seconds=0.02, queries=3)
    shop.look()
    shop.serve(50, seconds=0.48, queries=216, meets=True)
    shop.look_again()
    shop.look_again()
    shop.serve(120, seconds=0.02, queries=3)
    shop.look_again(after=20.0)
    before = shop.record().before
    assert before is not None
    assert (before.requests, before.queries) == (50, 216.0)


@pytest.mark.parametrize(
    ("requests", "after"), [(99, 3_600.0), (120, 10.0), (0, 3_600.0)], ids=["few requests", "too soon", "nobody came"]
)
def test_it_is_not_fixed_while_there_were_too_few_requests_or_too_little_time(requests: int, after: float) -> None:
    shop = ill_shop()
    shop.serve(requests)
    assert not shop.look_again(after=after)
    assert shop.record().state is State.OPEN


def test_requests_of_other_routes_prove_nothing() -> None:
    shop = ill_shop()
    shop.serve(100_000, route="GET /about")
    shop.look_again(after=60.0)
    assert shop.record().state is State.OPEN


def test_what_is_seldom_met_needs_more_requests_to_be_gone() -> None:
    shop = Shop()
    shop.look()
    for _ in range(10):
        shop.serve(99)
        shop.serve(1, meets=True)
        shop.look_again()
    shop.look_again()
    shop.serve(690)
    shop.look_again(after=60.0)
    assert shop.record().state is State.OPEN
    shop.serve(20)
    shop.look_again(after=60.0)
    assert shop.record().state is State.FIXED


def test_what_was_mended_between_two_looks_does_not_mix_before_and_since() -> None:
    shop = ill_shop()
    shop.serve(5, seconds=0.48, queries=216, meets=True)
    shop.serve(500, seconds=0.066, queries=3)
    shop.look_again()
    shop.serve(7, seconds=0.48, queries=216)  # of a worker that told later
    shop.look_again()
    shop.serve(120, seconds=0.066, queries=3)
    shop.look_again(after=20.0)
    before, after = shop.record().before, shop.record().after
    assert before is not None
    assert after is not None
    assert (before.requests, before.queries, after.requests, after.queries) == (200, 216.0, 120, 3.0)


def test_a_problem_told_before_its_request_has_ended_has_figures_too() -> None:
    shop = Shop()
    shop.serve(30, seconds=0.3)
    shop.look()
    shop.met = 20
    shop.look_again()
    shop.look_again()
    shop.serve(250, seconds=0.01)
    shop.look_again(after=20.0)
    before = shop.record().before
    assert before is not None
    assert (before.requests, before.p95) == (30, pytest.approx(0.3, rel=0.07))


@pytest.mark.parametrize(("met", "apart"), [(1, 0.0), (2, 60.0), (19, 2.0)], ids=["once", "twice", "for a moment"])
def test_what_was_met_too_seldom_to_be_a_problem_is_gone_and_no_fix(met: int, apart: float) -> None:
    """An import that blocks the loop once, while the first requests come."""
    shop = Shop()
    shop.look()
    shop.serve(1, seconds=0.4, meets=True)
    shop.look_again()
    shop.serve(met - 1, seconds=0.4, meets=True)
    shop.look_again(after=apart)
    shop.look_again()
    shop.serve(500 * met, seconds=0.01)
    assert shop.look_again(after=20.0)
    record = shop.record()
    assert (record.state, record.before, record.after) == (State.GONE, None, None)
    assert not shop.look_again(after=600.0)


def test_what_was_gone_and_is_met_again_is_open_and_its_meetings_add_up() -> None:
    shop = Shop()
    shop.look()
    for _ in range(4):
        shop.serve(1, seconds=0.4, meets=True)
        shop.look_again()
        assert shop.record().state is State.OPEN
        shop.look_again()
        shop.serve(2_000, seconds=0.01)
        shop.look_again(after=20.0)
    record = shop.record()
    assert record.state is not State.GONE
    shop.serve(20_000, seconds=0.01)
    shop.look_again(after=20.0)
    assert shop.record().state is State.FIXED
    assert shop.record().first_seen < 1_010.0


def test_what_comes_back_has_returned_and_is_measured_anew() -> None:
    shop = ill_shop()
    shop.serve(120, seconds=0.066, queries=3)
    shop.look_again(after=20.0, release="2.8.1")
    fixed_at = shop.record().changed_at
    shop.serve(50, seconds=0.9, queries=400, meets=True)
    assert shop.look_again(release="2.8.2")
    record = shop.record()
    shop.look_again()
    assert (record.state, record.before, record.after, record.fixed_in) == (State.RETURNED, None, None, "")
    assert record.changed_at > fixed_at
    shop.serve(120, seconds=0.066, queries=3)
    shop.look_again(after=20.0, release="2.8.3")
    record = shop.record()
    assert record.state is State.FIXED
    assert record.before is not None
    assert (record.before.requests, record.before.queries) == (50, 400.0)


def test_a_state_lasts_while_it_is_told() -> None:
    shop = Shop()
    shop.serve(50)
    state = finding("index", seen=None)
    shop.look(state)
    shop.serve(1_000)
    shop.look(state, after=600.0)
    assert shop.record("index").state is State.OPEN
    shop.look()
    shop.serve(99)
    shop.look(after=60.0)
    assert shop.record("index").state is State.OPEN
    shop.serve(1)
    shop.look(after=2.0)
    assert shop.record("index").state is State.FIXED


def test_a_component_that_cannot_be_asked_has_not_mended_anything() -> None:
    shop = Shop()
    shop.look(finding("index", seen=None))
    shop.serve(1_000)
    shop.look(after=600.0, known=False)
    assert shop.record("index").state is State.OPEN


def test_the_figures_after_a_fix_are_refined_by_more_requests() -> None:
    shop = ill_shop()
    shop.serve(100, seconds=0.066, queries=3)
    shop.look_again(after=20.0)
    shop.serve(400, seconds=0.066, queries=3)
    shop.look_again()
    after = shop.record().after
    assert after is not None
    assert after.requests == 500


def test_after_a_restart_it_goes_on_where_it_was() -> None:
    shop = ill_shop()
    before = list(shop.ledger.records.values())
    shop.ledger = Ledger()
    shop.ledger.load(before, shop.now)
    shop.serve(120, seconds=0.066, queries=3)
    shop.look_again(after=5.0)
    assert shop.record().state is State.OPEN, "right after a start nobody may have told yet what they met"
    shop.look_again(after=20.0, release="2.8.1")
    record = shop.record()
    assert record.state is State.FIXED
    assert record.before is not None
    assert record.before.requests == 180


def test_a_count_that_began_anew_with_the_process_tells_of_meetings() -> None:
    shop = ill_shop()
    shop.ledger.load(list(shop.ledger.records.values()), shop.now)
    shop.look(finding(seen=3))
    assert shop.record().last_seen == shop.now
    seen_at = shop.now
    shop.look(finding(seen=2), after=5.0)
    assert shop.record().last_seen == seen_at, "within a process it is a worker that has gone, with its part"


def test_numbers_that_began_anew_do_not_prove_a_fix() -> None:
    shop = ill_shop()
    shop.points.clear()
    shop.serve(150)
    shop.look_again(after=60.0)
    assert shop.record().state is State.OPEN


def test_somebody_may_say_that_it_is_not_fixed() -> None:
    shop = ill_shop()
    shop.serve(120)
    shop.look_again(after=20.0)
    shop.ledger.reopen("n1", shop.now)
    assert shop.record().state is State.OPEN
    shop.look_again(after=60.0)
    assert shop.record().state is State.OPEN
    shop.serve(120)
    shop.look_again(after=20.0)
    assert shop.record().state is State.FIXED


def test_the_problems_remembered_are_bounded_and_those_that_are_open_stay_longest() -> None:
    shop = ill_shop()
    shop.serve(120)
    shop.look_again(after=20.0)
    assert shop.record().state is State.FIXED
    for start in range(0, MOST, 50):
        shop.look(*(finding(f"other-{start + number}", seen=1) for number in range(50)))
    assert len(shop.ledger.records) == MOST
    assert "n1" not in shop.ledger.records
    shop.look(*(finding(f"more-{number}", seen=1) for number in range(2 * MOST)))
    assert len(shop.ledger.records) == MOST


def test_a_fix_is_forgotten_after_a_month() -> None:
    shop = ill_shop()
    shop.serve(120)
    shop.look_again(after=20.0)
    shop.look(after=REMEMBERED)
    assert shop.ledger.records == {}


def test_hostile_texts_are_kept_short() -> None:
    shop = Shop()
    loud = finding()
    import msgspec

    shop.look(msgspec.structs.replace(loud, message="x" * 10**6, site="y" * 10**6, object="z" * 10**6))
    assert len(msgspec.msgpack.encode(shop.record())) < 3_000


@given(
    latencies=st.lists(st.floats(0.0002, 9.0), min_size=1, max_size=200),
    later=st.lists(st.floats(0.0002, 9.0), min_size=0, max_size=200),
)
def test_figures_between_two_moments_are_those_of_the_requests_in_between(
    latencies: list[float], later: list[float]
) -> None:
    def counted(values: Iterable[float]) -> Counts:
        kept = list(values)
        counts = [0.0] * (len(BOUNDS) + 1)
        for value in kept:
            counts[next((at for at, bound in enumerate(BOUNDS) if value <= bound), len(BOUNDS))] += 1.0
        point = Point(("GET", "/a", "200", "http", ""), Histogram(BOUNDS, counts, math.fsum(kept)))
        return counts_of([point], {})[SERVICE]

    between = figures(counted([*latencies, *later]).since(counted(latencies)))
    assert between.requests == len(later)
    if later:
        assert between.mean == pytest.approx(sum(later) / len(later), rel=1e-6)
    if len(later) < 20:
        assert between.p95 is None
    else:
        wanted = sorted(later)[math.ceil(0.95 * len(later)) - 1]
        assert between.p95 == pytest.approx(wanted, rel=0.13)


def test_nothing_is_proved_where_nothing_was_measured() -> None:
    assert proof(Figures(requests=0), Figures(requests=0)) == ""
    assert proof(Figures(requests=3, mean=0.4), Figures(requests=3, mean=0.1)) == "mean 400 ms → 100 ms"


def test_errors_that_became_fewer_are_part_of_the_proof() -> None:
    shop = ill_shop()
    before, after = Figures(requests=100, errors=0.12, p95=2.0), Figures(requests=100, errors=0.0, p95=0.02)
    assert proof(before, after) == "12 % → 0 % errors, p95 2.00 s → 20.0 ms"
    assert proof(after, before) == "p95 20.0 ms → 2.00 s", "that is no gain, and the error rate is told elsewhere"
    failed = Point(("GET", "/a", "503", "http", "503"), Histogram(BOUNDS, [3.0] + [0.0] * len(BOUNDS), 0.1))
    fine = Point(("GET", "/a", "200", "http", ""), Histogram(BOUNDS, [9.0] + [0.0] * len(BOUNDS), 0.1))
    assert figures(counts_of([failed, fine], {})["GET /a"]).errors == 0.25
    assert shop.record().before is None


class LeakyShop(Shop):
    """A shop of whose memory is told.

    Attributes:
        leak: What its watch tells, which looks back for some seconds.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        told = finding("leak", seen=None, route=None)
        self.leak = msgspec.structs.replace(told, kind="memory_growth", evidence={"seconds": seconds})

    def leak_a_minute(self) -> None:
        """Grow by 30 MiB in a minute, which is told."""
        for step in range(30):
            self.hold(100.0 + step, *((self.leak,) if step else ()))

    def hold(self, memory: float, *findings: Finding) -> None:
        """Serve and look, with *memory* MiB in use."""
        self.now += 2.0
        points = [Point(("GET", "/a", "200", "http", ""), Histogram(BOUNDS, [self.now] + [0.0] * len(BOUNDS), 1.0))]
        counts = counts_of(points, {}, memory=memory * 1024.0 * 1024.0, at=self.now)
        self.ledger.observe({each.fingerprint: each for each in findings}, counts, self.now)


def test_a_leak_that_only_paused_for_its_watch_is_not_fixed_while_memory_grows_as_before() -> None:
    shop = LeakyShop()
    shop.leak_a_minute()
    for step in range(100):
        shop.hold(130.0 + 0.6 * step)
    (record,) = shop.ledger.records.values()
    assert record.state is State.OPEN
    for _ in range(120):
        shop.hold(190.0)
    (record,) = shop.ledger.records.values()
    assert record.state is State.FIXED
    assert record.before is not None
    assert record.after is not None
    assert 0.0 < (record.after.growth or 0.0) <= 0.5 * (record.before.growth or 0.0)


def test_what_a_leak_grew_by_is_counted_from_where_its_watch_saw_it_begin() -> None:
    shop = LeakyShop(seconds=40.0)
    for step in range(60):  # a MiB in two seconds from the thirtieth on
        shop.hold(100.0 + max(0, step - 30))
    for _ in range(2):
        shop.hold(130.0, shop.leak)
    for _ in range(60):
        shop.hold(130.0)
    (record,) = shop.ledger.records.values()
    assert fixed_of(record).proof.startswith("memory +28.6 MiB/min → +0.0")


def test_a_leak_that_was_mended_is_proved_by_the_memory() -> None:
    shop = LeakyShop()
    shop.leak_a_minute()
    for step in range(80):
        shop.hold(130.0 + step % 2)
    (record,) = shop.ledger.records.values()
    assert record.state is State.FIXED
    told = fixed_of(record)
    assert told.proof.startswith("memory +30.0 MiB/min → +0.")
    assert fixed_of(msgspec.structs.replace(record, finding=finding("leak", route=None))).before.growth is None


class BlockedShop(Shop):
    """A shop of two routes, one of which blocks the loop for 0.4 s a call; the other's blocks stay."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked = self.blocks = 0.0

    def pass_two_seconds(self, *, blocks: int, route: str = ROUTE, stays: float = 0.0) -> None:
        self.now += 2.0
        self.serve(10, seconds=0.4, route="GET /about")
        if blocks:
            self.serve(10, seconds=0.4, route=route)
        self.blocks += blocks
        self.blocked += 0.4 * blocks + stays
        told = msgspec.structs.replace(finding(seen=int(self.blocks), route=route), kind="blocked_loop")
        points = [
            Point((*name.split(" "), "200", "http", ""), Histogram(BOUNDS, counts, self.seconds[name]))
            for name, counts in self.points.items()
        ]
        counts = counts_of(points, {}, at=self.now, blocked=self.blocked)
        self.ledger.observe({told.fingerprint: told} if self.blocks > 1 else {}, counts, self.now)

    def is_mended(self) -> None:
        for _ in range(200):
            self.serve(10, seconds=0.4)
            self.pass_two_seconds(blocks=0, stays=0.001)


def test_a_loop_that_is_no_longer_blocked_is_proved_by_the_time_that_it_was() -> None:
    shop = BlockedShop()
    for _ in range(30):
        shop.pass_two_seconds(blocks=2)
    shop.is_mended()
    assert shop.record().state is State.FIXED
    told = fixed_of(shop.record())
    assert told.before.mean == pytest.approx(0.4)
    assert told.after.mean == pytest.approx(0.4), "the call itself takes as long as before"
    assert told.proof.startswith("event loop blocked 2"), told.proof
    assert told.proof.endswith(" s → 30.0 ms a minute")
    assert told.before.blocked == pytest.approx(0.4, rel=0.1)
    other = msgspec.structs.replace(shop.record(), finding=finding())
    assert (fixed_of(other).before.blocked, fixed_of(other).after.blocked) == (None, None)
    assert fixed_of(other).proof.startswith("p95 ")


def test_a_call_that_blocks_on_several_routes_is_proved_as_well() -> None:
    shop = BlockedShop()
    for number in range(30):
        shop.pass_two_seconds(blocks=2, route=(ROUTE, "GET /other")[number % 2])
    shop.is_mended()
    for _ in range(100):
        shop.serve(10, seconds=0.4, route="GET /other")
        shop.pass_two_seconds(blocks=0)
    told = fixed_of(shop.record())
    assert told.proof.startswith("event loop blocked 2"), told.proof


def test_numbers_that_began_anew_prove_nothing_of_a_blocked_loop() -> None:
    before, after = Counts(requests=100.0, at=10.0, blocked=5.0), Counts(requests=3.0, at=20.0, blocked=1.0)
    assert figures(after.since(before)).blocked is None
    assert figures(Counts(requests=100.0, at=1e9, blocked=5.0).since(Counts())).blocked is None
    assert proof(Figures(requests=3, blocked=0.0, mean=0.4), Figures(requests=3, blocked=0.0, mean=0.1)) == (
        "mean 400 ms → 100 ms"
    ), "a loop that was never seen blocked proves nothing"
