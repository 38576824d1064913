"""From what a user says to what a metric is: names, units, labels and buckets, checked once, when it is defined.

Rules for names are those of Prometheus ("Metric and label naming", "Data model"): letters, digits, ``_`` and ``:``; the
unit at the end, and ``_total`` behind it for counters. What a name lacks of unit and ``_total`` is added.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, GaugeMode, MetricType
from perfkit.core.names import HTTP_BOUNDARIES
from perfkit.metrics.exposition.identifiers import is_legacy_label, is_legacy_metric
from perfkit.store.series.rows import WORKER_LABEL, check, width_of

__all__ = ["BYTES", "UNITLESS", "Kind", "boundaries_of", "definition", "known_word", "label_names", "series_limit"]

E = TypeVar("E", bound=StrEnum)

RESERVED = "perfkit_"
"""How the names of perfkit's own metrics begin."""

MAX_LABELS = 32
"""Label names of one metric."""

SHARE = 4
"""Unless told otherwise, a metric may take one slot in so many of the store."""

UNITLESS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
"""Buckets of a histogram that says neither buckets nor unit: 5 ms in seconds to 10 s in milliseconds."""

BYTES = (256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216)
"""Buckets of sizes: powers of four."""

_SCALES = {"ms": 1e3, "milliseconds": 1e3, "us": 1e6, "microseconds": 1e6, "ns": 1e9, "nanoseconds": 1e9}

_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "By": "bytes", "1": "ratio"}
"""UCUM's symbols in Prometheus' words (OpenTelemetry, "Prometheus and OpenMetrics compatibility")."""


class Kind(StrEnum):
    """What a metric can be defined as. A timer is a histogram of seconds, fine enough for percentiles."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    TIMER = "timer"


_TYPES = {kind: MetricType(kind) for kind in Kind if kind is not Kind.TIMER} | {Kind.TIMER: MetricType.HISTOGRAM}


def definition(
    name: str,
    kind: Kind,
    *,
    description: str = "",
    labels: tuple[str, ...] = (),
    unit: str = "",
    buckets: Iterable[float] | None = None,
    mode: GaugeMode = GaugeMode.SUM,
    allow_utf8: bool = False,
) -> Definition:
    """Return the metric that a user means; `label_names` has checked *labels*.

    Raises:
        MetricError: There can be no such metric.
    """
    _check_name(name, allow_utf8=allow_utf8)
    if kind is Kind.TIMER:
        if unit not in ("", "s", "seconds"):
            raise MetricError(f"The timer {name!r} has the unit {unit!r}. Timers count seconds. Leave the unit out.")
        unit = "seconds"
    if buckets is not None and kind not in (Kind.HISTOGRAM, Kind.TIMER):
        raise MetricError(f"The {kind} {name!r} has buckets. Only histograms and timers have them. Leave them out.")
    if mode is not GaugeMode.SUM and kind is not Kind.GAUGE:
        raise MetricError(f"The {kind} {name!r} has the mode {mode.value!r}. Only gauges have one. Leave it out.")
    if mode is GaugeMode.PER_WORKER and WORKER_LABEL in labels:
        raise MetricError(
            f"The gauge {name!r} has a label {WORKER_LABEL!r} and the mode {mode.value!r}. "
            "That mode adds this label itself. Remove yours or call it otherwise."
        )
    full, unit = _completed(name, kind, unit)
    is_bucketed = kind in (Kind.HISTOGRAM, Kind.TIMER)
    made = Definition(
        name=full,
        type=_TYPES[kind],
        description=description,
        labels=labels,
        unit=unit,
        boundaries=boundaries_of(full, unit, buckets) if is_bucketed else (),
        detailed=kind is Kind.TIMER and buckets is None,
        mode=mode,
    )
    check(made)
    return made


def known_word(kind: type[E], word: str, what: str) -> E:
    """Return the member of *kind* that *word* names.

    Raises:
        MetricError: There is none; the message lists all.
    """
    try:
        return kind(word)
    except ValueError:
        near = difflib.get_close_matches(str(word), list(kind), n=1)
        hint = f"Did you mean {str(near[0])!r}?" if near else "Use one of these."
        raise MetricError(f"There is no {what} {word!r}. Known are: {', '.join(kind)}. {hint}") from None


def label_names(name: str, kind: Kind, names: Iterable[str]) -> tuple[str, ...]:
    """Return label *names* of the metric *name*, checked.

    Raises:
        MetricError: They cannot be used.
    """
    if isinstance(names, str):
        raise MetricError(
            f"The labels of {name!r} are the text {names!r}. They must be a list of names. Put it in one."
        )
    names = tuple(names)
    reserved = {Kind.HISTOGRAM: "le", Kind.TIMER: "le", Kind.SUMMARY: "quantile"}.get(kind)
    for label in names:
        if not is_legacy_label(str(label)) or label.startswith("__") or label == reserved:
            raise MetricError(
                f"{name!r} has a label {label!r}. A label is made of letters, digits and '_', begins with no digit and "
                "not with '__', and is neither 'le' of a histogram nor 'quantile' of a summary. Call it otherwise."
            )
    if len(set(names)) < len(names) or len(names) > MAX_LABELS:
        raise MetricError(
            f"{name!r} has the labels {list(names)}. They must differ, and at most {MAX_LABELS} are allowed. "
            "Leave some out."
        )
    return names


def boundaries_of(name: str, unit: str, buckets: Iterable[float] | None) -> tuple[float, ...]:
    """Return the upper bounds of a histogram's buckets without +Inf; None chooses by unit, or the name's last word.

    Raises:
        MetricError: They are not ascending numbers.
    """
    if buckets is None:
        word = unit or name.rpartition("_")[2]
        if word == "seconds":
            return HTTP_BOUNDARIES
        if word == "bytes":
            return tuple(map(float, BYTES))
        scale = _SCALES.get(word)
        return tuple(map(float, UNITLESS)) if scale is None else tuple(bound * scale for bound in HTTP_BOUNDARIES)
    try:
        bounds = tuple(map(float, buckets))
    except (TypeError, ValueError):
        raise MetricError(
            f"The buckets of {name!r} are {buckets!r}. They must be numbers. Give upper bounds."
        ) from None
    if bounds and bounds[-1] == math.inf:
        bounds = bounds[:-1]
    if not bounds or not all(map(math.isfinite, bounds)) or list(bounds) != sorted(set(bounds)):
        raise MetricError(
            f"The buckets of {name!r} are {list(bounds)}. They must be one or more finite numbers that ascend. "
            "Sort them and remove doubles; infinity is always there."
        )
    return bounds


def series_limit(definition: Definition, asked: int | None, *, slots: int, series: int) -> int:
    """Return how many series a metric may have.

    Args:
        asked: What the user wants; None for a quarter of the store's slots, and not more than its own limit.
        slots, series: The limits of the store.

    Raises:
        MetricError: *asked* is below 1.
    """
    if asked is None:
        return max(1, min(series, slots // SHARE // width_of(definition)))
    if asked < 1:
        raise MetricError(
            f"{definition.name!r} may have {asked} series. At least 1 is needed; what is beyond goes to the series "
            "'_other'. Raise max_series."
        )
    return asked


def _check_name(name: str, *, allow_utf8: bool) -> None:
    if not (is_legacy_metric(name) or (allow_utf8 and name and _is_utf8(name))):
        raise MetricError(
            f"A metric is called {name!r}. A name is made of letters, digits, '_' and ':' and begins with no digit. "
            "Call it otherwise, or set metrics.allow_utf8_names."
        )
    if name.startswith(RESERVED):
        raise MetricError(
            f"A metric is called {name!r}. Names that begin with {RESERVED!r} are perfkit's own. Call it otherwise."
        )


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _completed(name: str, kind: Kind, unit: str) -> tuple[str, str]:
    """Return the full name and the unit's word."""
    word = _WORDS.get(unit, unit)
    if word and not is_legacy_label(word):
        raise MetricError(f"The unit of {name!r} is {unit!r}. It must be a word such as 'seconds'. Give one.")
    base = name.removesuffix("_total") if kind is Kind.COUNTER else name
    if not base:
        raise MetricError(f"A counter is called {name!r}. '_total' is only the end of a name. Put one before it.")
    if word and not base.endswith((f"_{word}", f"_{unit}")) and base not in (word, unit):
        base = f"{base}_{word}"
    return (f"{base}_total" if kind is Kind.COUNTER else base), word
