"""What a user wants to have checked, and every mistake in it that can be seen beforehand."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypedDict

import msgspec

from perfkit.core.errors import HealthError

__all__ = ["MOST_CHECKS", "CheckFunction", "CheckOptions", "Registration", "check_registration"]

CheckFunction = Callable[[], Any]
"""A function or a coroutine function without arguments."""

MOST_CHECKS = 200
"""Checks that a service may register."""

LONGEST_NAME = 100


class CheckOptions(TypedDict, total=False):
    """What may be said of a check besides its name; `HealthChecker.register_health_check` says what each means."""

    critical: bool
    timeout: float | None
    interval: float | None
    rise: int
    fall: int
    tags: Iterable[str]
    depends_on: Iterable[str]
    liveness: bool
    startup: bool
    shared: bool | None
    initial_delay: float
    jitter: float
    ttl: float | None


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """One check as it was registered; see `HealthChecker.register_health_check` for the meaning of each.

    Attributes:
        is_shared: True if one worker of the host runs it for all.
    """

    name: str
    fn: CheckFunction
    critical: bool
    timeout: float
    interval: float
    rise: int
    fall: int
    tags: tuple[str, ...]
    depends_on: tuple[str, ...]
    liveness: bool
    startup: bool
    is_shared: bool
    initial_delay: float
    jitter: float
    ttl: float

    @property
    def is_async(self) -> bool:
        """True if `fn` is a coroutine function."""
        return is_async(self.fn)


def is_async(fn: object) -> bool:
    """Return True for coroutine functions and for objects whose call is one."""
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004


def texts(where: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return *given* as a tuple.

    Raises:
        HealthError: It is one text, which would be taken for its letters, or holds something else than texts.
    """
    if isinstance(given, str):
        raise HealthError(f"{where} is the text {given!r}. It must be a list of texts. Write [{given!r}].")
    found: tuple[Any, ...] = tuple(given)
    for each in found:
        if not isinstance(each, str) or not 0 < len(each) <= LONGEST_NAME:
            raise HealthError(
                f"{where} holds {each!r}. Each must be a text of 1 to {LONGEST_NAME} characters. Give only such texts."
            )
    return found


def check_registration(new: Registration, known: Mapping[str, Registration], others: Collection[str]) -> None:
    """Raise what is wrong with *new*.

    Args:
        new: What shall be registered.
        known: What was registered before, by name.
        others: Names of checks that perfkit brings along.

    Raises:
        HealthError: It cannot work.
    """
    _check_name(new, known)
    _check_function(new)
    _check_numbers(new)
    _check_liveness(new)
    _check_parents(new, known, others)


def _check_name(new: Registration, known: Mapping[str, Registration]) -> None:
    name: object = new.name
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise HealthError(
            f"The name of a health check is {name!r}. It must be 1 to {LONGEST_NAME} printable characters. "
            "Give it a short name such as 'database'."
        )
    if name in known:
        raise HealthError(
            f"There is a health check {name!r} already. Each name must be given once. "
            f"Use another name, or call unregister({name!r}) first."
        )
    if len(known) >= MOST_CHECKS:
        raise HealthError(
            f"{name!r} would be health check number {len(known) + 1}. There may be {MOST_CHECKS} at most. "
            "Let one function check several things and answer with the worst."
        )


def _check_function(new: Registration) -> None:
    if not callable(new.fn):
        raise HealthError(
            f"The health check {new.name!r} is {type(new.fn).__name__}. It must be a function or a coroutine function. "
            "Give one, without calling it."
        )
    try:
        inspect.signature(new.fn).bind()
    except TypeError:
        raise HealthError(
            f"The health check {new.name!r} takes arguments. It is called without any. "
            "Wrap it in a lambda or functools.partial that brings them."
        ) from None
    except ValueError:
        return  # A builtin that does not tell its arguments.


def _check_numbers(new: Registration) -> None:
    ranges: dict[str, tuple[float, float, str]] = {
        "timeout": (0.01, 60.0, "seconds"),
        "interval": (1.0, 86_400.0, "seconds"),
        "rise": (1, 100, "results in a row"),
        "fall": (1, 100, "results in a row"),
        "initial_delay": (0.0, 3_600.0, "seconds"),
        "jitter": (0.0, 0.5, "as a part of the interval"),
        "ttl": (new.interval, 604_800.0, "seconds, and not less than the interval"),
    }
    for name, (least, most, unit) in ranges.items():
        value: object = getattr(new, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise HealthError(
                f"{name} of the health check {new.name!r} is {value!r}. It must be from {least:g} to {most:g} {unit}. "
                "Choose a number in between."
            )
    if new.interval < new.timeout:
        raise HealthError(
            f"The health check {new.name!r} has an interval of {new.interval:g} s and a timeout of {new.timeout:g} s. "
            "A run must be over before the next one is due. Raise interval, or lower timeout."
        )


def _check_liveness(new: Registration) -> None:
    if not new.liveness:
        return
    wrong = (
        "depends on other checks"
        if new.depends_on
        else "is a coroutine function, which waits for something"
        if new.is_async
        else "asks over the network or a database"
        if getattr(new.fn, "does_io", False)
        else "is shared between workers"
        if new.is_shared
        else ""
    )
    if wrong:
        raise HealthError(
            f"The liveness check {new.name!r} {wrong}. Liveness must look at this very process alone, as a slow "
            "dependency would else have every worker restarted. Leave liveness off, or set critical to fail readiness."
        )


def _check_parents(new: Registration, known: Mapping[str, Registration], others: Collection[str]) -> None:
    names = {*known, *others}
    for parent in new.depends_on:
        if parent == new.name or (parent in known and _reaches(parent, new.name, known)):
            raise HealthError(
                f"The health check {new.name!r} depends on {parent!r}, which depends on it. "
                "Dependencies must not form a circle. Take one of them out of depends_on."
            )
        if parent not in names:
            near = difflib.get_close_matches(parent, names, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Register {parent!r} first."
            raise HealthError(
                f"The health check {new.name!r} depends on {parent!r}, which is not registered. "
                f"What it depends on must be registered before. {hint}"
            )


def _reaches(start: str, goal: str, known: Mapping[str, Registration]) -> bool:
    seen, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        if name not in seen and name in known:
            seen.add(name)
            waiting.extend(known[name].depends_on)
    return False
