"""The cache: bounded, with time to live, tags, patterns, single flight and numbers of all workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.cache.entry import Entry
    from perfkit.cache.manager import CacheManager
    from perfkit.cache.memoized import Memoized
    from perfkit.cache.namespace import Namespace
    from perfkit.cache.policies import POLICIES, Policy
    from perfkit.cache.settings import CacheSettings
    from perfkit.cache.snapshot import CacheSnapshot, NamespaceSnapshot
    from perfkit.cache.values.codec import Codec, JsonCodec, MsgpackCodec, PickleCodec

__all__ = [
    "POLICIES",
    "CacheManager",
    "CacheSettings",
    "CacheSnapshot",
    "Codec",
    "Entry",
    "JsonCodec",
    "Memoized",
    "MsgpackCodec",
    "Namespace",
    "NamespaceSnapshot",
    "PickleCodec",
    "Policy",
]

__getattr__ = lazily(
    __name__,
    {
        "POLICIES": "perfkit.cache.policies",
        "CacheManager": "perfkit.cache.manager",
        "CacheSettings": "perfkit.cache.settings",
        "CacheSnapshot": "perfkit.cache.snapshot",
        "Codec": "perfkit.cache.values.codec",
        "Entry": "perfkit.cache.entry",
        "JsonCodec": "perfkit.cache.values.codec",
        "Memoized": "perfkit.cache.memoized",
        "MsgpackCodec": "perfkit.cache.values.codec",
        "Namespace": "perfkit.cache.namespace",
        "NamespaceSnapshot": "perfkit.cache.snapshot",
        "PickleCodec": "perfkit.cache.values.codec",
        "Policy": "perfkit.cache.policies",
    },
)
