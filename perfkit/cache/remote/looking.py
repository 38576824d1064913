"""To look at a value with all that it depends on: one round trip to the server, two where its tags are not known."""

from __future__ import annotations

from typing import Any, NamedTuple

from perfkit.cache.remote.envelope import Envelope, Sealing, open_envelope, token_of
from perfkit.cache.remote.keys import Names
from perfkit.cache.remote.transport.link import Batch, Operation
from perfkit.core.errors import CacheError

__all__ = ["Found", "Look", "look", "look_many"]


class Found(NamedTuple):
    """A valid value.

    Attributes:
        fresh_for: Seconds that it is still fresh; 0 or less if it is stale.
        keep_stale: Seconds after that in which it may still serve.
    """

    value: Any
    fresh_for: float
    keep_stale: float
    tags: tuple[str, ...]
    sliding: float
    cost: float


class Look(NamedTuple):
    """What was seen.

    Attributes:
        found: The value, if there is one that is valid.
        seen: Tells what lay there from all that may lie there later.
        versions: By their names those that were asked for; None where there is none.
        server: The run of the server.
    """

    found: Found | None
    seen: bytes
    versions: dict[bytes, bytes | None]
    server: str


def look(names: Names, sealing: Sealing, space: str, name: bytes, tags: tuple[str, ...] = ()) -> Operation[Look]:
    """Look at the value called *name*, of which *tags* may be known."""
    wanted = [names.everything, names.space(space), names.fence(space), *map(names.tag, tags)]
    # Its rest of life first: should it be replaced between the two, the newer value's life is not taken for its own.
    replies = yield Batch(("PTTL", name), ("MGET", name, *wanted))
    left, values = replies
    if isinstance(left, Exception) or isinstance(values, Exception):
        return Look(None, b"", {}, replies.server)
    raw, versions = values[0], dict(zip(wanted, values[1:], strict=True))
    envelope = open_envelope(raw)
    if envelope is not None:
        unknown = [each for each in (names.tag(tag) for tag, _ in envelope.tags) if each not in versions]
        if unknown:
            more = yield Batch(("MGET", *unknown))
            if not isinstance(more[0], Exception):
                versions |= zip(unknown, more[0], strict=True)
    found = _found(names, sealing, space, name, envelope, left, versions, replies.server)
    return Look(found, token_of(raw), versions, replies.server)


def look_many(names: Names, sealing: Sealing, space: str, wanted: list[bytes]) -> Operation[dict[bytes, Found]]:
    """Return those of the values called *wanted* that are valid."""
    own = [names.everything, names.space(space)]
    replies = yield Batch(("MGET", *own), *(("PTTL", name) for name in wanted), ("MGET", *wanted))
    if any(isinstance(reply, Exception) for reply in replies):
        return {}
    versions = dict(zip(own, replies[0], strict=True))
    envelopes = [open_envelope(raw) for raw in replies[-1]]
    tags = {names.tag(tag) for envelope in envelopes if envelope is not None for tag, _ in envelope.tags}
    if tags:
        unknown = list(tags)
        more = yield Batch(("MGET", *unknown))
        if isinstance(more[0], Exception):
            return {}
        versions |= zip(unknown, more[0], strict=True)
    found = {}
    for name, envelope, left in zip(wanted, envelopes, replies[1:-1], strict=True):
        one = _found(names, sealing, space, name, envelope, left, versions, replies.server)
        if one is not None:
            found[name] = one
    return found


def _found(
    names: Names,
    sealing: Sealing,
    space: str,
    name: bytes,
    envelope: Envelope | None,
    left: int,
    versions: dict[bytes, bytes | None],
    server: str,
) -> Found | None:
    if (
        envelope is None
        or envelope.server != server
        or envelope.everything != versions.get(names.everything)
        or envelope.space != versions.get(names.space(space))
        or any(version != versions.get(names.tag(tag)) for tag, version in envelope.tags)
    ):
        return None
    try:
        value = sealing.unpack(name, envelope)
    except CacheError:
        # Written with another secret, by another perfkit or not by one: as good as not there.
        return None
    fresh_for = max(left, 0) / 1000.0 - envelope.keep_stale
    tags = tuple(tag for tag, _ in envelope.tags)
    return Found(value, fresh_for, envelope.keep_stale, tags, envelope.sliding, envelope.cost)
