"""Whole responses from the cache, as RFC 9111 has it for a shared cache. No I/O: adapters carry what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.cache.http.cache import HttpCache
    from perfkit.cache.http.candidates import Candidate, Candidates
    from perfkit.cache.http.passage import Out, Passage
    from perfkit.cache.http.request import CacheRequest
    from perfkit.cache.http.stored import Answer

__all__ = ["Answer", "CacheRequest", "Candidate", "Candidates", "HttpCache", "Out", "Passage"]

__getattr__ = lazily(
    __name__,
    {
        "Answer": "perfkit.cache.http.stored",
        "CacheRequest": "perfkit.cache.http.request",
        "Candidate": "perfkit.cache.http.candidates",
        "Candidates": "perfkit.cache.http.candidates",
        "HttpCache": "perfkit.cache.http.cache",
        "Out": "perfkit.cache.http.passage",
        "Passage": "perfkit.cache.http.passage",
    },
)
