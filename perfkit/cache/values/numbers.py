"""What counts as a number."""

from __future__ import annotations

from typing import Any

from perfkit.core.errors import CacheError

__all__ = ["number"]


def number(key: Any, value: Any) -> Any:
    """Return *value* of *key*, which is to be counted on.

    Raises:
        CacheError: It is no number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CacheError(f"The value of {key!r} is {value!r}. Only numbers can be incremented. Set one first.")
    return value
