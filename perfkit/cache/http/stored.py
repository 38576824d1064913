"""A response that is kept, and the answers made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from perfkit.cache.http.conditions import Conditions, is_unmodified
from perfkit.cache.http.fields import HOP_BY_HOP, Pairs, joined, members, without
from perfkit.cache.http.freshness import Freshness

__all__ = ["OVERHEAD", "Answer", "Stored", "entity_tag", "kept_fields", "not_modified_fields"]

REPRESENTATION = frozenset(
    {"accept-ranges", "content-encoding", "content-language", "content-length", "content-range", "content-type"}
)
"""Fields about a body, which an answer without one does not carry."""

OVERHEAD = 500
"""Bytes that a kept response takes beside its body and fields, about."""


class Answer(NamedTuple):
    """What a client gets, whole.

    Attributes:
        headers: Names in lower case.
    """

    status: int
    headers: Pairs
    body: bytes


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A response as it is kept: plain values, so that it may leave the process. Times are Unix seconds.

    Attributes:
        status: Its status code.
        headers: Its fields without those of one connection, Age, and any that came from us.
        route: The template with which the app answered; empty where the adapter does not know.
        received: When it was received.
        age: How old it was then.
        fresh: How long it serves, as a tuple of `Freshness`.
        etag: Its entity tag, made of its body where it had none; empty for none.
        is_validated_by_app: It has an ETag or Last-Modified of the app's, by which the app can tell it unchanged.
        is_public: It may serve those who say who they are.
        may_be_authorized: It may serve those with Authorization.
    """

    status: int
    headers: Pairs
    body: bytes
    route: str
    received: float
    age: float
    fresh: tuple[Any, ...]
    etag: str
    is_validated_by_app: bool
    is_public: bool
    may_be_authorized: bool

    @classmethod
    def from_plain(cls, plain: Any) -> Stored:
        """Return what `plain` was made of."""
        return cls(*plain)

    def plain(self) -> tuple[Any, ...]:
        """Return its values as one tuple."""
        return msgspec.structs.astuple(self)

    @property
    def freshness(self) -> Freshness:
        """How long it serves."""
        return Freshness(*self.fresh)

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers) + OVERHEAD

    def age_at(self, now: float) -> float:
        """Return its age; a clock that was put back makes nothing younger than it was received."""
        return self.age + max(0.0, now - self.received)

    def may_serve(self, identity: str) -> bool:
        """Return whether a request may have it that says who asks by *identity*."""
        return not identity or self.is_public or (identity == "authorization" and self.may_be_authorized)

    def answer(self, method: str, conditions: Conditions, now: float, cache_status: str) -> Answer:
        """Return what a request gets; without a body for HEAD, 304 if it has it already."""
        headers: Pairs = (*self.headers, ("age", str(int(self.age_at(now)))))
        if cache_status:
            headers = (*headers, ("cache-status", cache_status))
        if is_unmodified(conditions, self.status, _validators(self.headers, self.received)):
            return Answer(304, not_modified_fields(headers), b"")
        return Answer(self.status, headers, b"" if method == "HEAD" else self.body)

    def freshened(self, headers: Pairs, fresh: Freshness, *, age: float, received: float) -> Stored:
        """Return it as it is after the app said that it is unchanged, with the *headers* of that 304 (section 3.2)."""
        kept = without(kept_fields(headers), ("content-encoding", "content-length", "content-type", "content-range"))
        names = {name for name, _ in kept}
        return msgspec.structs.replace(
            self,
            headers=(*without(self.headers, names), *kept),
            fresh=tuple(fresh),
            age=age,
            received=received,
        )


def _validators(headers: Pairs, received: float) -> Mapping[str, Any]:
    return {**joined(pair for pair in headers if pair[0] in ("etag", "last-modified", "date")), "received": received}


@lru_cache(128)
def _connection(text: str) -> frozenset[str]:
    return frozenset(name.lower() for name in members(text))


def kept_fields(headers: Pairs) -> Pairs:
    """Return *headers* without what belongs to one connection or is told anew each time."""
    connection = next((value for name, value in headers if name == "connection"), "")
    dropped = HOP_BY_HOP | {"age"} | (_connection(connection[:200]) if connection else frozenset())
    return without(headers, dropped)


def not_modified_fields(headers: Pairs) -> Pairs:
    """Return what of *headers* a 304 carries: all but what is about the body (RFC 9110 section 15.4.5)."""
    has_tag = any(name == "etag" for name, _ in headers)
    return without(headers, REPRESENTATION | {"last-modified"} if has_tag else REPRESENTATION)


def entity_tag(body: bytes) -> str:
    """Return the ETag of *body*; weak, as what lies around us may compress it."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
