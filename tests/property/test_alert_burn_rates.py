"""Burn rates against the closed formula of the workbook, with simulated traffic."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis.strategies import booleans, floats, integers, sampled_from

from perfkit.alerts import Severity, Slo, Spending
from perfkit.alerts.numbers.measures import measure_burn
from perfkit.alerts.numbers.numbers import Numbers
from perfkit.alerts.rules.slo import SPENDINGS, Burn, burn_rate, detection_time, factor
from perfkit.core.families import Definition, MetricType
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock

EVENTS = Definition(name="events_total", type=MetricType.COUNTER, labels=("result",))
MONTH = 30 * 86_400.0


@given(bad=integers(0, 10**6), good=integers(0, 10**6), objective=floats(0.5, 0.9999), period=floats(3_600.0, MONTH))
def test_a_burn_rate_of_one_spends_the_budget_in_one_period(
    bad: int, good: int, objective: float, period: float
) -> None:
    total, budget = bad + good, 1.0 - objective
    rate = burn_rate(bad, total, budget)
    if not total:
        assert rate is None
        return
    assert rate is not None
    # Going on like this, the budget is gone after period / rate.
    spent_per_second = bad / total / (budget * period)
    assert rate == pytest.approx(spent_per_second * period)
    assert (rate == 0.0) is (bad == 0)


@given(spending=sampled_from(SPENDINGS), objective=floats(0.95, 0.9999), ratio=floats(1e-6, 1.0))
def test_exactly_the_wanted_part_of_the_budget_is_spent_at_the_factor(
    spending: Spending, objective: float, ratio: float
) -> None:
    budget, wanted = 1.0 - objective, factor(spending, MONTH)
    assert wanted * spending.long / MONTH == pytest.approx(spending.spent)
    seconds = detection_time(spending, MONTH, budget, ratio)
    if math.isinf(seconds):
        assert ratio <= wanted * budget
    else:
        assert seconds < spending.long
        # What was spent until the alert came is the same whatever the error ratio.
        assert ratio * seconds / (budget * MONTH) == pytest.approx(spending.spent)


def simulated_detection(
    spending: Spending, budget: float, ratio: float, step: float, period: float, calm: float
) -> float | None:
    """Let errors set in after *calm* seconds without, and return the seconds until both windows burn too fast."""
    clock = FakeClock()
    store = Store(StoreSettings(mode="memory"), clock=clock)
    slo = Slo(
        name="s",
        objective=1.0 - budget,
        metric=EVENTS.name,
        bad={"result": "bad"},
        period=period,
        spendings=(spending,),
    )
    burn = Burn(slo, spending, factor(spending, period))
    numbers = Numbers(store, tuple)
    numbers.watch(EVENTS.name, span=spending.long)
    good, bad = store.row(EVENTS, ("good",)), store.row(EVENTS, ("bad",))
    began = 0.0
    while began < calm + 1.5 * spending.long:
        is_wrong = began >= calm
        store.add(good, 1_000.0 * (1.0 - ratio if is_wrong else 1.0))
        store.add(bad, 1_000.0 * ratio if is_wrong else 0.0)
        clock.advance(step)
        began += step
        numbers.sample(clock.unix)
        reading = measure_burn(burn, numbers, clock.unix).get(())
        if reading is not None and reading.value is not None and reading.value > burn.factor:
            return began - calm
    return None


@settings(max_examples=30, deadline=None)
@given(
    ratio=floats(0.02, 1.0),
    budget=floats(0.002, 0.05),
    spent=floats(0.01, 0.1),
    long=sampled_from((240.0, 360.0, 600.0)),
    is_young=booleans(),
)
def test_an_alert_comes_when_the_formula_says(
    ratio: float, budget: float, spent: float, long: float, is_young: bool
) -> None:
    step = 5.0
    calm = 0.0 if is_young else 1.5 * long
    spending = Spending(spent=spent, long=long, short=long / 12.0, severity=Severity.CRITICAL)
    expected = detection_time(spending, 3_600.0, budget, ratio)
    # At the very edge of what can be detected, one step more or less decides.
    assume(math.isinf(expected) or expected < 0.9 * long)
    assume(not math.isinf(expected) or ratio < 0.98 * factor(spending, 3_600.0) * budget)
    found = simulated_detection(spending, budget, ratio, step, 3_600.0, calm)
    if math.isinf(expected):
        assert found is None
    else:
        assert found is not None
        assert expected - step <= found <= expected + 3.0 * step
