"""Problem 3, the slow function: recommendations that compare every product with every other."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["CANDIDATES", "recommend", "recommend_quickly"]

CANDIDATES = 160
"""How many products are compared; the work grows with its square."""

Candidate = tuple[int, str]
"""A product's id and its tags, separated by spaces."""


def likeness(left: str, right: str) -> float:
    """Return how alike two lists of tags are: 0 for nothing in common, 1 for the same."""
    ours, theirs = set(left.split()), set(right.split())
    return len(ours & theirs) / len(ours | theirs)


def recommend(candidates: Sequence[Candidate], product_id: int, count: int = 5) -> list[int]:
    """Return the ids of the *count* products most like *product_id*.

    It builds the whole table of likenesses though it wants one row: work of n² where n would do.
    """
    table = {
        (one, other): likeness(one_tags, other_tags)
        for one, one_tags in candidates
        for other, other_tags in candidates
        if one < other
    }
    scores = {
        other: table.get((min(product_id, other), max(product_id, other)), 0.0)
        for other, _ in candidates
        if other != product_id
    }
    return best_of(scores, count)


def recommend_quickly(candidates: Sequence[Candidate], product_id: int, count: int = 5) -> list[int]:
    """Return what `recommend` does, mended: only the one row that is wanted is built."""
    ours = dict(candidates).get(product_id)
    scores = {other: 0.0 if ours is None else likeness(ours, tags) for other, tags in candidates if other != product_id}
    return best_of(scores, count)


def best_of(scores: dict[int, float], count: int) -> list[int]:
    """Return the *count* products of the highest *scores*."""
    return sorted(scores, key=lambda other: (-scores[other], other))[:count]
