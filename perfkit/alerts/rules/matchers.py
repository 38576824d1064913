r"""Matchers: which labels a rule, a silence, an inhibition or a receiver means.

Written as a dict of label to text: ``{"http_route": "/reports", "error_type": "!~|timeout"}``. A text that begins with
``!=``, ``=~`` or ``!~`` is a comparison, any other must be equal. Expressions are anchored and an absent label is the
empty text, both as in Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from perfkit.core.errors import AlertError

__all__ = ["Matchers"]

Test = Callable[[str], bool]

LONGEST = 500
"""Characters of one expression."""


class Matchers:
    """Compiled matchers; all of them must hold. Immutable and thread-safe.

    Attributes:
        where: What they were made of.
    """

    __slots__ = ("_tests", "where")

    def __init__(self, where: Mapping[str, str]) -> None:
        """Compile *where*.

        Raises:
            AlertError: An expression cannot be compiled.
        """
        self.where = dict(where)
        self._tests = tuple((label, _test(label, text)) for label, text in where.items())

    def __bool__(self) -> bool:
        return bool(self._tests)

    def match(self, labels: Mapping[str, str]) -> bool:
        """Return whether *labels* are meant."""
        return all(test(labels.get(label, "")) for label, test in self._tests)

    def bind(self, names: Sequence[str]) -> Callable[[Sequence[str]], bool]:
        """Return a function that tells it for label values in the order of *names*."""
        place = {name: index for index, name in enumerate(names)}
        tests = [(place.get(label), test) for label, test in self._tests]

        def match(values: Sequence[str]) -> bool:
            return all(test("" if index is None else values[index]) for index, test in tests)

        return match


def _test(label: str, text: str) -> Test:
    operator, rest = text[:2], text[2:]
    if operator == "!=":
        return lambda value: value != rest
    if operator in ("=~", "!~"):
        pattern = _compile(label, rest)
        if operator == "=~":
            return lambda value: pattern.fullmatch(value) is not None
        return lambda value: pattern.fullmatch(value) is None
    return lambda value: value == text


def _compile(label: str, expression: str) -> re.Pattern[str]:
    try:
        if len(expression) > LONGEST:
            raise re.error(f"it has {len(expression)} characters, at most {LONGEST} are allowed")
        return re.compile(expression)
    except re.error as error:
        raise AlertError(
            f"The matcher of {label!r} has the expression {expression[:60]!r}: {error}. "
            "It must be a regular expression. Correct it, or compare with = or != instead."
        ) from None
