"""A ready-made check: a function that asks something outside of this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Asked", "AskedAsync"]


class Asked:
    """A check that waits for an answer from elsewhere; its `repr` holds no secret.

    Attributes:
        does_io: True; what asks others is no liveness check.
    """

    does_io = True

    def __init__(self, what: str, ask: Callable[[], Any]) -> None:
        """Ask *what* by calling *ask*."""
        self._what, self._ask = what, ask

    def __call__(self) -> Any:
        """Ask."""
        return self._ask()

    def __repr__(self) -> str:
        return f"<check of {self._what}>"


class AskedAsync(Asked):
    """The same for a coroutine function."""

    async def __call__(self) -> Any:
        """Ask."""
        return await self._ask()
