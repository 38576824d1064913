"""A rule: which number is looked at, when it is wrong and for how long, and what is said then."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from perfkit.alerts.alert import Severity
from perfkit.alerts.rules.matchers import Matchers
from perfkit.alerts.states.machine import NoData, Policy
from perfkit.core.errors import AlertError

__all__ = ["Measure", "Rule", "Window"]

Measure = Literal["value", "rate", "increase", "mean", "quantile", "ratio", "share_above"]
Combine = Literal["sum", "max", "min", "mean"]
Window = Annotated[float, Meta(ge=1, le=2_592_000)]
Duration = Annotated[float, Meta(ge=0, le=86_400)]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
Where = dict[str, str]

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
RESERVED = ("alertname", "severity")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"hold": "for"}):
    """One condition on one metric. In settings `hold` is called ``for``, as in Prometheus. Times in seconds.

    Attributes:
        name: Becomes the label ``alertname``.
        metric: Full name of a metric of the store, or of one that a component brings.
        measure: ``value`` of a gauge or counter now; ``rate`` per second, ``increase``, ``mean``, ``quantile`` over
            *window*; ``ratio`` of the increase of what *where* means to that of what *of* means; ``share_above`` of a
            histogram's observations.
        where: Matchers of the series that count, see `perfkit.alerts.rules.matchers`.
        of: For ratios, matchers of the series that are the whole; empty: all of *of_metric*.
        of_metric: For ratios, the metric of the whole; empty: *metric*.
        by: Labels that tell one alert of this rule from another; empty: one alert for all series.
        combine: For values of several series; None: the worst of them.
        window: Seconds looked back.
        quantile: 0-1, for the measure quantile.
        bound: For share_above: observations above it are counted; rounded up to a boundary of the buckets.
        per: The value is divided by it: a limit in the metric's unit makes a ratio of it.
        above, below: The threshold; exactly one of them.
        clear: A firing alert is well again only at or beyond this value on the good side.
        hold: Seconds for which the condition must hold.
        keep_firing_for: Seconds for which it must be gone.
        no_data: What a missing number means: ``ok``, ``keep`` (nothing changes) or ``alert``.
        minimum_traffic: Events in the window below which the number says nothing.
        unit: How the value is written: ``seconds``, ``bytes``, ``ratio`` or empty.
        source: What the alert is about; empty: the metric.
        summary: The message; ``{value}``, ``{threshold}``, ``{window}`` and ``{label}`` are filled in.
        labels, annotations: Added to the alert.
        depends_on: Names of rules; while one of their alerts fires, this rule's alerts are muted.
    """

    name: Name
    metric: Annotated[str, Meta(min_length=1, max_length=200)]
    measure: Measure = "value"
    where: Where = msgspec.field(default_factory=dict)
    of: Where = msgspec.field(default_factory=dict)
    of_metric: str = ""
    by: tuple[str, ...] = ()
    combine: Combine | None = None
    window: Window = 300.0
    quantile: Annotated[float, Meta(ge=0, le=1)] = 0.95
    bound: float | None = None
    per: Annotated[float, Meta(gt=0)] = 1.0
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    hold: Duration = 60.0
    keep_firing_for: Duration = 120.0
    no_data: NoData = "ok"
    minimum_traffic: Annotated[float, Meta(ge=0)] = 0.0
    severity: Severity = Severity.WARNING
    unit: str = ""
    source: str = ""
    summary: Annotated[str, Meta(max_length=1000)] = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    depends_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Take a severity by its word, too."""
        msgspec.structs.force_setattr(self, "severity", Severity(self.severity))

    @property
    def threshold(self) -> float:
        """The one of `above` and `below` that is given."""
        return self.above if self.above is not None else self.below if self.below is not None else 0.0

    def policy(self, *, max_gap: float = 300.0) -> Policy:
        """Return when its alerts fire."""
        return Policy(
            threshold=self.threshold,
            is_upper=self.above is not None,
            clear=self.clear,
            hold=self.hold,
            keep_firing_for=self.keep_firing_for,
            no_data=self.no_data,
            minimum_traffic=self.minimum_traffic,
            max_gap=max_gap,
        )

    def check(self) -> None:
        """Refuse a rule that could never be right.

        Raises:
            AlertError: What is wrong with it, and what to do.
        """
        said = f"The alert rule {self.name!r}"
        if (self.above is None) == (self.below is None):
            given = "neither above nor below" if self.above is None else "both above and below"
            raise AlertError(f"{said} has {given}. It must have exactly one of them. Give the one that is wrong.")
        if self.clear is not None:
            self._check_clear(said, self.clear)
        if self.measure == "share_above" and self.bound is None:
            raise AlertError(f"{said} measures share_above without a bound. It must have one. Give bound=….")
        if self.measure == "ratio" and not (self.where or self.of_metric):
            raise AlertError(
                f"{said} measures a ratio of a metric to itself. where must say which series are the part. Give where."
            )
        for label in (*self.labels, *self.by):
            if LABEL.fullmatch(label) is None or label in RESERVED:
                raise AlertError(
                    f"{said} has the label {label[:60]!r}. A label is letters, digits and _, does not begin with a "
                    f"digit, and is not {' or '.join(RESERVED)}. Rename it."
                )
        for where in (self.where, self.of):
            Matchers(where)

    def _check_clear(self, said: str, clear: float) -> None:
        is_upper = self.above is not None
        if clear > self.threshold if is_upper else clear < self.threshold:
            side, word = ("above", "at most") if is_upper else ("below", "at least")
            raise AlertError(
                f"{said} clears at {clear} and fires {side} {self.threshold}. clear must be {word} the threshold, else "
                "it would resolve while it is wrong. Change one of the two."
            )
