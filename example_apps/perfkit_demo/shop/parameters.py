"""What a visitor may ask for, checked by hand where the framework does not do it: in Flask and Django."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from perfkit_demo.shop.rules import MOST_OF_ONE

__all__ = ["WrongParameterError", "cart_change", "text", "whole_number"]


class WrongParameterError(ValueError):
    """A parameter is missing, or not what it should be.

    Attributes:
        name: The parameter.
    """

    def __init__(self, name: str) -> None:
        """Complain about the parameter *name*."""
        super().__init__(name)
        self.name = name


def whole_number(given: Mapping[str, str], name: str, *, default: int, least: int = 1, most: int | None = None) -> int:
    """Return the parameter *name* of the query *given*, a number from *least* to *most* (None: no limit).

    Raises:
        WrongParameterError: It is none.
    """
    if name not in given:
        return default
    try:
        number = int(given[name])
    except ValueError:
        raise WrongParameterError(name) from None
    return _within(number, name, least, most)


def text(given: Mapping[str, str], name: str, *, longest: int) -> str:
    """Return the parameter *name* of the query *given*, 1 to *longest* characters.

    Raises:
        WrongParameterError: It is missing, empty or too long.
    """
    value = given.get(name, "")
    if not 1 <= len(value) <= longest:
        raise WrongParameterError(name)
    return value


def cart_change(body: bytes) -> tuple[int, int]:
    """Return product and quantity from the JSON *body* of a change of a cart.

    Raises:
        WrongParameterError: The body or one of its fields cannot be used.
    """
    try:
        change = json.loads(body)
    except ValueError:
        raise WrongParameterError("body") from None
    if not isinstance(change, dict):
        raise WrongParameterError("body")
    return _field(change, "product", None), _field(change, "quantity", MOST_OF_ONE, default=1)


def _field(change: dict[str, Any], name: str, most: int | None, default: int | None = None) -> int:
    number = change.get(name, default)
    if type(number) is not int:  # JSON's true is an int of Python
        raise WrongParameterError(name)
    return _within(number, name, 1, most)


def _within(number: int, name: str, least: int, most: int | None) -> int:
    if number < least or (most is not None and number > most):
        raise WrongParameterError(name)
    return number
