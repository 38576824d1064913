"""What the shadow says, for people and programs."""

from __future__ import annotations

import msgspec

__all__ = ["ShadowEstimate", "ShadowSnapshot"]


class ShadowEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """Hit ratios, 0-1, that one namespace would have if the whole cache were another.

    Attributes:
        hit_ratio: What it had while the shadow watched.
        sizes: By multiple of the cache's size: ``"0.5"``, ``"2"``, ``"4"``.
        strategies: By strategy, at the size that the cache has.
        unread: Part of the values stored that nobody reads before they leave; None if that is not known.
        expired: Part of the misses that are values which were there and had expired; None if that is not known.
    """

    hit_ratio: float
    sizes: dict[str, float] = msgspec.field(default_factory=dict)
    strategies: dict[str, float] = msgspec.field(default_factory=dict)
    unread: float | None = None
    expired: float | None = None


class ShadowSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The estimates of all live workers, their mean.

    Attributes:
        total: For the whole cache.
        namespaces: For those with the most look-ups.
    """

    total: ShadowEstimate
    namespaces: dict[str, ShadowEstimate] = msgspec.field(default_factory=dict)
