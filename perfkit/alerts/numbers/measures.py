"""What a rule and an objective measure: readings by group, out of the numbers. Pure but for the numbers' reads."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from perfkit.alerts.numbers.numbers import Numbers
from perfkit.alerts.numbers.past import Cell, Increase, Labels
from perfkit.alerts.rules.matchers import Matchers
from perfkit.alerts.rules.rule import Rule
from perfkit.alerts.rules.slo import Burn, Slo, burn_rate
from perfkit.alerts.states.machine import Reading
from perfkit.core.families import MetricType, Summary
from perfkit.store.quantiles import quantile

__all__ = ["FULL", "Events", "Readings", "bad_and_total", "measure_burn", "measure_rule"]

Readings = dict[Labels, Reading]
"""By the values of the rule's `by` labels; the empty tuple where there are none."""

YOUNG = 0.75
"""A service is younger than a window if less than this part of it is known; snapshots alone do not lie further off."""

FULL = 0.9
"""Part of a window that must be known before too small an increase means anything."""


def measure_rule(rule: Rule, numbers: Numbers, now: float) -> Readings:
    """Return what *rule* reads at *now* (seconds): one reading per group, none where there is no series."""
    if rule.measure == "value":
        return _values(rule, numbers)
    if rule.measure == "quantile" and _is_summary(rule, numbers):
        return _summary_quantiles(rule, numbers)
    if rule.measure == "mean" and _is_gauge(rule, numbers):
        return _gauge_means(rule, numbers, now)
    increase = numbers.increase(rule.metric, rule.window, now)
    if increase is None:
        return {}
    groups = _grouped(increase, rule.where, rule.by, whole=rule.measure == "quantile", bound=rule.bound)
    if rule.measure == "ratio":
        return _ratios(rule, numbers, groups, now)
    if not groups and not rule.by and increase.names_known:
        groups = {(): Cell(0.0)}
    return {group: _scaled(rule, _reading(rule, cell, increase.duration)) for group, cell in groups.items()}


def measure_burn(burn: Burn, numbers: Numbers, now: float) -> Readings:
    """Return the lower burn rate of the two windows: above the factor only if both are.

    What lies before the start of a service younger than the long window counts as the same traffic without errors:
    so a handful of requests after a deployment does not look like a month of outage, and an alert comes exactly when
    the closed formula says.
    """
    slo, spending = burn.slo, burn.spending
    slow, fast = (bad_and_total(slo, numbers, seconds, now) for seconds in (spending.long, spending.short))
    if slow is None or fast is None:
        return {}
    unseen = spending.long / slow.duration if slow.duration < YOUNG * spending.long else 1.0
    long_rate = burn_rate(slow.bad, slow.total * unseen, slo.budget)
    short_rate = burn_rate(fast.bad, fast.total, slo.budget)
    if long_rate is None or short_rate is None:
        return {(): Reading(None, fast.total)}
    return {(): Reading(min(long_rate, short_rate), fast.total)}


class Events(NamedTuple):
    """The bad events and all events of *duration* seconds."""

    bad: float
    total: float
    duration: float


def bad_and_total(slo: Slo, numbers: Numbers, seconds: float, now: float) -> Events | None:
    """Return the events of the last *seconds*; None if too little is known."""
    increase = numbers.increase(slo.metric, seconds, now)
    if increase is None:
        return None
    whole = _grouped(increase, slo.where, (), bound=slo.slower_than).get((), Cell(0.0))
    if slo.slower_than is not None:
        return Events(whole.sum, whole.total, increase.duration)
    source = numbers.increase(slo.bad_metric, seconds, now) if slo.bad_metric else increase
    if source is None:
        return None
    bad = _grouped(source, {**slo.where, **slo.bad}, ()).get((), Cell(0.0))
    return Events(bad.total, whole.total, increase.duration)


def _reading(rule: Rule, cell: Cell, duration: float) -> Reading:
    match rule.measure:
        case "rate":
            return Reading(cell.total / duration if duration > 0.0 else None, cell.total)
        case "increase":
            is_known = rule.above is not None or duration >= FULL * rule.window
            return Reading(cell.total if is_known else None, cell.total)
        case "mean":
            return Reading(cell.sum / cell.total if cell.total > 0.0 else None, cell.total)
        case "quantile":
            known = cell.total > 0.0 and cell.counts
            return Reading(quantile(cell.boundaries, cell.counts, rule.quantile) if known else None, cell.total)
        case _:
            return Reading(cell.sum / cell.total if cell.total > 0.0 else None, cell.total)


def _ratios(rule: Rule, numbers: Numbers, parts: Mapping[Labels, Cell], now: float) -> Readings:
    whole = numbers.increase(rule.of_metric or rule.metric, rule.window, now)
    if whole is None:
        return {}
    groups = _grouped(whole, rule.of, rule.by)
    if not groups and not rule.by and whole.names_known:
        groups = {(): Cell(0.0)}
    readings: Readings = {}
    for group, cell in groups.items():
        part = parts.get(group, Cell(0.0)).total
        readings[group] = _scaled(rule, Reading(part / cell.total if cell.total > 0.0 else None, cell.total))
    return readings


def _values(rule: Rule, numbers: Numbers) -> Readings:
    family = numbers.family(rule.metric)
    if family is None:
        return {}
    values = (
        (point.labels, point.value if isinstance(point.value, int | float) else point.value.count)
        for point in family.points
    )
    is_sum = family.definition.type is MetricType.COUNTER
    return _combined(rule, family.definition.labels, values, default="sum" if is_sum else None)


def _gauge_means(rule: Rule, numbers: Numbers, now: float) -> Readings:
    past = numbers.past(rule.metric)
    if past is None:
        return {}
    return _combined(rule, past.names, past.mean(rule.window, now).items())


def _summary_quantiles(rule: Rule, numbers: Numbers) -> Readings:
    family = numbers.family(rule.metric)
    assert family is not None
    found = [
        (point.labels, value)
        for point in family.points
        if isinstance(point.value, Summary)
        for q, value in point.value.quantiles
        if q == min((each for each, _ in point.value.quantiles), key=lambda each: abs(each - rule.quantile))
    ]
    return _combined(rule, family.definition.labels, found)


def _combined(
    rule: Rule, names: Iterable[str], values: Iterable[tuple[Labels, float]], *, default: str | None = None
) -> Readings:
    combine = _COMBINED[rule.combine or default or ("max" if rule.above is not None else "min")]
    groups: dict[Labels, list[float]] = {}
    key, match = _keys(tuple(names), rule.by), Matchers(rule.where).bind(tuple(names))
    for labels, value in values:
        if match(labels):
            groups.setdefault(key(labels), []).append(value)
    return {group: _scaled(rule, Reading(combine(each))) for group, each in groups.items()}


_COMBINED: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "mean": lambda values: sum(values) / len(values),
}


def _grouped(
    increase: Increase,
    where: Mapping[str, str],
    by: tuple[str, ...],
    *,
    whole: bool = False,
    bound: float | None = None,
) -> dict[Labels, Cell]:
    """Return the matching series of *increase*, added up by the labels *by*.

    Args:
        increase: What was added.
        where: Matchers.
        by: Label names.
        whole: Add up the buckets too; without, totals and sums only, which costs a hundredth.
        bound: Instead of the sum of the observations, the number of those above it.
    """
    members: dict[Labels, list[Cell]] = {}
    key, match = _keys(tuple(increase.names), by), Matchers(where).bind(increase.names)
    for labels, cell in increase.cells.items():
        if match(labels):
            members.setdefault(key(labels), []).append(cell)
    return {group: _joined(cells, whole=whole, bound=bound) for group, cells in members.items()}


def _joined(cells: list[Cell], *, whole: bool, bound: float | None) -> Cell:
    total = sum(cell.total for cell in cells)
    added = sum(cell.sum for cell in cells) if bound is None else sum(_above(cell, bound) for cell in cells)
    if not whole:
        return Cell(total, (), added)
    with_counts = [cell for cell in cells if cell.counts]
    counts = [sum(column) for column in zip(*(cell.counts for cell in with_counts), strict=True)]
    return Cell(total, counts, added, with_counts[0].boundaries if with_counts else ())


def _keys(names: tuple[str, ...], by: tuple[str, ...]) -> Callable[[Labels], Labels]:
    places = [names.index(name) if name in names else None for name in by]
    return lambda labels: tuple("" if place is None else labels[place] for place in places)


def _above(cell: Cell, bound: float) -> float:
    """Return the observations above *bound*, rounded up to a boundary."""
    first = bisect_left(cell.boundaries, bound) + 1
    return float(sum(cell.counts[min(first, len(cell.boundaries)) :]))


def _scaled(rule: Rule, reading: Reading) -> Reading:
    if rule.per == 1.0 or reading.value is None:
        return reading
    return Reading(reading.value / rule.per, reading.traffic)


def _is_summary(rule: Rule, numbers: Numbers) -> bool:
    return numbers.type_of(rule.metric) is MetricType.SUMMARY


def _is_gauge(rule: Rule, numbers: Numbers) -> bool:
    return numbers.type_of(rule.metric) in (MetricType.GAUGE, MetricType.UNKNOWN)
