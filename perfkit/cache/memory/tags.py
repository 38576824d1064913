"""Tags by generations: invalidating one is one addition, however many entries carry it.

An entry holds its tags together with the generation that each had when the entry was stored; a tag that has moved on
makes it invalid. Nobody keeps a list of the entries of a tag. A tag lives as long as an entry or a load holds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias
from weakref import WeakValueDictionary

__all__ = ["Stamps", "Tag", "Tags", "is_valid"]


class Tag:
    """One tag.

    Attributes:
        generation: Times that it was invalidated since it was made.
    """

    __slots__ = ("__weakref__", "generation")

    def __init__(self) -> None:
        """Begin with generation 0."""
        self.generation = 0


Stamps: TypeAlias = tuple[tuple[Tag, int], ...]


class Tags:
    """The tags in use. The tier's lock guards it.

    Attributes:
        changes: Times that any tag was invalidated, in use or not.
    """

    __slots__ = ("_last", "_tags", "changes")

    def __init__(self) -> None:
        """Know no tag."""
        self._tags: WeakValueDictionary[str, Tag] = WeakValueDictionary()
        self.changes = 0
        # Names, changes and stamps of the last call: one place in a program stores many values with the same tags.
        self._last: tuple[Iterable[str], int, Stamps] = ((), 0, ())

    def __len__(self) -> int:
        """Return the number of tags that something holds."""
        return len(self._tags)

    def stamp(self, names: Iterable[str]) -> Stamps:
        """Return the tags *names* with their generations as of now."""
        last, changes, stamps = self._last
        if names == last and changes == self.changes:
            return stamps
        stamps = tuple((tag, tag.generation) for tag in map(self._tag, names))
        self._last = (names, self.changes, stamps)
        return stamps

    def _tag(self, name: str) -> Tag:
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = Tag()
        return tag

    def invalidate(self, names: Iterable[str]) -> None:
        """Make everything that carries one of *names* invalid."""
        self.changes += 1
        for name in names:
            tag = self._tags.get(name)
            if tag is not None:
                tag.generation += 1


def is_valid(stamps: Stamps) -> bool:
    """Return whether none of the tags has been invalidated since."""
    return all(tag.generation == generation for tag, generation in stamps)
