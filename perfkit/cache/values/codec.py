"""Values as bytes: what leaves the process, what is compressed, and what should come back as a copy.

A first byte says how the rest is to be read, so that data written with one setting is read with another. MessagePack
carries more than JSON here: tuples, sets, dates, decimals, UUIDs and large integers come back as what they were.
Pickle runs code when it is read: it is used only where asked for, and outside of this process only signed.
"""

from __future__ import annotations

import datetime
import decimal
import hashlib
import hmac
import pickle
import uuid
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from perfkit.core.errors import CacheError

__all__ = ["Codec", "JsonCodec", "MsgpackCodec", "PickleCodec", "codec_of"]

TUPLE, SET, FROZENSET, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID, INTEGER, COMPLEX, BYTEARRAY = range(1, 13)

PLAIN = frozenset({str, bytes, float, bool, type(None)})
SIGNATURE = 32
DEEPEST = 100
"""Levels of containers in containers; a value that contains itself has no end."""


UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError)
"""What bytes that are not ours make of a decoder: dates and decimals out of range and levels without end among them."""


class Codec(Protocol):
    """Turns values into bytes and back."""

    def encode(self, value: Any) -> bytes:
        """Return *value* as bytes.

        Raises:
            CacheError: This codec cannot carry it.
        """
        ...

    def decode(self, data: bytes) -> Any:
        """Return what `encode` was given.

        Raises:
            CacheError: That is nothing that this codec wrote.
        """
        ...


class JsonCodec:
    """JSON: what other languages read. Only what comes back as it was is taken: no tuples, sets or dates."""

    def encode(self, value: Any) -> bytes:
        """Return *value* as JSON."""
        _check_json(value, 0)
        try:
            return msgspec.json.encode(value)
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
            raise _cannot(value, "json") from error

    def decode(self, data: bytes) -> Any:
        """Return the value of *data*."""
        try:
            return msgspec.json.decode(data)
        except UNREADABLE as error:
            raise _unreadable("json") from error


class MsgpackCodec:
    """MessagePack with the types of the standard library that are usual as data."""

    def encode(self, value: Any) -> bytes:
        """Return *value* as MessagePack."""
        try:
            return msgspec.msgpack.encode(_tagged(value, 0))
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
            raise _cannot(value, "msgpack") from error

    def decode(self, data: bytes) -> Any:
        """Return the value of *data*."""
        try:
            return _decode(data)
        except UNREADABLE as error:
            raise _unreadable("msgpack") from error


class PickleCodec:
    """Pickle: any object. With a key each text is signed, and a wrong signature is refused before anything is read."""

    def __init__(self, key: bytes | None = None) -> None:
        """Sign with *key*; None is right only for bytes that never leave this process."""
        self._key = key

    def encode(self, value: Any) -> bytes:
        """Return *value* as pickle, behind its signature."""
        try:
            data = pickle.dumps(value, protocol=5)
        except Exception as error:  # pickle raises what the object's own methods raise
            raise _cannot(value, "pickle") from error
        return data if self._key is None else _signature(self._key, data) + data

    def decode(self, data: bytes) -> Any:
        """Return the object of *data*."""
        if self._key is not None:
            signature, data = data[:SIGNATURE], data[SIGNATURE:]
            if not hmac.compare_digest(signature, _signature(self._key, data)):
                raise _unreadable("pickle")
        try:
            return pickle.loads(data)  # ours: it never left the process, or it is signed
        except Exception as error:
            raise _unreadable("pickle") from error


def codec_of(name: str) -> Codec | None:
    """Return the codec of a setting; None for ``raw``: the object itself is kept."""
    makers: dict[str, Callable[[], Codec]] = {"msgpack": MsgpackCodec, "json": JsonCodec, "pickle": PickleCodec}
    if name == "raw":
        return None
    if name not in makers:
        raise CacheError(f"The codec {name!r} does not exist. There are raw, {', '.join(makers)}. Use one of them.")
    return makers[name]()


def _signature(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.sha256)


def _cannot(value: Any, codec: str) -> CacheError:
    return CacheError(
        f"A value of type {type(value).__name__} holds something that {codec} cannot carry. Values must come back as "
        "they were. Store plain data, or choose another codec."
    )


def _unreadable(codec: str) -> CacheError:
    return CacheError(
        f"The cached bytes are no {codec} that perfkit wrote. They were damaged or written by others. "
        "Load the value anew."
    )


def _check_json(value: Any, depth: int) -> None:
    kind = type(value)
    if depth > DEEPEST:
        raise _cannot(value, "json")
    if kind is list:
        for item in value:
            _check_json(item, depth + 1)
    elif kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise _cannot(value, "json")
            _check_json(item, depth + 1)
    elif kind is float:
        if value - value != 0.0:
            raise _cannot(value, "json")
    elif kind not in (str, int, bool, type(None)):
        raise _cannot(value, "json")


def _ext(code: int, value: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, msgspec.msgpack.encode(value))


def _tagged(value: Any, depth: int) -> Any:
    """Return *value* with everything that MessagePack would turn into something else marked by its type."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**64 else _ext(INTEGER, hex(value))
    if depth > DEEPEST:
        raise ValueError("too deep")
    if kind is list:
        return [_tagged(item, depth + 1) for item in value]
    if kind is dict:
        if all(type(key) in (str, int) for key in value):
            return {key: _tagged(item, depth + 1) for key, item in value.items()}
        raise TypeError("keys must be texts or integers")
    mark = MARKS.get(kind)
    if mark is None:
        raise TypeError(kind.__name__)
    code, parts = mark
    return _ext(code, _tagged(parts(value), depth + 1))


def _fixed(value: Any) -> str:
    """Return date and time as text, unless its zone is one of rules, which the text would lose."""
    if value.tzinfo is not None and not isinstance(value.tzinfo, datetime.timezone):
        raise TypeError("a time zone with rules")
    if value.fold:
        raise TypeError("a repeated hour")
    return str(value.isoformat())


MARKS: dict[type, tuple[int, Callable[[Any], Any]]] = {
    tuple: (TUPLE, list),
    set: (SET, list),
    frozenset: (FROZENSET, list),
    datetime.datetime: (DATETIME, _fixed),
    datetime.date: (DATE, datetime.date.isoformat),
    datetime.time: (TIME, _fixed),
    datetime.timedelta: (TIMEDELTA, lambda value: [value.days, value.seconds, value.microseconds]),
    decimal.Decimal: (DECIMAL, str),
    uuid.UUID: (UUID, lambda value: value.bytes),
    complex: (COMPLEX, lambda value: [value.real, value.imag]),
    bytearray: (BYTEARRAY, bytes),
}

MAKERS: dict[int, Callable[[Any], Any]] = {
    TUPLE: tuple,
    SET: set,
    FROZENSET: frozenset,
    DATETIME: datetime.datetime.fromisoformat,
    DATE: datetime.date.fromisoformat,
    TIME: datetime.time.fromisoformat,
    TIMEDELTA: lambda parts: datetime.timedelta(parts[0], parts[1], parts[2]),
    DECIMAL: decimal.Decimal,
    UUID: lambda data: uuid.UUID(bytes=data),
    INTEGER: lambda text: int(text, 16),
    COMPLEX: lambda parts: complex(parts[0], parts[1]),
    BYTEARRAY: bytearray,
}


def _made(code: int, data: memoryview) -> Any:
    return MAKERS[code](_decode(bytes(data)))


_decode = msgspec.msgpack.Decoder(ext_hook=_made, strict=False).decode
