"""Service level objectives, and how fast their error budget burns.

Source: "The Site Reliability Workbook" (Google, O'Reilly 2018), chapter 5 "Alerting on SLOs", section 6 "Multiwindow,
Multi-Burn-Rate Alerts". With the budget ``b = 1 - objective`` the burn rate is ``bad / total / b``; an alert fires
while the burn rate of a long and of a short window (a twelfth of it) are both above ``factor = spent * period / long``,
where *spent* is the part of the period's budget that may be gone when the alert comes.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from perfkit.alerts.alert import Severity
from perfkit.alerts.rules.matchers import Matchers
from perfkit.alerts.rules.rule import Name, Window
from perfkit.core.errors import AlertError
from perfkit.core.names import REQUEST_DURATION

__all__ = ["ERRORS", "SPENDINGS", "Burn", "Slo", "Spending", "burn_rate", "detection_time", "factor"]

ERRORS = {"error_type": "!~|client_disconnected|_other"}
"""Matchers of requests that failed: what the service is to blame for."""


class Spending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the workbook's table.

    Attributes:
        spent: Part of the period's error budget, 0-1, that may be gone when the alert comes.
        long, short: Windows in seconds.
    """

    spent: Annotated[float, Meta(gt=0, le=1)]
    long: Window
    short: Window
    severity: Severity

    def __post_init__(self) -> None:
        """Take a severity by its word, too."""
        msgspec.structs.force_setattr(self, "severity", Severity(self.severity))


SPENDINGS = (
    Spending(spent=0.02, long=3_600.0, short=300.0, severity=Severity.CRITICAL),
    Spending(spent=0.05, long=21_600.0, short=1_800.0, severity=Severity.CRITICAL),
    Spending(spent=0.10, long=86_400.0, short=7_200.0, severity=Severity.WARNING),
    Spending(spent=0.10, long=259_200.0, short=21_600.0, severity=Severity.WARNING),
)
"""The workbook's own: the first two are worth waking somebody for, the others a ticket."""


class Slo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An objective: this part of all events is to be good.

    Attributes:
        objective: 0-1, such as 0.999.
        metric: Counter or histogram of the events; by default the requests.
        where: Matchers of the events that count.
        bad: Matchers of those that are bad; by default requests that failed. Ignored with *slower_than*.
        slower_than: Seconds: bad is what took longer; rounded up to a boundary of the buckets.
        bad_metric: Counter of bad events where it is another metric; empty: *metric*.
        period: Seconds for which the objective holds.
        spendings: When to alert.
        minimum_traffic: Events in the short window below which nothing is said.
    """

    name: Name
    objective: Annotated[float, Meta(gt=0, lt=1)]
    metric: str = REQUEST_DURATION.name
    where: dict[str, str] = msgspec.field(default_factory=dict)
    bad: dict[str, str] = msgspec.field(default_factory=lambda: dict(ERRORS))
    slower_than: Annotated[float, Meta(gt=0)] | None = None
    bad_metric: str = ""
    period: Annotated[float, Meta(ge=3_600, le=2_592_000)] = 2_592_000.0
    spendings: tuple[Spending, ...] = SPENDINGS
    minimum_traffic: Annotated[float, Meta(ge=0)] = 10.0
    summary: Annotated[str, Meta(max_length=1000)] = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def budget(self) -> float:
        """Part of the events that may be bad."""
        return 1.0 - self.objective

    def burns(self) -> tuple[Burn, ...]:
        """Return one alert definition for each of the spendings."""
        return tuple(Burn(self, spending, factor(spending, self.period)) for spending in self.spendings)

    def check(self) -> None:
        """Refuse an objective that cannot be evaluated.

        Raises:
            AlertError: What is wrong with it, and what to do.
        """
        for where in (self.where, self.bad):
            Matchers(where)
        for spending in self.spendings:
            if spending.short >= spending.long:
                raise AlertError(
                    f"The objective {self.name!r} has a short window of {spending.short:g} s and a long one of "
                    f"{spending.long:g} s. The short one must be shorter; a twelfth is usual. Swap or change them."
                )

    def unreachable(self) -> list[Burn]:
        """Return those that could not fire if every event were bad: the burn rate never exceeds 1 / budget."""
        return [burn for burn in self.burns() if burn.factor * self.budget >= 1.0]


class Burn(msgspec.Struct, frozen=True):
    """One objective with one spending: fires while both windows burn faster than *factor*."""

    slo: Slo
    spending: Spending
    factor: float

    @property
    def name(self) -> str:
        """Of its alerts: unique among the burns of all objectives."""
        return f"{self.slo.name} burn {self.spending.long:g}s"


def factor(spending: Spending, period: float) -> float:
    """Return the burn rate at which *spending* is gone after its long window."""
    return spending.spent * period / spending.long


def burn_rate(bad: float, total: float, budget: float) -> float | None:
    """Return how many times faster than sustainable the budget goes; None without events."""
    return bad / total / budget if total > 0.0 else None


def detection_time(spending: Spending, period: float, budget: float, error_ratio: float) -> float:
    """Return the seconds until the alert comes when *error_ratio* sets in after a time without errors.

    Infinite where the ratio is too low for ever. The short window's share of the wait is always shorter.
    """
    needed = factor(spending, period) * budget
    return spending.long * needed / error_ratio if error_ratio > needed else float("inf")
