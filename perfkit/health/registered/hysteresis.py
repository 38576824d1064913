"""Rise and fall: a check changes its status only after several results agree.

Source: HAProxy configuration manual, "rise" and "fall". Deviation: the first result counts at once, because a
starting worker must not wait three periods before it takes traffic.
"""

from __future__ import annotations

from perfkit.core.status import Status

__all__ = ["Hysteresis"]


class Hysteresis:
    """The damped status of one check. Not thread-safe.

    Attributes:
        status: What the world sees; `Status.UNKNOWN` until the first result.
        against: Results in a row that spoke against it.
    """

    __slots__ = ("_fall", "_rise", "against", "status")

    def __init__(self, *, rise: int = 2, fall: int = 3) -> None:
        """Recover after *rise* better results in a row, worsen after *fall* worse ones."""
        self._rise, self._fall = rise, fall
        self.status, self.against = Status.UNKNOWN, 0

    def observe(self, result: Status) -> bool:
        """Take one result; return True if `status` changed."""
        if result is self.status:
            self.against = 0
            return False
        self.against += 1
        needed = self._rise if result.is_better_than(self.status) else self._fall
        if self.status is not Status.UNKNOWN and self.against < needed:
            return False
        self.status, self.against = result, 0
        return True
