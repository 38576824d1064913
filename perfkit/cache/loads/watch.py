"""A watch over one key while something is fetched from afar: did anything make it out of date meanwhile?"""

from __future__ import annotations

from typing import Any

from perfkit.cache.memory.space import Space
from perfkit.cache.memory.tags import Tags

__all__ = ["Watch"]


class Watch:
    """Begins where it is made; the tier's lock guards it.

    Attributes:
        began: Monotonic seconds at which it was made; what is fetched was good for as long as it says from then on.
        is_fenced: Somebody set, deleted or invalidated the key.
    """

    __slots__ = ("_changes", "_generation", "_tags", "began", "is_fenced", "key", "space")

    def __init__(self, space: Space, key: Any, tags: Tags, now: float) -> None:
        """Watch over *key* from *now* on."""
        self.began = now
        self.space, self.key, self._tags = space, key, tags
        self._generation, self._changes = space.generation, tags.changes
        self.is_fenced = False

    def is_valid(self, *, has_tags: bool) -> bool:
        """Return whether what was fetched is as good as when it was asked for.

        Its tags are not known before it is there, so any tag that was invalidated meanwhile counts.
        """
        if self.is_fenced or self._generation != self.space.generation:
            return False
        return not has_tags or self._changes == self._tags.changes
