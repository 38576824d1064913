"""How values lie in the cache so that each look-up gives a copy of its own."""

from __future__ import annotations

import hashlib
import hmac
import pickle
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation

__all__ = ["ABSENT", "Copies", "Objects"]

ABSENT: Any = object()
"""Stands for "nothing there", as None is a value."""

SIGNATURE = 32

PLAIN = frozenset({str, bytes, int, float, bool, type(None)})
"""What nobody can change needs no copy. Everything else lies there as a tuple of one pickle."""


class Objects:
    """No copies: what was stored is what is given."""

    def kept(self, name: str, value: Any) -> Any:
        """Return *value*."""
        return value

    async def akept(self, name: str, value: Any) -> Any:
        """Return *value*."""
        return value

    def given(self, name: str, kept: Any) -> Any:
        """Return *kept*."""
        return kept


class Copies:
    """Pickles, as Django's own backends have them; signed where they leave this process."""

    def __init__(self, *, is_shared: bool) -> None:
        """Sign where others can write to the cache: nobody who can shall run code here."""
        secret = hmac.digest(settings.SECRET_KEY.encode(), b"perfkit_django.cache", hashlib.sha256)
        self._secret = secret if is_shared else b""
        self._size = SIGNATURE if is_shared else 0

    def kept(self, name: str, value: Any) -> Any:
        """Return what is stored of *value* as *name*; what pickling raises is raised."""
        if value.__class__ in PLAIN:
            return value
        data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        return (self._signature(name, data) + data,)

    async def akept(self, name: str, value: Any) -> Any:
        """Do the same; a query that has not been made yet is made in a thread, where the database may be asked."""
        try:
            return self.kept(name, value)
        except SynchronousOnlyOperation:
            return await sync_to_async(self.kept)(name, value)

    def given(self, name: str, kept: Any) -> Any:
        """Return the value of what was stored as *name*; `ABSENT` if others than we stored it."""
        if kept.__class__ is not tuple:
            return kept
        (data,) = kept
        size = self._size
        if size and not hmac.compare_digest(data[:size], self._signature(name, data[size:])):
            return ABSENT
        return pickle.loads(data[size:])  # it never left this process, or it is signed

    def _signature(self, name: str, data: bytes) -> bytes:
        """Return what proves that we stored *data* under *name*; nothing where no proof is needed."""
        secret = self._secret
        return hmac.digest(secret, name.encode() + b"\0" + data, hashlib.sha256) if secret else b""
