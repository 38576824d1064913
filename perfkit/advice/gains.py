"""What a finding would save, in words: the same on the page and in the terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from perfkit.advice.ranking import TIME_SHARE
from perfkit.advice.wording import percent, seconds
from perfkit.core.findings import Finding

__all__ = ["gains_told"]

MOST_ROUTE = 120
"""Characters of the name of a route."""


def gains_told(finding: Finding) -> Iterator[str]:
    """Yield phrases: p95 now and then, where requests that were kept tell it, and the time saved."""
    estimate = finding.estimate
    before, after = estimate.get("p95_from"), estimate.get("p95_to")
    if before is not None and after is not None and after < before:
        route = f" of {finding.route[:MOST_ROUTE]}" if finding.route else ""
        yield f"p95{route} {seconds(before)} → {seconds(after)}"
    share, minute = estimate.get(TIME_SHARE), estimate.get("seconds_saved_per_minute")
    of_all = f"{percent(share)} of all request time" if share is not None else ""
    if minute:
        yield f"saves about {seconds(minute)} a minute" + (f", {of_all}" if of_all else "")
    elif of_all:
        yield f"saves about {of_all}"
