"""The way of a leader's whole state: through the control log to all workers, through the texts to its successor."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from perfkit.store.checkpoints.parts import Assembly, Order, split
from perfkit.store.store import Store

__all__ = ["Channel", "Ordered"]


class Ordered(Protocol):
    """A state that can be told from an older one."""

    @property
    def order(self) -> Order:
        """Of two the one with the higher order is the newer."""
        ...


State = TypeVar("State", bound=Ordered)

_encode = msgspec.msgpack.Encoder().encode


class Channel(Generic[State]):
    """Sends, keeps and finds states of one kind. `received` is set by whichever thread hears a command.

    Attributes:
        received: The newest state that this worker heard of or wrote; None before the first.
    """

    def __init__(
        self,
        store: Store,
        kind: str,
        decode: Callable[[bytes], State],
        *,
        on_newer: Callable[[State], object],
        on_damaged: Callable[[Exception], object],
        most_read: int,
        enough: int,
    ) -> None:
        """Listen to states of *kind*.

        Args:
            store: Carries them.
            kind: Of the commands and of the texts.
            decode: Makes a state of its MessagePack.
            on_newer: Called with a state that is newer than what was known.
            on_damaged: Called with the error where a part cannot be read.
            most_read: Texts that are read at most.
            enough: Complete states that are looked at: they are read from the newest on, but by a clock that may have
                been set back.
        """
        self._store, self._kind, self._decode = store, kind, decode
        self._on_newer, self._on_damaged = on_newer, on_damaged
        self._most_read, self._enough = most_read, enough
        self.forget()
        store.control.on(kind, self._on_part)

    def forget(self) -> None:
        """Know nothing: in a forked child, or when the store begins anew."""
        self._parts = Assembly()
        self.received: State | None = None

    def tell(self, state: State) -> None:
        """Send *state* to all workers."""
        self.received = state
        if self._store.is_shared:
            for part in split(_encode(state), state.order):
                self._store.control.append(self._kind, part)

    def keep(self, state: State) -> None:
        """Write *state* where the next leader finds it."""
        for part in split(_encode(state), state.order):
            self._store.texts.append(self._kind, part)

    def newest(self) -> State | None:
        """Return the newest state there is, heard or written; reads files, and takes nothing for received."""
        found, parts, complete = self.received, Assembly(), 0
        for record in self._store.texts.read(self._kind, limit=self._most_read):
            state = self._assembled(record, parts)
            if state is not None and (found is None or state.order > found.order):
                found = state
            complete += state is not None
            if complete == self._enough:
                break
        return found

    def take(self, state: State) -> None:
        """Take *state* for the newest."""
        self.received = state
        self._on_newer(state)

    def _on_part(self, payload: dict[str, Any]) -> None:
        state, known = self._assembled(payload, self._parts), self.received
        if state is not None and (known is None or state.order > known.order):
            self.take(state)

    def _assembled(self, payload: dict[str, Any], waiting: Assembly) -> State | None:
        """Take one part; return the state if it is complete with it."""
        try:
            found = waiting.take(payload)
            return None if found is None else self._decode(found[1])
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            self._on_damaged(error)
            return None
