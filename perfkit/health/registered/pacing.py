"""When a check runs next: its interval when it is well, from 1 to 30 seconds while it fails, never in step.

A failure is looked at again soon, so that the damping does not delay bad news for minutes; what stays dead is then
asked less and less, as a dependency that comes back must not be met by a crowd. Jitter keeps services that were
started together from asking together.
"""

from __future__ import annotations

import random

__all__ = ["FIRST_RETRY", "MOST_BACKOFF", "pause"]

FIRST_RETRY = 1.0
"""Seconds after the first failure, or after a result that speaks against the status, until the next look."""

MOST_BACKOFF = 30.0
"""Seconds between two looks at what stays dead, unless its interval is longer."""


def pause(*, interval: float, failures: int, is_settled: bool, jitter: float, rng: random.Random) -> float:
    """Return the seconds until the next run.

    Args:
        interval: Seconds between two runs of a check that is well.
        failures: Critical results in a row, 0 when it is well.
        is_settled: False if the last result spoke against the status that is shown.
        jitter: Part by which the pause is made longer or shorter at random, 0 to 1.
        rng: Where chance comes from.
    """
    if failures:
        seconds = min(FIRST_RETRY * 2.0 ** min(failures - 1, 30), max(MOST_BACKOFF, interval))
    else:
        seconds = interval if is_settled else min(FIRST_RETRY, interval)
    return seconds * (1.0 + jitter * rng.uniform(-1.0, 1.0))
