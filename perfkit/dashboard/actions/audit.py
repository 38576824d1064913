"""Who did what and when: the list of the dashboard's actions, bounded and shared by all workers."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import msgspec

from perfkit.core.errors import PerfkitError
from perfkit.dashboard.actions.table import ACTIONS
from perfkit.dashboard.parameters import Given
from perfkit.system import PerformanceSystem

__all__ = ["KIND", "MOST", "Done", "act", "audited"]

KIND = "action"
"""What the store calls such a text."""

MOST = 100
"""Actions of the list; the store itself forgets the oldest texts when its ring is full."""

LONGEST = 6000
"""Characters of one result."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """One action that was asked for.

    Attributes:
        id: Names it in the link that leads back.
        at: Unix seconds.
        who: The address and how it was known to be allowed; no name, as a token has none.
        what: The word of the action.
        said: What the form said, by field.
        is_done: False where it could not be.
        result: What was done, or why it could not be.
    """

    id: str
    at: float
    who: str
    what: str
    said: dict[str, str]
    is_done: bool
    result: str


def act(system: PerformanceSystem, what: str, given: Given, who: str) -> Done:
    """Do *what* and keep who did; what cannot be done is kept as well.

    Raises:
        KeyError: There is no such action.
    """
    action = ACTIONS[what]
    try:
        result, is_done = action.perform(system, given), True
    except PerfkitError as error:
        result, is_done = str(error), False
    except Exception as error:  # noqa: BLE001 - a cache server, a database: their errors have nothing in common
        system.errors.report("dashboard", error, doing=f"the action {what} failed")
        result, is_done = f"It failed with {type(error).__name__}. The application's log says more.", False
    done = Done(
        id=secrets.token_hex(6),
        at=system.clock.time(),
        who=who,
        what=what,
        said={name: str(value) for name, value in given.key},
        is_done=is_done,
        result=_plain(result),
    )
    system.store.audit.append(KIND, msgspec.to_builtins(done), done.at)
    return done


def audited(system: PerformanceSystem) -> tuple[Done, ...]:
    """Return what was done, the last first, of all workers."""
    return tuple(_valid(system.store.audit.read(KIND, MOST)))


def _valid(records: Iterable[dict[str, object]]) -> Iterable[Done]:
    for record in records:
        try:
            yield msgspec.convert(record, Done)
        except msgspec.ValidationError:  # written by another version of perfkit in the same directory
            continue


def _plain(text: str) -> str:
    return text[:LONGEST].encode("utf-8", "replace").decode()
