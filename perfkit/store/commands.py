"""The commands as one store has them: with other processes through files, with its twins in this one directly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfkit.core.errors import ErrorLog
from perfkit.store.control import Control

if TYPE_CHECKING:
    from perfkit.store.backing.shared import Shared

__all__ = ["Commands"]

UNLISTED = 1_000_000
"""A number for which the log keeps no place: a twin reads like a worker, but the log does not wait for it."""


class Commands(Control):
    """The control of one store.

    Attributes:
        twins: The commands of all stores that share their numbers in this process, these included.
    """

    def __init__(self, *, errors: ErrorLog | None = None) -> None:
        """Begin in memory, without twins."""
        super().__init__(errors=errors)
        self.twins: list[Commands] = []
        self._files: Shared | None = None

    def follow(self, files: Shared | None) -> None:
        """Use *files* from now on, or memory if it is None.

        Raises:
            OSError: They cannot be used; commands stay in this process.
        """
        if files is self._files:
            return
        self.close()
        self._files = files
        if files is not None:
            is_first = self.twins[:1] == [self]
            number = files.number if is_first else UNLISTED
            self.open(files.directory, number, locked=files.locked, is_live=files.is_alive)

    def raise_epoch(self, command: str) -> bool:
        """Let whoever compares epochs look again; see `Control.raise_epoch`. Twins must be told."""
        return len(self.twins) < 2 and super().raise_epoch(command)

    def append(self, command: str, payload: dict[str, Any]) -> bool:
        """Tell all workers, and the twins; see `Control.append`."""
        told = super().append(command, payload)
        if not self.is_shared:
            for twin in list(self.twins):
                if twin is not self:
                    Control.append(twin, command, payload)
        return told

    def leave(self) -> None:
        """Go back to memory and have no twins."""
        if self in self.twins:
            self.twins.remove(self)
        self.twins = []
        self._files = None
        self.close()

    def release_after_fork(self) -> None:
        """In a forked child: let go of the parent's files and twins."""
        self.twins, self._files = [], None
        super().release_after_fork()
