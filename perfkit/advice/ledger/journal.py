"""The journal: what the leader's ledger knows, told to all workers and kept for its successor; and what people said.

The ledger travels as checkpoints, the newest of which counts. What people say (snooze, reopen, this is release 2.8.1)
is a record with the time at which it was said, and the newest one counts: so workers may learn of them in any order,
twice, or from a file, and agree.
"""

from __future__ import annotations

from typing import Any

import msgspec

from perfkit.advice.ledger.record import Record, Release
from perfkit.core.errors import ErrorLog
from perfkit.core.status import Status
from perfkit.store import Store
from perfkit.store.checkpoints import Channel, Order

__all__ = ["SAID", "STATE", "Checkpoint", "Journal", "Snooze"]

STATE = "advice.state"
SAID = "advice.said"

MOST_SNOOZES = 500
MOST_RELEASES = 50
ENOUGH = 4
"""Complete states that are looked at: they are read from the newest on, but by a clock that may have been set back."""


class Snooze(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody does not want to hear of a finding; `until` and `at`, when it was said, are Unix seconds.

    One that ends before it was said opens the finding again.
    """

    fingerprint: str
    until: float
    at: float


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The whole ledger at a moment.

    Attributes:
        generation, number: The higher one is the newer one; generations before numbers.
        at: Unix seconds.
        band: Of the score, so that it does not flicker whoever answers.
    """

    generation: int
    number: int
    at: float
    records: list[Record] = []
    snoozes: list[Snooze] = []
    releases: list[Release] = []
    band: Status = Status.UNKNOWN

    @property
    def order(self) -> Order:
        """Of two checkpoints the one with the higher order is the newer."""
        return self.generation, self.number


_decode = msgspec.msgpack.Decoder(Checkpoint).decode


class Journal:
    """What was said, beside the checkpoints. What it holds is set by whichever thread hears a command.

    Attributes:
        states: The checkpoints themselves.
        snoozes: By fingerprint.
        releases: Of the app, the latest last.
        switched: The release that somebody said runs from now on; None while nobody did.
        band: Of the last score that any worker made.
    """

    def __init__(self, store: Store, errors: ErrorLog) -> None:
        """Listen to what other workers tell through *store*."""
        self._store, self._errors = store, errors
        self.states = Channel(
            store,
            STATE,
            _decode,
            on_newer=self._hear,
            on_damaged=self._report,
            most_read=200,
            enough=ENOUGH,
        )
        self.forget()
        store.control.on(SAID, self._on_said)

    def forget(self) -> None:
        """Know nothing: in a forked child."""
        self.states.forget()
        self.snoozes: dict[str, Snooze] = {}
        self.releases: tuple[Release, ...] = ()
        self.switched: Release | None = None
        self.band = Status.UNKNOWN

    def find(self) -> Checkpoint | None:
        """Return the newest checkpoint there is, heard or written; reads files."""
        found = self.states.newest()
        for record in reversed(self._store.texts.read(SAID, limit=500)):
            self._on_said(record)
        if found is not None:
            self.states.take(found)
        return found

    def say(self, said: Snooze | Release, *, is_switch: bool = False) -> bool:
        """Tell all workers, this one first, what somebody said; return whether the others could be told.

        Args:
            said: What.
            is_switch: Of a release: the workers that run now are of it from now on.
        """
        payload: dict[str, Any] = {"snooze" if isinstance(said, Snooze) else "release": msgspec.to_builtins(said)}
        if is_switch:
            payload["switch"] = True
        self._on_said(payload)
        self._store.texts.append(SAID, payload)
        return self._store.control.append(SAID, payload)

    def say_band(self, band: Status) -> None:
        """Tell all workers the band of a score."""
        self.band = band
        self._store.control.append(SAID, {"band": str(band)})

    def _on_said(self, payload: dict[str, Any]) -> None:
        with self._errors.guarded("advice", "what was said of a finding cannot be read"):
            if "snooze" in payload:
                self._snooze(msgspec.convert(payload["snooze"], Snooze))
            if "band" in payload:
                self.band = Status(payload["band"])
            if "release" in payload:
                release = msgspec.convert(payload["release"], Release)
                self._mark(release)
                if payload.get("switch") and (self.switched is None or release.at >= self.switched.at):
                    self.switched = release

    def _snooze(self, snooze: Snooze) -> None:
        known = self.snoozes.get(snooze.fingerprint)
        if known is None or known.at < snooze.at:
            kept = {**self.snoozes, snooze.fingerprint: snooze}
            self.snoozes = dict(sorted(kept.items(), key=lambda item: item[1].at)[-MOST_SNOOZES:])

    def _mark(self, release: Release) -> None:
        """Take *release* into the list, where it differs from the one before it and the one after it."""
        marks = sorted({*((each.at, each.name) for each in self.releases), (release.at, release.name)})
        changes = [mark for at, mark in enumerate(marks) if at == 0 or marks[at - 1][1] != mark[1]]
        self.releases = tuple(Release(name=name, at=at) for at, name in changes[-MOST_RELEASES:])

    def _hear(self, checkpoint: Checkpoint) -> None:
        for snooze in checkpoint.snoozes:
            self._snooze(snooze)
        for release in checkpoint.releases:
            self._mark(release)
        if self.band is Status.UNKNOWN:
            self.band = checkpoint.band

    def _report(self, error: Exception) -> None:
        self._errors.report("advice", error, doing="a state of the findings cannot be read")
