"""Large values made small: compressed only where that pays, and never more than was asked for when unpacked.

zstd where the interpreter or a package brings it, zlib otherwise. A value that does not shrink by a tenth stays as it
is: a hit would pay for nothing.
"""

from __future__ import annotations

import importlib
import zlib
from typing import Any

from perfkit.cache.values.codec import Codec, MsgpackCodec
from perfkit.cache.values.sizes import estimate
from perfkit.core.errors import CacheError

__all__ = ["Packed", "Packing", "compress", "decompress"]

RAW, ZLIB, ZSTD = 0, 1, 2

WORTH = 0.9
"""Share of its size that a compressed value may have at most; else it is kept as it is."""

LARGEST = 256 * 1024 * 1024
"""Bytes that one value may have when unpacked. Some bytes can claim to be much more."""

OVERHEAD = 64
"""Bytes that an object needs besides what it holds."""


class Packed:
    """A value kept as bytes; its class tells it from a user's own bytes."""

    __slots__ = ("data", "kind")

    def __init__(self, data: bytes, kind: str) -> None:
        """Hold *data*, which is of *kind*: bytes, str or what the codec made."""
        self.data, self.kind = data, kind


class Packing:
    """How the values of a cache are kept in memory.

    Attributes:
        is_plain: All are kept as the objects that they are.
        is_bare: And nobody looks at their size.
    """

    __slots__ = ("_codec", "_compresses", "_inner", "_sizes", "_threshold", "is_bare", "is_plain")

    def __init__(self, codec: Codec | None, *, compression: bool, threshold: int, sizes: bool) -> None:
        """Keep objects as they are without a *codec*, compress from *threshold* bytes on, find out *sizes* if asked."""
        self._codec = codec
        self._inner: Codec = codec or MsgpackCodec()
        self._compresses, self._threshold, self._sizes = compression, threshold, sizes
        self.is_plain = codec is None and not compression
        self.is_bare = self.is_plain and not sizes

    def pack(self, value: Any) -> tuple[Any, int]:
        """Return what is kept of *value*, and the bytes it counts for.

        Raises:
            CacheError: The codec that was asked for cannot carry it.
        """
        size = 0
        if self._codec is not None:
            data, kind = self._codec.encode(value), "codec"
        elif not self._compresses:
            return value, estimate(value) if self._sizes else 0
        else:
            size = estimate(value)
            if size < self._threshold:
                return value, size
            try:
                data, kind = _as_bytes(value, self._inner)
            except CacheError:
                return value, size
        if self._compresses and len(data) >= self._threshold:
            small = compress(data)
            if small[0] != RAW:
                return Packed(small, kind), len(small) + OVERHEAD
        if self._codec is None:
            return value, size
        return Packed(bytes((RAW,)) + data, kind), len(data) + OVERHEAD

    def unpack(self, packed: Packed) -> Any:
        """Return the value of *packed*."""
        data = decompress(packed.data)
        if packed.kind == "bytes":
            return data
        if packed.kind == "str":
            return data.decode("utf-8", "surrogatepass")
        return self._inner.decode(data)


def _as_bytes(value: Any, codec: Codec) -> tuple[bytes, str]:
    if type(value) is bytes:
        return value, "bytes"
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass"), "str"
    return codec.encode(value), "codec"


def compress(data: bytes) -> bytes:
    """Return *data* behind a byte that says how it is packed, smaller if that pays."""
    zstd = _zstd()
    small = zlib.compress(data, 1) if zstd is None else zstd.compress(data, 1)
    if len(small) > WORTH * len(data):
        return bytes((RAW,)) + data
    return bytes((ZLIB if zstd is None else ZSTD,)) + len(data).to_bytes(4, "big") + small


def decompress(data: bytes, largest: int = LARGEST) -> bytes:
    """Return what `compress` was given.

    Raises:
        CacheError: It is damaged, or larger than *largest* bytes.
    """
    kind = data[0] if data else -1
    if kind == RAW:
        return data[1:]
    length = int.from_bytes(data[1:5], "big")
    if kind not in (ZLIB, ZSTD) or length > largest:
        raise _damaged()
    try:
        if kind == ZLIB:
            unpacker = zlib.decompressobj()
            whole = unpacker.decompress(data[5:], length + 1)
        else:
            whole = _unpack_zstd(data[5:], length)
    except Exception as error:
        raise _damaged() from error
    if len(whole) != length:
        raise _damaged()
    return whole


def _unpack_zstd(data: bytes, length: int) -> bytes:
    zstd = _zstd()
    if zstd is None:
        raise _damaged()
    whole: bytes = zstd.ZstdDecompressor().decompress(data, length + 1)
    return whole


def _damaged() -> CacheError:
    return CacheError("A compressed value is damaged or too large. It must be what perfkit wrote. Load it anew.")


_found: list[Any] = []


def _zstd() -> Any:
    """Return the module that compresses with zstd; None where there is none."""
    if not _found:
        _found.append(None)
        for name in ("compression.zstd", "backports.zstd"):
            try:
                _found[0] = importlib.import_module(name)
            except ImportError:
                continue
            break
    return _found[0]
