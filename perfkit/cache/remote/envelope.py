"""How a value lies on the server: what it depends on, how long it is good, and its bytes.

A value is valid while every version in it is still the one on the server: that of everything, of its namespace and of
each of its tags. A version is some random bytes. To invalidate means to delete it, which works on a full server too;
who writes next makes a new one. A version that is lost or evicted makes values invalid, never valid.

The first byte tells a value from a tombstone, which stands where a key was deleted for as long as a load that began
before may go on; the next eight bytes are different for each write, so that a load stores its result only over what it
saw when it began.

A server that was restarted or promoted may have lost the last invalidations, so each value also names the run of the
server that it was written to, and is valid on no other.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

import msgspec

from perfkit.cache.values.codec import Codec, MsgpackCodec, PickleCodec
from perfkit.cache.values.packing import compress, decompress
from perfkit.core.errors import CacheError

__all__ = ["TOKEN", "Envelope", "Sealing", "is_value", "open_envelope", "seal", "token_of", "tombstone"]

VALUE, TOMBSTONE = b"\x01", b"\x00"
TOKEN = 9
"""Bytes at the beginning of each entry that differ from write to write."""

WORTH_COMPRESSING = 2048
"""Bytes from which on a value is compressed: on the way over a network it pays earlier than in memory."""

RAW = b"\x00"

LONGEST = 1e10
"""Seconds that no time in an envelope exceeds: 300 years."""


class Envelope(msgspec.Struct, array_like=True, frozen=True):
    """A value with all that it depends on.

    Attributes:
        server: The run of the server that it was written to.
        everything: Version of all values.
        space: Version of its namespace.
        tags: Its tags, each with its version.
        keep_stale: Seconds at the end of its life in which it is no longer fresh.
        sliding: Seconds by which each look-up renews it; 0 for none.
        cost: Seconds that it took to load.
        is_pickled: Its bytes are a signed pickle.
        data: The bytes.
    """

    server: str
    everything: bytes
    space: bytes
    tags: list[tuple[str, bytes]]
    keep_stale: float
    sliding: float
    cost: float
    is_pickled: bool
    data: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode


class Sealing:
    """Makes values into bytes and back. What msgpack cannot carry is pickled if there is a secret to sign it with."""

    def __init__(self, secret: str | None) -> None:
        """Sign pickles with *secret*; without one there are none."""
        self._secret = None if secret is None else secret.encode()
        self._plain: Codec = MsgpackCodec()

    def pack(self, name: bytes, value: Any) -> tuple[bool, bytes]:
        """Return whether *value*, to be stored as *name*, was pickled, and its bytes.

        Raises:
            CacheError: It cannot leave this process.
        """
        try:
            is_pickled, data = False, self._plain.encode(value)
        except CacheError:
            if self._secret is None:
                raise
            is_pickled, data = True, self._pickle(name).encode(value)
        return is_pickled, compress(data) if len(data) >= WORTH_COMPRESSING else RAW + data

    def unpack(self, name: bytes, envelope: Envelope) -> Any:
        """Return the value in *envelope*, found as *name*.

        Raises:
            CacheError: It is damaged, or pickled and not signed with our secret for this very name.
        """
        data = decompress(envelope.data)
        if not envelope.is_pickled:
            return self._plain.decode(data)
        if self._secret is None:
            raise CacheError(
                "A pickled value was found. No cache.redis_pickle_key is set. Set the one it was signed with."
            )
        return self._pickle(name).decode(data)

    def _pickle(self, name: bytes) -> PickleCodec:
        # A key for each name: a value that is moved to another name does not fit there.
        return PickleCodec(hmac.digest(self._secret or b"", name, hashlib.sha256))


def seal(envelope: Envelope) -> bytes:
    """Return *envelope* as it is stored."""
    return VALUE + os.urandom(TOKEN - 1) + _encode(envelope)


def open_envelope(raw: bytes | None) -> Envelope | None:
    """Return the envelope in *raw*; None if it is a tombstone, damaged or missing."""
    if raw is None or raw[:1] != VALUE:
        return None
    try:
        envelope = _decode(raw[TOKEN:])
    except msgspec.MsgspecError:
        return None
    # Others may write to the server; what is no time would stay in our sums for ever.
    times = (envelope.keep_stale, envelope.sliding, envelope.cost)
    return envelope if all(0.0 <= each <= LONGEST for each in times) else None


def tombstone() -> bytes:
    """Return what stands for a key that was just deleted."""
    return TOMBSTONE + os.urandom(TOKEN - 1)


def token_of(raw: bytes | None) -> bytes:
    """Return what tells this write from all others; empty if there is nothing."""
    return b"" if raw is None else raw[:TOKEN]


def is_value(beginning: bytes) -> bool:
    """Return whether what begins with *beginning* is a value."""
    return beginning[:1] == VALUE
