"""Maglev hashing: a table of slots that all processes fill in the same way.

Source: Eisenbud et al., "Maglev: A fast and reliable software network load balancer", NSDI 2016, section 3.4. The
table has 100 slots or more for each server, so shares differ by less than 1 %, and of the keys of other servers few
move when one comes or goes. Python's own `hash` has another seed in each process, so it is never used.
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections.abc import Hashable, Sequence

__all__ = ["SIZES", "fill", "fingerprint", "size_for", "spread"]

SIZES = (65_537, 655_373, 6_553_621)
"""Primes: lengths of tables."""

SLOTS_PER_SERVER = 100
MASK = (1 << 64) - 1


def size_for(count: int) -> int:
    """Return the length of the table of *count* servers."""
    return next((size for size in SIZES if size >= SLOTS_PER_SERVER * count), SIZES[-1])


def fingerprint(key: Hashable) -> int:
    """Return 64 bits that follow from *key*, the same in every process: of text, bytes, or what `repr` says of others.

    A sum of 32 bits, mixed: fast, in the standard library, and more than a table has slots. Two keys with the same sum
    share a server, which they would by chance as well.
    """
    if isinstance(key, str):
        data = key.encode("utf-8", "surrogatepass")
    elif isinstance(key, bytes):
        data = key
    else:
        data = repr(key).encode("utf-8", "surrogatepass")
    # Two rounds of the mixing in `spread`, written out: this runs for every request with a key.
    value = (zlib.crc32(data) + 1) * 0x9E3779B97F4A7C15 & MASK
    value = (value ^ value >> 32) * 0xBF58476D1CE4E5B9 & MASK
    return value ^ value >> 32


def spread(value: int, step: int) -> int:
    """Return the *step*-th 64 bits that follow from *value* (the finalizer of SplitMix64)."""
    value = (value + (step + 1) * 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def fill(names: Sequence[str], weights: Sequence[float], size: int) -> array[int]:
    """Return the table: for each of *size* slots the place of a server in *names*.

    The order of *names* does not matter to who gets which slot.
    """
    order = sorted(range(len(names)), key=names.__getitem__)
    heaviest = max(weights)
    steps = [weights[place] / heaviest for place in order]
    starts, skips = [], []
    for place in order:
        digest = hashlib.blake2b(names[place].encode("utf-8", "surrogatepass"), digest_size=16).digest()
        starts.append(int.from_bytes(digest[:8], "big") % size)
        skips.append(int.from_bytes(digest[8:], "big") % (size - 1) + 1)
    table = array("i", [-1]) * size
    credit = [0.0] * len(order)
    left = size
    while True:
        for number, place in enumerate(order):
            credit[number] += steps[number]
            if credit[number] < 1.0:
                continue
            credit[number] -= 1.0
            slot, skip = starts[number], skips[number]
            while table[slot] >= 0:
                slot += skip
                if slot >= size:
                    slot -= size
            table[slot] = place
            starts[number] = slot
            left -= 1
            if not left:
                return table
