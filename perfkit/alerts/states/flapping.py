"""Flap damping: an alert that fires and resolves over and over is told once, as flapping, until it is calm again.

The idea of two bounds, a high one to begin and a low one to end, is Nagios' ("Detection and Handling of State
Flapping"). Deviation: changes are counted in a window of time, as evaluations come at fixed times here.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MOST_CHANGES", "WINDOW", "Flaps"]

WINDOW = 600.0
"""Seconds over which changes are counted."""

MOST_CHANGES = 5
"""Flapping begins above so many changes in the window, and ends at one or none."""


class Flaps(NamedTuple):
    """The latest changes between firing and resolved (seconds), and whether they are too many."""

    changes: tuple[float, ...] = ()
    is_flapping: bool = False

    def after(self, now: float, *, changed: bool) -> Flaps:
        """Return what holds at *now*, at which the alert *changed* or did not."""
        recent = tuple(at for at in self.changes if now - at < WINDOW)
        if changed:
            recent = (*recent, now)[-MOST_CHANGES - 1 :]
        still = self.is_flapping and len(recent) > 1
        return Flaps(recent, still or len(recent) > MOST_CHANGES)
