"""The journal: what the evaluating worker knows, told to all others and kept for the next.

After each evaluation the leader sends its state through the control log, so that any worker can answer for all. Where
something changed, and each minute while anything is active, it also writes the state to the texts, whose files outlive
it. A state is one msgpack document, compressed and cut into parts that fit; the newest complete one counts, by the
generation of the leader's lease and its own number. What is lost with a kill is at most the last evaluation, and is
found anew.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from perfkit.alerts.delivery.courier import ReceiverSnapshot
from perfkit.alerts.evaluation import Entry
from perfkit.alerts.routing.grouping import Group
from perfkit.alerts.routing.silences import Acknowledgement, Silence, Silences
from perfkit.alerts.snapshot import AlertRecord, RuleSnapshot, SloSnapshot
from perfkit.core.errors import ErrorLog
from perfkit.store import Store
from perfkit.store.checkpoints import Channel, Order
from perfkit.store.checkpoints.parts import PART

__all__ = ["RECORD", "SAID", "STATE", "Checkpoint", "Journal"]

STATE = "alerts.state"
RECORD = "alerts.record"
PAST = "alerts.past"
SAID = "alerts.said"
ENOUGH = 8
"""Complete states that are looked at: they are read from the newest on, but by a clock that may have been set back."""

Dumped = list[tuple[float, list[tuple[tuple[str, ...], float, list[float], float]]]]


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state.

    Attributes:
        generation, number: The higher one is the newer one; generations before numbers.
        at: Unix seconds of the evaluation.
        told: By receiver, what it was told of each group.
    """

    generation: int
    number: int
    at: float
    entries: list[Entry] = msgspec.field(default_factory=list)
    silences: list[Silence] = msgspec.field(default_factory=list)
    acknowledgements: list[Acknowledgement] = msgspec.field(default_factory=list)
    told: dict[str, dict[str, Group]] = msgspec.field(default_factory=dict)
    receivers: list[ReceiverSnapshot] = msgspec.field(default_factory=list)
    rules: list[RuleSnapshot] = msgspec.field(default_factory=list)
    slos: list[SloSnapshot] = msgspec.field(default_factory=list)

    @property
    def order(self) -> Order:
        """Of two checkpoints the one with the higher order is the newer."""
        return self.generation, self.number


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Checkpoint).decode
_decode_past = msgspec.msgpack.Decoder(dict[str, Dumped]).decode


class Journal:
    """What is said and written beside the checkpoints, over one store.

    Attributes:
        states: The checkpoints themselves.
    """

    def __init__(self, store: Store, errors: ErrorLog, silences: Silences) -> None:
        """Keep *silences* at what people said in any worker."""
        self._store, self._errors, self._silences = store, errors, silences
        self.states = Channel(
            store,
            STATE,
            _decode,
            on_newer=self._hear,
            on_damaged=self._report,
            most_read=500,
            enough=ENOUGH,
        )
        store.control.on(SAID, self._on_said)

    def forget(self) -> None:
        """Know nothing: in a forked child, or when the store begins anew."""
        self.states.forget()

    def find(self) -> Checkpoint | None:
        """Return the newest checkpoint there is, heard or written; reads files."""
        found = self.states.newest()
        for record in self._store.texts.read(SAID, limit=500):
            self._on_said(record)
        if found is not None:
            self.states.take(found)
        return found

    def say(self, said: Silence | Acknowledgement) -> bool:
        """Tell all workers, this one first, what somebody said; return whether the others could be told."""
        kind = "silence" if isinstance(said, Silence) else "acknowledgement"
        payload = {kind: msgspec.to_builtins(said)}
        self._on_said(payload)
        self._store.texts.append(SAID, payload)
        return self._store.control.append(SAID, payload)

    def _on_said(self, payload: dict[str, Any]) -> None:
        with self._errors.guarded("alerts", "a silence cannot be read"):
            if "silence" in payload:
                self._silences.put(msgspec.convert(payload["silence"], Silence))
            if "acknowledgement" in payload:
                self._silences.acknowledge(msgspec.convert(payload["acknowledgement"], Acknowledgement))

    def _hear(self, checkpoint: Checkpoint) -> None:
        for silence in checkpoint.silences:
            self._silences.put(silence)
        for acknowledgement in checkpoint.acknowledgements:
            self._silences.acknowledge(acknowledgement)

    def record(self, record: AlertRecord) -> None:
        """Add *record* to the history."""
        self._store.texts.append(RECORD, msgspec.to_builtins(record), at=record.at)

    def history(self, limit: int) -> list[AlertRecord]:
        """Return the latest *limit* records of all workers, newest first; reads files."""
        read = self._store.texts.read(RECORD, limit=limit)
        return [msgspec.convert(each, AlertRecord) for each in read]

    def keep_past(self, pasts: dict[str, Dumped]) -> None:
        """Write the samples of metrics whose rules look far back."""
        body = zlib.compress(_encode(pasts), 1)
        if len(body) <= PART:
            self._store.texts.append(PAST, {"body": body})
        else:
            what = f"the samples of {len(pasts)} metrics do not fit and are not kept"
            self._errors.warn("alerts", "past_too_large", what)

    def past(self) -> dict[str, Dumped]:
        """Return the samples that were written last."""
        for record in self._store.texts.read(PAST, limit=1):
            with self._errors.guarded("alerts", "the samples of the last leader cannot be read"):
                return _decode_past(zlib.decompress(record["body"]))
        return {}

    def _report(self, error: Exception) -> None:
        self._errors.report("alerts", error, doing="a state of the alerts cannot be read")
