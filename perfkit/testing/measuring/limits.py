"""What a measured block may do at most, and what is said where it does more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from perfkit.core.findings import Finding

__all__ = ["Excess", "Limits"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|KiB|MB|MiB|GB|GiB)", re.IGNORECASE)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s)")
_BYTES = {"b": 1, "kb": 10**3, "kib": 2**10, "mb": 10**6, "mib": 2**20, "gb": 10**9, "gib": 2**30}
_CODE = re.compile(r"PK[0-9]{0,3}")


class Excess(NamedTuple):
    """One limit that was not kept.

    Attributes:
        message: One line with the numbers.
        code: Of the finding behind it, or empty.
        site: ``path:line`` of the code that should be changed, or empty.
        details: More lines: the statements, the line, the fix.
    """

    message: str
    code: str = ""
    site: str = ""
    details: tuple[str, ...] = ()


class Limits(NamedTuple):
    """What a block may do at most; None for no limit.

    Attributes:
        max_queries: Statements, transaction control not counted.
        max_seconds: Duration. Counts are exact, durations are not: prefer counts.
        max_memory: Bytes of Python objects at the peak, above those at the start.
        no_n_plus_one: Fail where an N+1 is found.
        fail_on: Beginnings of codes of findings that fail: ``("PK1",)``.
    """

    max_queries: int | None = None
    max_seconds: float | None = None
    max_memory: int | None = None
    no_n_plus_one: bool = False
    fail_on: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Return the limits that *given* names.

        Raises:
            ValueError: A name or a value is not one of a limit's.
        """
        unknown = sorted(given.keys() - set(cls._fields))
        if unknown:
            raise ValueError(
                f"{unknown[0]} is no limit. They are {', '.join(cls._fields)}. Write one of them: max_queries=5."
            )
        return cls(
            max_queries=_count(given.get("max_queries")),
            max_seconds=_seconds(given.get("max_seconds")),
            max_memory=_bytes(given.get("max_memory")),
            no_n_plus_one=_flag(given.get("no_n_plus_one", False)),
            fail_on=_codes(given.get("fail_on", ())),
        )

    def merged(self, other: Limits) -> Limits:
        """Return these limits, and those of *other* where these have none."""
        return Limits(
            self.max_queries if self.max_queries is not None else other.max_queries,
            self.max_seconds if self.max_seconds is not None else other.max_seconds,
            self.max_memory if self.max_memory is not None else other.max_memory,
            self.no_n_plus_one or other.no_n_plus_one,
            self.fail_on or other.fail_on,
        )

    def fails(self, finding: Finding) -> bool:
        """Return True if *finding* must not be there."""
        return (self.no_n_plus_one and finding.kind == "n_plus_one") or finding.code.startswith(self.fail_on or (" ",))


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(
            f"max_queries is {value!r}. It is a whole number from 0. Write max_queries=5 for five statements."
        )
    return value


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, str) and (found := _TIME.fullmatch(value.strip())):
        return float(found[1]) / (1000.0 if found[2] == "ms" else 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0.0:
        raise ValueError(
            f"max_seconds is {value!r}. It is a number of seconds, or a text such as '300ms'. Write max_seconds=0.3."
        )
    return float(value)


def _bytes(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        return int(float(found[1]) * _BYTES[found[2].lower()])
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(
            f"max_memory is {value!r}. It is a number of bytes, or a text such as '20MB'. Write max_memory='20MB'."
        )
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"no_n_plus_one is {value!r}. It is True or False. Write no_n_plus_one=True.")
    return value


def _codes(value: Any) -> tuple[str, ...]:
    codes = (value,) if isinstance(value, str) else tuple(value)
    for code in codes:
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise ValueError(
                f"fail_on has {code!r}. It holds codes of findings or how they begin. Write fail_on='PK1' or 'PK101'."
            )
    return codes
