"""All buckets of the request duration at moments of the past, for exact percentiles over any window.

A snapshot is cumulative: what was counted until its moment. The difference of now and the snapshot of an hour
ago is that hour, for each series, exact to the bucket. They are kept densely for five minutes and ever more
thinly up to a month (`LADDER`), some 72 in all. ``snapshots.bin`` is replaced whole by the leader (written
beside and renamed), so that a reader has either the old or the new file; each record has a checksum of its own.
"""

from __future__ import annotations

import os
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from perfkit.core.errors import ErrorLog

__all__ = ["LADDER", "PERIOD", "Buckets", "Labels", "Snapshot", "Snapshots", "thin"]

PERIOD = 30.0
"""Seconds between two snapshots."""

Ladder = tuple[tuple[float, float], ...]

LADDER: Ladder = ((330.0, 30.0), (3_900.0, 300.0), (90_000.0, 3_600.0), (2_700_000.0, 108_000.0))
"""Up to this age (seconds), one snapshot in each of these steps (seconds). Each step divides the next one."""

MARK = b"\xc1SN1"
HEADER = struct.Struct("<4sdII")
"""Mark, Unix seconds, length and crc32 of the compressed body."""
DECODED = 4
"""Snapshots kept unpacked: one for each window that people look at."""

Labels = tuple[str, ...]


class Buckets(NamedTuple):
    """One histogram: counts per bucket, never changed once they are here, and the sum of its observations.

    The counts that are kept are arrays: a list of floats takes four times as much.
    """

    counts: Sequence[float]
    sum: float


class Snapshot(NamedTuple):
    """All histograms at a moment (Unix seconds)."""

    at: float
    series: Mapping[Labels, Buckets]


class _Row(msgspec.Struct, array_like=True):
    labels: Labels
    counts: bytes
    sum: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Row]).decode


class Snapshots:
    """The snapshots of one service, in memory or in a file. The leader takes them, all read.

    Attributes:
        corrupt: Damaged records that were met in the file.
    """

    def __init__(
        self,
        *,
        retention: float = 2_592_000.0,
        errors: ErrorLog | None = None,
        file_name: str = "snapshots.bin",
        ladder: Ladder = LADDER,
    ) -> None:
        """Keep snapshots for *retention* seconds, as densely as *ladder* says, and the last one before."""
        self._retention, self._file_name, self._ladder = retention, file_name, ladder
        self._errors = errors or ErrorLog()
        self.corrupt = 0
        self._to_memory()

    def _to_memory(self) -> None:
        self._path: Path | None = None
        self._memory: dict[float, bytes] = {}
        # Both in one step, as several threads read.
        self._listed: tuple[tuple[int, int, int], list[float]] = ((0, 0, 0), [])
        self._decoded: dict[float, Snapshot] = {}

    def open(self, directory: Path) -> None:
        """Use the file in *directory* from now on; what was in memory is forgotten. No I/O."""
        self._to_memory()
        self._path = directory / self._file_name

    def close(self) -> None:
        """Go back to memory, empty."""
        self._to_memory()

    release_after_fork = close

    def times(self) -> list[float]:
        """Return the Unix seconds of all snapshots, oldest first. Never raises."""
        if self._path is None:
            return sorted(self._memory)
        with self._errors.guarded("store", "the snapshots could not be read"):
            signature = _signature(self._path)
            if signature != self._listed[0]:
                self._listed = signature, sorted(self._bodies())
        return self._listed[1]

    def take(self, at: float, series: Mapping[Labels, Buckets]) -> None:
        """Keep *series* as of *at* (Unix seconds) and thin out the old ones; only the leader does.

        Raises:
            OSError: The file could not be replaced; the old one stays.
        """
        bodies = self._bodies()
        bodies[at] = _pack(series)
        kept = thin(sorted(bodies), at, self._retention, self._ladder)
        self._replace({moment: bodies[moment] for moment in kept})

    def keep(self, at: float, series: Mapping[Labels, Buckets], most: int) -> None:
        """Keep *series* as of *at* (Unix seconds) beside the *most* - 1 latest, however old they get.

        Raises:
            OSError: The file could not be replaced; the old one stays.
        """
        bodies = {**self._bodies(), at: _pack(series)}
        self._replace({moment: bodies[moment] for moment in sorted(bodies)[-most:]})

    def drop(self, at: float) -> None:
        """Forget the snapshot of *at*, where there is one.

        Raises:
            OSError: The file could not be replaced; the old one stays.
        """
        self._replace({moment: body for moment, body in self._bodies().items() if moment != at})

    def clear(self) -> None:
        """Forget all: the numbers began anew.

        Raises:
            OSError: The file could not be replaced.
        """
        self._replace({})

    def nearest(self, at: float, *, before: float = float("inf")) -> Snapshot | None:
        """Return the snapshot nearest to *at* among those until *before* (both Unix seconds).

        If none is so old, it is the oldest of all; None without any. Never raises.
        """
        times = self.times()
        candidates = [moment for moment in times if moment <= before] or times[:1]
        while candidates:
            best = min(candidates, key=lambda moment: abs(moment - at))
            snapshot = self._snapshot(best)
            if snapshot is not None:
                return snapshot
            candidates.remove(best)
        return None

    def _snapshot(self, at: float) -> Snapshot | None:
        snapshot = self._decoded.get(at)
        if snapshot is None:
            with self._errors.guarded("store", "a snapshot could not be read"):
                body = self._bodies().get(at)
                if body is not None:
                    snapshot = Snapshot(at, _unpack(body))
                    # Another dict, as others look through it meanwhile.
                    latest = list(self._decoded.items())[1 - DECODED :]
                    self._decoded = {**dict(latest), at: snapshot}
        return snapshot

    def _bodies(self) -> dict[float, bytes]:
        if self._path is None:
            return dict(self._memory)
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        bodies, self.corrupt = _split(data)
        return bodies

    def _replace(self, bodies: dict[float, bytes]) -> None:
        self._decoded = {at: snapshot for at, snapshot in self._decoded.items() if at in bodies}
        if self._path is None:
            self._memory = bodies
            return
        beside = self._path.with_name(f"{self._path.stem}.{os.getpid()}.tmp")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            with open(os.open(beside, flags, 0o600), "wb") as file:
                file.write(b"".join(_records(bodies)))
            os.replace(beside, self._path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise


def thin(times: list[float], now: float, retention: float = 2_592_000.0, ladder: Ladder = LADDER) -> list[float]:
    """Return those of the ascending *times* that the *ladder* keeps at *now*: the first of each step."""
    kept = []
    taken: set[tuple[float, float]] = set()
    for at in times:
        age = now - at
        step = next((step for span, step in ladder if age <= span), None)
        is_first = step is not None and (step, at // step) not in taken
        # One that is dropped here was still the first of its finer steps: nobody may move up into its place.
        taken.update((each, at // each) for _, each in ladder)
        if is_first and age <= retention * 1.05 + PERIOD:
            kept.append(at)
    return kept


def _pack(series: Mapping[Labels, Buckets]) -> bytes:
    rows = [_Row(labels, array("d", buckets.counts).tobytes(), buckets.sum) for labels, buckets in series.items()]
    return zlib.compress(_encode(rows), 1)


def _unpack(body: bytes) -> dict[Labels, Buckets]:
    return {row.labels: Buckets(array("d", row.counts), row.sum) for row in _decode(zlib.decompress(body))}


def _signature(path: Path) -> tuple[int, int, int]:
    """Return what changes when the file is replaced; zeros if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _records(bodies: Mapping[float, bytes]) -> Iterator[bytes]:
    for at in sorted(bodies):
        body = bodies[at]
        yield HEADER.pack(MARK, at, len(body), zlib.crc32(body))
        yield body


def _split(data: bytes) -> tuple[dict[float, bytes], int]:
    """Return the sound records of a file by time, and the number of damaged ones."""
    bodies: dict[float, bytes] = {}
    corrupt = 0
    at = 0
    while at + HEADER.size <= len(data):
        mark, moment, length, crc = HEADER.unpack_from(data, at)
        start = at + HEADER.size
        body = data[start : start + length]
        if mark == MARK and len(body) == length and zlib.crc32(body) == crc:
            bodies[moment] = body
            at = start + length
            continue
        corrupt += 1
        at = data.find(MARK, at + 1)
        if at < 0:
            break
    return bodies, corrupt
