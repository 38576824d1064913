"""What things are called on the server, and how keys travel.

Text keys stay as they are, so that patterns find them; other keys are known by a digest of what they hold. A key that
means something in this process only (an object) has no name there: its value stays in this process.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from perfkit.cache.memory.glob import Glob
from perfkit.cache.values.codec import MsgpackCodec
from perfkit.core.errors import CacheError

__all__ = ["NAMED", "Names", "ObjectNumber", "all_packed", "packed", "unpacked"]

LAYOUT = "1"
"""Part of every name; another layout of values gets another."""

SPECIAL = re.compile(r"([*?\[\]\\])")
CLASS = re.compile(r"\[[^\]]*\]|\?")
NAMED_MARK = "\0named"

_codec = MsgpackCodec()


class _Named:
    """Stands between positional and named arguments in the key of a call."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NAMED"


NAMED = _Named()


class ObjectNumber(int):
    """The number of an object of this process: the same number means another object elsewhere."""

    __slots__ = ()


class Names:
    """The names of one cache on the server.

    Attributes:
        everything: The version on which all values depend.
        channel: Where changes are told.
    """

    __slots__ = ("_prefix", "channel", "everything")

    def __init__(self, prefix: str) -> None:
        """Begin all names with *prefix*."""
        self._prefix = f"{quote(prefix, safe='')}:{LAYOUT}:"
        self.everything = (self._prefix + "a").encode()
        self.channel = (self._prefix + "changes").encode()

    def space(self, space: str) -> bytes:
        """Return the name of the version on which all values of a namespace depend."""
        return f"{self._prefix}g:{_quoted(space)}".encode()

    def fence(self, space: str) -> bytes:
        """Return the name of the version on which loads of a namespace depend that are under way."""
        return f"{self._prefix}f:{_quoted(space)}".encode()

    def tag(self, tag: str) -> bytes:
        """Return the name of the version of a tag."""
        return f"{self._prefix}t:{tag}".encode("utf-8", "surrogatepass")

    def value(self, space: str, key: Any) -> bytes | None:
        """Return the name of a value; None if its key means nothing to other processes."""
        if isinstance(key, str):
            return (self._of(space) + "s:" + str.__str__(key)).encode("utf-8", "surrogatepass")
        try:
            data = packed(key)
        except CacheError:
            return None
        return (self._of(space) + "d:" + hashlib.blake2b(data, digest_size=16).hexdigest()).encode()

    def lock(self, value: bytes) -> bytes:
        """Return the name of the lock of the value called *value*."""
        return self._prefix.encode() + b"l:" + value

    def _of(self, space: str) -> str:
        return f"{self._prefix}v:{_quoted(space)}:"

    def matching(self, space: str, glob: Glob) -> bytes:
        """Return the server's pattern for text keys: it finds all that *glob* matches, and some others."""
        wide = CLASS.sub("*", glob.pattern) if "[" in glob.pattern or "?" in glob.pattern else glob.pattern
        inner = "*".join(SPECIAL.sub(r"\\\1", part) for part in wide.split("*"))
        return (SPECIAL.sub(r"\\\1", self._of(space) + "s:") + inner).encode("utf-8", "surrogatepass")

    def key_of(self, space: str, name: bytes) -> str:
        """Return the text key of a name that `matching` found."""
        return name[len((self._of(space) + "s:").encode()) :].decode("utf-8", "surrogatepass")


def _quoted(space: str) -> str:
    return quote(space, safe="<>.")


def packed(key: Any) -> bytes:
    """Return *key* as bytes that are the same in all processes.

    Raises:
        CacheError: It holds something that means nothing elsewhere.
    """
    return _codec.encode(_plain(key))


def unpacked(data: bytes) -> Any:
    """Return the key of which `packed` made *data*.

    Raises:
        CacheError: It cannot be known from there: a key of types.
    """
    return _restored(_codec.decode(data))


def _plain(key: Any) -> Any:
    """Return *key* with equal keys alike: 1, 1.0 and True are one key."""
    kind = key.__class__
    if kind is tuple:
        return tuple(_plain(part) for part in key)
    if kind is bool or (kind is float and key.is_integer()):
        return int(key)
    if isinstance(key, str):
        return str.__str__(key)
    if key is NAMED:
        return NAMED_MARK
    if isinstance(key, type):
        return {"type": f"{key.__module__}.{key.__qualname__}"}
    return key


def _restored(key: Any) -> Any:
    if key.__class__ is tuple:
        return tuple(_restored(part) for part in key)
    if key.__class__ is dict:
        raise CacheError("A key of types cannot be restored. It must be looked up by its own process. Clear instead.")
    return NAMED if key == NAMED_MARK else key


def all_packed(keys: Iterable[Any]) -> list[bytes] | None:
    """Return *keys* as bytes; None if one of them cannot travel."""
    try:
        found = [packed(key) for key in keys]
        for each in found:
            unpacked(each)
    except CacheError:
        return None
    return found
