"""What workers tell each other through the server: which values changed."""

from __future__ import annotations

from typing import Any

import msgspec

from perfkit.cache.remote.keys import all_packed, unpacked
from perfkit.cache.remote.tier import SharedTier
from perfkit.cache.remote.transport.link import Command
from perfkit.core.errors import CacheError

__all__ = ["message", "published", "understood"]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


def message(shared: SharedTier, space: str, keys: list[Any]) -> list[Command]:
    """Return the command that tells of *keys*; of those that cannot travel none is anywhere else."""
    return [published(shared, {"space": space, "keys": keys})] if keys else []


def published(shared: SharedTier, payload: dict[str, Any]) -> Command:
    """Return the command that tells what the relay's *payload* says."""
    told = {"origin": shared.origin, **payload}
    if "keys" in told:
        keys = all_packed(told.pop("keys"))
        if keys is not None:
            told["keys"] = keys
    return ("PUBLISH", shared.names.channel, _encode(told))


def understood(shared: SharedTier, data: bytes) -> dict[str, Any] | None:
    """Return the payload in *data*; None if it is our own or not one."""
    try:
        payload = _decode(data)
        if payload.pop("origin", "") == shared.origin:
            return None
        if "keys" in payload:
            payload["keys"] = [unpacked(each) for each in payload["keys"]]
        hash(tuple(payload.get("keys", ())))
    except (msgspec.MsgspecError, CacheError, TypeError):
        return None
    return payload if payload.keys() & {"all", "tags", "space"} else None
