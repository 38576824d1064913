"""Traces: made by chance with a fixed seed, and real ones read from a folder.

The real ones stay where they are, as their licences ask; without ``--traces`` the synthetic ones run alone.
"""

from __future__ import annotations

import gzip
import lzma
import random
import struct
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

__all__ = ["SYNTHETIC", "read_folder"]

REQUESTS = 200_000
KEYS = 20_000


def _zipf(chance: random.Random, exponent: float, keys: int, count: int) -> list[int]:
    weights = list(accumulate(1.0 / rank**exponent for rank in range(1, keys + 1)))
    return chance.choices(range(keys), cum_weights=weights, k=count)


def zipf(exponent: float) -> Callable[[int], list[int]]:
    """Independent requests, some keys far more popular than others."""
    return lambda count: _zipf(random.Random(1), exponent, KEYS, count)


def scanmix(count: int) -> list[int]:
    """Popular keys, and every now and then a scan over many that are asked for once."""
    chance = random.Random(2)
    popular = iter(_zipf(chance, 1.0, KEYS, count))
    trace: list[int] = []
    fresh = KEYS
    while len(trace) < count:
        trace.extend(next(popular) for _ in range(min(1500, count - len(trace))))
        trace.extend(range(fresh, fresh + 500))
        fresh += 500
    return trace[:count]


def loop(count: int) -> list[int]:
    """A loop over more keys than fit, with some popular keys in between: the worst that can happen to LRU."""
    chance = random.Random(3)
    popular = iter(_zipf(chance, 0.9, KEYS // 10, count))
    return [next(popular) if chance.random() < 0.2 else KEYS + number % 8000 for number in range(count)]


def shift(count: int) -> list[int]:
    """Popular keys that are others after each tenth of the time: yesterday's counts mislead."""
    chance, phases = random.Random(4), 10
    trace: list[int] = []
    for phase in range(phases):
        trace.extend(key + phase * KEYS for key in _zipf(chance, 1.1, KEYS, count // phases))
    return trace


def onehit(count: int) -> list[int]:
    """Popular keys, and as many requests again for keys that are asked for only once."""
    chance = random.Random(5)
    popular = _zipf(chance, 0.9, KEYS, count)
    return [KEYS + number if chance.random() < 0.5 else key for number, key in enumerate(popular)]


def recency(count: int) -> list[int]:
    """New keys all the time, each asked for again soon and then never more: the worst that can happen to LFU."""
    chance = random.Random(6)
    trace: list[int] = []
    for number in range(count):
        if not trace or chance.random() < 0.35:
            trace.append(number)
        else:
            trace.append(trace[-min(len(trace), 1 + int(chance.expovariate(1 / 400)))])
    return trace


SYNTHETIC: dict[str, Callable[[int], list[int]]] = {
    "zipf0.7": zipf(0.7),
    "zipf0.9": zipf(0.9),
    "zipf1.0": zipf(1.0),
    "zipf1.2": zipf(1.2),
    "scanmix": scanmix,
    "loop": loop,
    "shift": shift,
    "onehit": onehit,
    "recency": recency,
}
"""What makes a trace of that many requests."""


def read_folder(folder: Path) -> dict[str, list[int]]:
    """Return the traces in *folder*: one number a line (``.gz``), or 4-byte little-endian numbers (``.xz``)."""
    traces: dict[str, list[int]] = {}
    for path in sorted(folder.glob("*.trace.*")):
        name = path.name.partition(".")[0] + "*"
        if path.suffix == ".gz":
            with gzip.open(path, "rt") as lines:
                traces[name] = [int(line) for line in lines if line.strip().isdigit()]
        elif path.suffix == ".xz":
            with lzma.open(path) as packed:
                data = packed.read()
            traces[name] = [number for (number,) in struct.iter_unpack("<I", data[: len(data) // 4 * 4])]
    return traces
