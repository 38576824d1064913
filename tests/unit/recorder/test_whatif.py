"""What-if tells what a fix brings: each fix is made, and what is then measured compared with what was foretold.

The app runs in virtual time, so nothing here depends on the machine. The recorder is the real one with its defaults: of
1,500 requests it keeps a few dozen, and only from these and the histogram is foretold.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_app import App

from perfkit.core.findings import Effect
from perfkit.recorder import KeptExchange, KeptSpan
from perfkit.recorder.estimate import hit_ratio
from perfkit.recorder.order import Order
from perfkit.recorder.whatif import seconds_after

REQUESTS = 1_500
ROUTE = "GET /orders"
CLOSE = 0.15
"""Part of the truth by which what was foretold may be off."""

Case = Callable[[App, bool], Awaitable[None]]


async def sequential(app: App, is_fixed: bool) -> None:
    await app.work(0.01)
    await app.query("orders", 0.02)
    if not is_fixed:
        await app.query("slow", 0.2)
    await app.work(0.02)


async def of_two_the_short_one(app: App, is_fixed: bool) -> None:
    await app.query("long", 0.1)
    if not is_fixed:
        await app.query("slow", 0.03)


async def beside_a_shorter_one(app: App, is_fixed: bool) -> None:
    long = [] if is_fixed else [app.query("slow", 0.2)]
    await asyncio.gather(*long, app.query("short", 0.08))
    await app.work(0.01)


async def beside_a_longer_one(app: App, is_fixed: bool) -> None:
    short = [] if is_fixed else [app.query("slow", 0.05)]
    await asyncio.gather(*short, app.query("long", 0.2))
    await app.work(0.01)


async def two_at_once_of_three(app: App, is_fixed: bool) -> None:
    slow = [] if is_fixed else [app.query("slow", 0.25)]
    await app.query("user", 0.03)
    await asyncio.gather(app.query("a", 0.06), app.span("outbound", "GET stock", 0.08), *slow)
    await app.query("log", 0.02)


async def a_part_of_a_long_chain(app: App, is_fixed: bool) -> None:
    async def first() -> None:
        await app.query("a", 0.05)
        await app.work(0.01)
        if not is_fixed:
            await app.query("slow", 0.2)
        await app.query("b", 0.02)

    async def second() -> None:
        await app.query("c", 0.12)
        await app.span("outbound", "GET stock", 0.08)

    await app.query("user", 0.01)
    await asyncio.gather(first(), second())
    await app.query("log", 0.01)


async def in_threads_of_their_own(app: App, is_fixed: bool) -> None:
    jobs = [app.query(f"report {number}", 0.04) for number in range(4)]
    if not is_fixed:
        jobs += [app.query("slow", 0.12), app.query("slow", 0.15)]
    await asyncio.gather(*jobs)


async def a_call_after_queries(app: App, is_fixed: bool) -> None:
    await app.query("orders", 0.05)
    if not is_fixed:
        await app.span("outbound", "slow", 0.15)


async def a_template_with_queries_in_it(app: App, is_fixed: bool) -> None:
    start = app.loop.now
    await app.work(0.03)
    if not is_fixed:
        await app.query("slow", 0.1)
    await app.work(0.03)
    from perfkit.core.spans import record_span

    record_span("template", "orders.html", start, app.loop.now - start)


async def of_few_requests_only(app: App, is_fixed: bool) -> None:
    await app.query("orders", 0.05)
    if app.chance.random() < 0.1 and not is_fixed:
        await app.query("slow", 0.4)


async def by_its_line_of_code(app: App, is_fixed: bool) -> None:
    await app.query("product", 0.03, site="views.py:44")
    if not is_fixed:
        for _ in range(4):
            await app.query("product", 0.03, site="slow")


async def a_loader_with_its_queries(app: App, is_fixed: bool) -> None:
    if not is_fixed:
        start = app.loop.now
        await app.query("product", 0.05)
        await app.query("reviews", 0.1)
        from perfkit.core.spans import record_span

        record_span("cache", "slow", start, app.loop.now - start, "", "miss")
    await app.work(0.02)


async def where_its_branch_goes_on(app: App, is_fixed: bool) -> None:
    async def first() -> None:
        if not is_fixed:
            await app.query("slow", 0.1)
        await app.query("then", 0.1)

    await asyncio.gather(first(), app.query("other", 0.09))


async def where_a_pool_is_the_bottleneck(app: App, is_fixed: bool) -> None:
    jobs = [app.in_thread("report", 0.04) for _ in range(4)]
    if not is_fixed:
        jobs[1:1] = [app.in_thread("slow", 0.12)]
        jobs += [app.in_thread("slow", 0.12)]
    await asyncio.gather(*jobs)


async def where_a_pool_serves_many_kinds(app: App, is_fixed: bool) -> None:
    await app.query("user", 0.02)
    await app.work(0.01)
    jobs = [app.in_thread(f"report {number}", 0.03 + number / 100) for number in range(5)]
    if not is_fixed:
        jobs[2:2] = [app.in_thread("slow", 0.15)]
    await asyncio.gather(*jobs, app.span("outbound", "GET stock", 0.05))
    await app.query("log", 0.01)


async def a_branch_joined_within_a_branch(app: App, is_fixed: bool) -> None:
    async def first() -> None:
        slow = [] if is_fixed else [app.query("slow", 0.12)]
        await asyncio.gather(*slow, app.query("a", 0.06))
        await app.query("b", 0.05)

    await asyncio.gather(first(), app.span("outbound", "GET stock", 0.1))


CASES: tuple[Case, ...] = (
    sequential,
    of_two_the_short_one,
    beside_a_shorter_one,
    beside_a_longer_one,
    two_at_once_of_three,
    a_part_of_a_long_chain,
    in_threads_of_their_own,
    a_call_after_queries,
    a_template_with_queries_in_it,
    of_few_requests_only,
    by_its_line_of_code,
    a_loader_with_its_queries,
    where_its_branch_goes_on,
    where_a_pool_is_the_bottleneck,
    where_a_pool_serves_many_kinds,
    a_branch_joined_within_a_branch,
)


def run(handler: Callable[[App], Awaitable[None]]) -> App:
    app = App(handler).serve(REQUESTS)
    app.close()
    return app


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_what_is_foretold_is_what_the_fix_brings(case: Case) -> None:
    before, after = run(lambda app: case(app, False)), run(lambda app: case(app, True))
    estimate = before.recorder.what_if(ROUTE, "slow")
    assert estimate is not None
    assert estimate.exchanges < REQUESTS / 10
    assert estimate.p95 == pytest.approx(before.quantile(0.95), rel=0.07)
    assert estimate.p95_after == pytest.approx(after.quantile(0.95), rel=CLOSE)
    assert estimate.p50_after == pytest.approx(after.quantile(0.5), rel=CLOSE)
    mean_before, mean_after = (sum(app.durations) / REQUESTS for app in (before, after))
    assert estimate.seconds_saved == pytest.approx(mean_before - mean_after, abs=CLOSE * mean_after)


def test_where_durations_never_vary_the_tasks_cannot_be_told_apart_and_an_estimate_promises_too_little() -> None:
    """A span that always begins when two others have ended may have waited for one of them, or for both.

    These are the same spans, to the microsecond, as those of one that waits for both, of which the estimate is right.
    """

    async def one_branch(app: App, is_fixed: bool) -> None:
        async def first() -> None:
            if not is_fixed:
                await app.query("slow", 0.1, fixed=True)
            await app.query("then", 0.1, fixed=True)

        await asyncio.gather(first(), app.query("other", 0.09, fixed=True))

    async def after_both(app: App, is_fixed: bool) -> None:
        slow = [] if is_fixed else [app.query("slow", 0.1, fixed=True)]
        await asyncio.gather(*slow, app.query("other", 0.09, fixed=True))
        await app.query("then", 0.1, fixed=True)

    told = []
    for handler in (one_branch, after_both):
        before = run(lambda app, handler=handler: handler(app, False))
        after = run(lambda app, handler=handler: handler(app, True))
        estimate = before.recorder.what_if(ROUTE, "slow")
        assert estimate is not None
        told.append((estimate.p95_after, after.quantile(0.95), before.recorder.list()[0].spans))
    (one, one_truth, one_spans), (both, both_truth, both_spans) = told
    assert one_spans == both_spans
    assert one == both == pytest.approx(both_truth, rel=CLOSE)
    assert one_truth < one


def test_of_branches_alike_that_pause_an_estimate_promises_too_little_rather_than_too_much() -> None:
    """Which of three equal tasks went on after its pause is not told by times, and mixing them up makes one long."""

    async def handler(app: App, is_fixed: bool) -> None:
        async def branch() -> None:
            if not is_fixed:
                await app.query("slow", 0.06)
            await app.work(0.01)
            await app.query("reviews", 0.03)
            await app.work(0.01)
            await app.query("reviews", 0.03)

        await asyncio.gather(branch(), branch(), branch())

    before, after = run(lambda app: handler(app, False)), run(lambda app: handler(app, True))
    estimate = before.recorder.what_if(ROUTE, "slow")
    assert estimate is not None
    assert after.quantile(0.95) < estimate.p95_after < 0.8 * estimate.p95
    assert estimate.p50_after == pytest.approx(after.quantile(0.5), rel=CLOSE)


@pytest.mark.parametrize(("count", "each"), [(20, 0.01), (50, 0.006), (150, 0.002)])
def test_one_query_in_place_of_many(count: int, each: float) -> None:
    async def handler(app: App, times: int) -> None:
        await app.query("products", 0.04)
        for _ in range(times):
            await app.query("SELECT review", each, site="views.py:48")
        await app.work(0.02)

    before, after = run(lambda app: handler(app, count)), run(lambda app: handler(app, 1))
    estimate = before.recorder.what_if(ROUTE, "views.py:48", calls=1)
    assert estimate is not None
    assert estimate.p95_after == pytest.approx(after.quantile(0.95), rel=CLOSE)
    assert estimate.p95 > 2 * estimate.p95_after
    assert estimate.affected == pytest.approx(1.0)


@pytest.mark.parametrize(("rate", "ttl", "urls"), [(4.0, 30.0, 1), (2.0, 10.0, 5), (4.0, 2.0, 4)])
def test_a_cache_for_the_route(rate: float, ttl: float, urls: int) -> None:
    """By a cache that really keeps each of a few URLs for its time, asked by chance."""

    async def handler(app: App) -> None:
        await app.query("orders", 0.1)

    before = App(handler).serve(REQUESTS, rate)
    estimate = before.recorder.what_if_cached(ROUTE, ttl, urls=urls)
    assert estimate is not None
    kept_until, now, after = [0.0] * urls, 0.0, []
    for seconds in before.durations:
        now += before.chance.expovariate(rate)
        url = before.chance.randrange(urls)
        after.append(0.0005 if now < kept_until[url] else seconds)
        kept_until[url] = kept_until[url] if now < kept_until[url] else now + ttl
    before.close()
    assert estimate.affected == pytest.approx(sum(each == 0.0005 for each in after) / REQUESTS, rel=CLOSE)
    saved = (sum(before.durations) - sum(after)) / REQUESTS
    assert estimate.seconds_saved == pytest.approx(saved, rel=CLOSE)
    truth = sorted(after)[int(0.95 * REQUESTS)]
    assert estimate.p95_after == pytest.approx(truth, rel=CLOSE)


def test_what_is_not_there_has_no_estimate() -> None:
    app = run(lambda app: sequential(app, False))
    assert app.recorder.what_if(ROUTE, "nothing of that name") is None
    assert app.recorder.what_if("GET /elsewhere", "slow") is None
    assert app.recorder.what_if_cached("GET /elsewhere", 30.0) is None


def test_an_estimate_says_what_it_is_from() -> None:
    estimate = run(lambda app: sequential(app, False)).recorder.what_if(ROUTE, "slow")
    assert estimate is not None
    assert estimate.basis.startswith("the times of 1500 requests; how each would change is known of ")
    assert estimate.sentence.startswith("Without slow, p95 of GET /orders falls from ")
    assert set(estimate.figures()) == {"seconds_saved", "seconds_saved_per_minute", "p95_from", "p95_to"}
    assert estimate.seconds_saved_per_minute == pytest.approx(60.0 * 4.0 * estimate.seconds_saved, rel=0.05)
    few = App(lambda app: sequential(app, False)).serve(3)
    few.close()
    small = few.recorder.what_if(ROUTE, "slow")
    assert small is not None
    assert small.basis.endswith("too few others to know the usual")


def exchange(seconds: float, *spans: tuple[str, str, float, float]) -> KeptExchange:
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for kind, name, start, took in spans:
        rows.setdefault((kind, name), []).append((start, took))
    made = tuple(
        KeptSpan(kind=kind, name=name, count=len(found), intervals=tuple(sorted(found)))
        for (kind, name), found in rows.items()
    )
    return KeptExchange(id="0", at=0.0, seconds=seconds, reason="slow", method="GET", route="/", status=200, spans=made)


def without(kept: KeptExchange, name: str, calls: int = 0) -> float:
    return seconds_after(kept, Effect(name=name, stays=calls), Order.of([kept]))


def test_what_goes_on_after_the_response_kept_nobody_waiting() -> None:
    assert without(exchange(1.0, ("sql", "x", 0.9, 5.0)), "x") == pytest.approx(0.9)
    assert without(exchange(1.0, ("sql", "x", 3.0, 5.0)), "x") == pytest.approx(1.0)


def test_of_many_the_first_stay() -> None:
    kept = exchange(1.0, *(("sql", "x", at * 0.1, 0.1) for at in range(10)))
    assert without(kept, "x", calls=3) == pytest.approx(0.3)
    assert without(kept, "x", calls=30) == pytest.approx(1.0)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(0.001, 1.0), st.floats(0.0, 0.5)), min_size=1, max_size=12),
    st.floats(0.0, 1.0),
)
def test_one_after_another_exactly_their_time_is_saved(parts: list[tuple[int, float, float]], rest: float) -> None:
    now, spans, gone = 0.0, [], 0.0
    for which, took, pause in parts:
        spans.append(("sql", "xy"[which], now, took))
        gone += took if which == 0 else 0.0
        now += took + pause
    kept = exchange(now + rest, *spans)
    assert without(kept, "x") == pytest.approx(kept.seconds - gone, abs=1e-3)


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.floats(0, 1), st.floats(0, 1)), max_size=12))
def test_never_longer_than_it_was_and_never_less_than_what_no_span_tells_of(spans: list[Any]) -> None:
    kept = exchange(2.0, *(("sql", name, start, took) for name, start, took in spans))
    after = without(kept, "x")
    own = kept.seconds - sum(took for name, _, took in spans if name == "x")
    assert min(own, kept.seconds) - 1e-6 <= after <= kept.seconds
    assert without(kept, "nothing") == kept.seconds
    assert seconds_after(kept, Effect(name="x", left=1.0), Order.of([kept])) == kept.seconds


def test_tasks_side_by_side_last_as_long_as_the_longest() -> None:
    for lengths in itertools.permutations((0.1, 0.2, 0.4)):
        kept = exchange(0.5, *(("sql", f"q{at}", 0.05, took) for at, took in enumerate(lengths)))
        for at in range(3):
            left = max(took for other, took in enumerate(lengths) if other != at)
            assert without(kept, f"q{at}") == pytest.approx(0.1 + left)


def test_a_hit_ratio_rises_with_rate_and_time() -> None:
    assert hit_ratio(0.0, 30.0) == 0.0
    assert hit_ratio(1.0, 1.0) == pytest.approx(0.5)
    assert hit_ratio(10.0, 30.0, urls=100, repeat_ratio=0.5) == pytest.approx(0.375)


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_over_many_runs_it_is_seldom_off_and_little(capsys: pytest.CaptureFixture[str]) -> None:
    """The figures in docs/how-to/find-one-slow-request.md."""

    def served(case: Case, seed: int, is_fixed: bool) -> App:
        app = App(lambda app: case(app, is_fixed), seed).serve(REQUESTS)
        app.close()
        return app

    errors = []
    for case, seed in itertools.product(CASES, range(1, 9)):
        before, after = served(case, seed, False), served(case, seed, True)
        estimate = before.recorder.what_if(ROUTE, "slow")
        assert estimate is not None
        errors.append(abs(estimate.p95_after / after.quantile(0.95) - 1.0))
    mean, off = sum(errors) / len(errors), sum(error > CLOSE for error in errors)
    with capsys.disabled():
        print(f"\nwhat-if: {len(errors)} runs, off by {mean:.1%} on average, by more than 15 % in {off}")  # noqa: T201
    assert mean < 0.07
    assert off <= 0.06 * len(errors)
