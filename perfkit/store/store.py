"""The store: every number of the service, counted here, read from anywhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Container, Hashable
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from perfkit.core.clock import Clock, SystemClock
from perfkit.core.errors import ErrorLog, MetricError
from perfkit.core.families import Definition, Family
from perfkit.core.names import ERRORS
from perfkit.store.backing.base import Backing
from perfkit.store.backing.fork import shares, watch
from perfkit.store.commands import Commands
from perfkit.store.ground import Ground
from perfkit.store.history.past import Past
from perfkit.store.history.ring import History
from perfkit.store.history.window import Window
from perfkit.store.layout import FINISHED, SINK, STARTED
from perfkit.store.lease import Lease
from perfkit.store.lock import LOCKS_FILES
from perfkit.store.series import updates
from perfkit.store.series.families import in_flight
from perfkit.store.series.rows import Row, check, clean, identity, other_labels
from perfkit.store.settings import StoreSettings
from perfkit.store.texts import Texts

__all__ = ["Store", "Worker"]

Update = Callable[[Any, Row, float], None]


class Worker(msgspec.Struct, frozen=True):
    """One worker, or what is left of one whose file nobody has taken over yet.

    Attributes:
        number: Its n, small and taken over by its successor.
        pid: Its process; 0 once it has closed its file.
        started_at: Unix seconds at which it opened its file.
        started: Exchanges begun, those of its predecessors included.
        finished: Exchanges ended.
    """

    number: int
    pid: int
    started_at: float
    is_alive: bool
    is_self: bool
    started: float
    finished: float


class Store:
    """The numbers of one service. Counts in memory until `open`, which finds out whether there are more workers.

    Thread-safe. Updates never wait; reads never make updates wait.

    Attributes:
        values: The slots of this worker. Read the attribute anew at every update: it is swapped when the store
            opens, closes or forks.
        control: Commands to all workers.
    """

    add: ClassVar[Update] = updates.as_needed(updates.add)
    observe: ClassVar[Update] = updates.as_needed(updates.observe)
    set: ClassVar[Update] = updates.as_needed(updates.set_)

    def __init__(
        self,
        settings: StoreSettings | None = None,
        *,
        service: str = "app",
        origin: str = "",
        clock: Clock | None = None,
        errors: ErrorLog | None = None,
    ) -> None:
        """Begin in memory; do no I/O.

        Args:
            settings: Where the numbers live and how many there may be.
            service: Name of the service; another name has other files.
            origin: The file that built the system. Stores of one service and origin in one process share
                their numbers while they are open; those without an origin do not.
            clock: For stamps and for what is due.
            errors: Where trouble is reported.
        """
        self.settings = settings if settings is not None else StoreSettings()
        self.service, self.origin = service, origin
        self.clock: Clock = clock or SystemClock()
        self._errors = errors or ErrorLog(clock=self.clock)
        self.control = Commands(errors=self._errors)
        self._rows: dict[tuple[str, tuple[str, ...]], Row] = {}
        self._definitions: dict[str, Definition] = {}
        self._begin()
        watch(self)

    def _begin(self) -> None:
        """Stand on memory of one's own, with new locks."""
        self._lifecycle = threading.RLock()
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self.is_open = False
        self._key: Hashable = None
        self._ground = Ground(self.settings, self.clock, self._errors)
        self._backing = self._ground.backing
        self.values = self._backing.values

    @property
    def is_shared(self) -> bool:
        """True while the numbers lie in files that all workers read."""
        return self._ground.backing.is_shared

    @property
    def degraded(self) -> str:
        """Why the store counts in memory though it should use files; empty if all is well."""
        return self._ground.degraded

    @property
    def directory(self) -> Path | None:
        """The directory of the shared files, None in memory."""
        return None if (shared := self._ground.shared) is None else shared.directory

    @property
    def number(self) -> int:
        """The n of this worker; 0 in memory."""
        return self._ground.backing.number

    @property
    def is_leader(self) -> bool:
        """Whether this worker does what only one of all should do."""
        return self._ground.lease.is_leader

    @property
    def lease(self) -> Lease:
        """The leadership."""
        return self._ground.lease

    @property
    def texts(self) -> Texts:
        """Texts that all workers can read."""
        return self._ground.texts

    @property
    def kept(self) -> Texts:
        """Kept exchanges of all workers."""
        return self._ground.kept

    @property
    def audit(self) -> Texts:
        """What people did to the service, of all workers."""
        return self._ground.audit

    @property
    def history(self) -> History:
        """What happened until now, second by second."""
        return self._ground.history

    @property
    def past(self) -> Past:
        """Any stretch of it with all buckets, and since when is measured anew."""
        return self._ground.past

    def open(self) -> None:
        """Find out whether there are other workers and share the numbers with them; what was counted goes along.

        Called again it does nothing. Where files cannot be used, it stays in memory; `degraded` and the log say why.
        """
        self._notice_fork()
        with self._lifecycle:
            if self.is_open:
                return
            self._reserve_errors()
            old = self._ground.backing
            self._ground = self._find_ground()
            if self._ground.backing is not old:
                self._point_to(self._ground.backing)
                self._ground.settle_from(old)
            self._ground.movers.append(self._point_to)
            self.control.twins = self._ground.twins
            self.control.twins.append(self.control)
            self._follow_commands()
            self.is_open = True

    def close(self) -> None:
        """Leave the shared files to the next worker and count in memory again. Called again it does nothing."""
        self._notice_fork()
        with self._lifecycle:
            if not self.is_open:
                return
            self.is_open = False
            self.control.leave()
            ground, key = self._ground, self._key
            self._key = None
            if key is None or shares.leave(key, self):
                ground.close()
                ground.movers.remove(self._point_to)
                return
            ground.movers.remove(self._point_to)
            self._ground = Ground(self.settings, self.clock, self._errors)
            self._point_to(self._ground.backing)

    def define(self, definition: Definition) -> Definition:
        """Announce a metric and return it; counts nothing. Called again with the same one it does nothing.

        Raises:
            MetricError: Another metric has this name, or the definition cannot be kept.
        """
        known = self._definitions.get(definition.name)
        if known is definition:
            return known
        with self._lock:
            known = self._definitions.get(definition.name)
            if known is None:
                check(definition)
                known = self._definitions[definition.name] = definition
            elif identity(known) != identity(definition):
                raise MetricError(_clash(known, definition))
        return known

    def row(self, definition: Definition, labels: tuple[str, ...] = ()) -> Row:
        """Return the series of *labels*, made if it is new; where there is no room, the family's series `_other`.

        Raises:
            MetricError: The number of labels does not fit, or another metric has this name.
        """
        row = self._rows.get((definition.name, labels))
        if row is not None and row.definition is definition:
            return row
        definition = self.define(definition)
        if len(labels) != len(definition.labels):
            raise MetricError(
                f"{definition.name} was given the label values {labels!r}. It has the labels {definition.labels!r}. "
                "Give one value for each."
            )
        labels = clean(labels)
        with self._lock:
            row = self._rows.get((definition.name, labels))
            return row if row is not None else self._make_row(definition, labels)

    def _make_row(self, definition: Definition, labels: tuple[str, ...]) -> Row:
        place = self._backing.place([(definition, labels)])[0]
        if not place.fits:
            labels = other_labels(definition) or labels
            row = self._rows.get((definition.name, labels))
            if row is not None:
                return row
        row = self._rows[definition.name, labels] = Row(definition, labels, place.slot)
        return row

    def families(
        self, names: Container[str] | None = None, *, detailed: bool = False, polite: bool = False
    ) -> list[Family]:
        """Return the metrics of all workers together. Never raises; costs about 0.2 ms a worker.

        Args:
            names: Only these; None is all. A family without any point is left out.
            detailed: Histograms with all the buckets that are kept, instead of those that are defined.
            polite: Give way to other threads every few rows: for callers that nobody waits for.
        """
        return self._ground.families(names, detailed=detailed, polite=polite)

    def per_worker(self, *names: str) -> list[tuple[int, Family]]:
        """Return the metrics *names* of each worker with its n; gauges of live workers only.

        Ask for several at once: each call reads the files of all workers.
        """
        return self._ground.per_worker(names)

    def workers(self) -> list[Worker]:
        """Return all workers in the order of their n; who is alive may be a second old."""
        return [
            Worker(
                number=reading.number,
                pid=reading.pid,
                started_at=reading.started_at,
                is_alive=reading.is_alive,
                is_self=reading.is_self,
                started=reading.fixed[STARTED],
                finished=reading.fixed[FINISHED],
            )
            for reading in self._ground.readings()
        ]

    def in_flight(self) -> int:
        """Return the exchanges under way in all live workers."""
        return int(in_flight(self._ground.readings()))

    def window(self, seconds: float) -> Window:
        """Return the request durations of the last *seconds* of all workers, with all buckets."""
        return self._ground.past.window(seconds)

    def tick(self, now: float) -> None:
        """Do what is due once a second, at *now* monotonic seconds: sign of life, commands, the leader's work."""
        self._notice_fork()
        self._ground.tick(now)
        if self.is_open:
            self._follow_commands()
        self.control.poll()

    def _find_ground(self) -> Ground:
        """Return what to stand on from now on."""
        if self.settings.mode == "memory":
            return self._ground
        try:
            return self._join(self._find_directory())
        except OSError as error:
            self._ground.degraded = reason = f"the shared files cannot be used, this worker counts alone: {error}"
        self._errors.warn("store", "degraded", reason)
        return self._ground

    def _join(self, directory: Callable[[], Path] | None) -> Ground:
        """Return the ground of *directory*, shared with the other stores of our service and origin."""

        def make() -> Ground:
            if directory is not None:
                self._ground.open(directory)
            return self._ground

        if not self.origin:
            return make()
        key = (self.service, self.origin, self.settings.directory)
        ground: Ground = shares.join(key, self, make)
        self._key = key
        return ground

    def _reserve_errors(self) -> None:
        """Have room for errors before there is one: the first may be that the disk is full."""
        with self._errors.guarded("store", "errors may not be counted"):
            self.row(ERRORS, other_labels(ERRORS) or ())

    def _find_directory(self) -> Callable[[], Path] | None:
        """Return what makes or finds the directory of the files; None if there is only this process."""
        if not LOCKS_FILES:
            return None
        from perfkit.store.backing import directory
        from perfkit.store.backing.identity import find_server

        configured = self.settings.directory
        if configured:
            return lambda: directory.configured_directory(configured)
        server = find_server()
        if server is None:
            return None
        return lambda: directory.server_directory(directory.choose_root(), server, self.service, self.origin)

    def _point_to(self, backing: Backing) -> None:
        """Let `values` and all rows point to the slots of *backing*. No update ever meets another row's slots."""
        with self._lock:
            rows = list(self._rows.values())
            places = backing.place([(row.definition, row.labels) for row in rows])
            if self._backing.is_shared or not backing.is_shared:
                for row in rows:
                    row.index = SINK
                self.values = backing.values
            # From memory to files nothing is lost: see `perfkit.store.backing.memory`.
            for row, place in zip(rows, places, strict=True):
                row.index = place.slot
            self.values = backing.values
            self._backing = backing

    def _follow_commands(self) -> None:
        with self._errors.guarded("store", "commands cannot be shared with the other workers"):
            self.control.follow(self._ground.shared)

    def _notice_fork(self) -> None:
        """Do what the fork handler does, where a server forked without Python's knowledge."""
        if self._pid != os.getpid():
            self.after_fork()

    def after_fork(self) -> None:
        """In a forked child: let go of the parent's slots and begin with zeros in memory, not open."""
        ground = self._ground
        self._begin()  # first: whatever fails then, nothing is counted in the parent's slots
        self._point_to(self._ground.backing)
        with self._errors.guarded("store", "a forked child could not let go of what it inherited"):
            self.control.release_after_fork()
        with self._errors.guarded("store", "a forked child could not let go of what it inherited"):
            if ground.pid != os.getpid():
                ground.pid = os.getpid()
                ground.release_after_fork()


def _clash(known: Definition, definition: Definition) -> str:
    names = ("type", "labels", "unit", "boundaries", "detailed", "mode")
    wrong = next(name for name in names if getattr(known, name) != getattr(definition, name))
    was, is_now = (_plain(getattr(each, wrong)) for each in (known, definition))
    return (
        f"{definition.name} is defined with {wrong} {is_now}. It was defined with {wrong} {was} before. "
        "Use the same definition everywhere, or another name."
    )


def _plain(value: object) -> str:
    return value.value if isinstance(value, StrEnum) else str(value)
