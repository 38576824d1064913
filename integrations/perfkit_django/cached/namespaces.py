"""Which part of the system's cache a backend works in, and what keys and timeouts of Django mean there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.exceptions import ImproperlyConfigured

from perfkit.cache.arguments import keys_of, mapping
from perfkit_django.cached.copies import Copies, Objects
from perfkit_django.lifecycle import Lifecycle, lifecycle

__all__ = ["NamespaceCache"]

MOST_NAMES = 10_000
"""Keys remembered: to make and check one takes longer than to look it up."""


class NamespaceCache(BaseCache):
    """The base of the backend, without its calls. Django makes one for each thread and each task."""

    def __init__(self, location: str, params: Mapping[str, Any]) -> None:
        """Work in the namespace of *location*."""
        super().__init__(dict(params))
        options = params.get("OPTIONS") or {}
        unknown = sorted(set(options) - {"COPY"})
        if unknown:
            raise ImproperlyConfigured(
                f"The options {', '.join(unknown)} of PerfkitCache do not exist. Bounds and strategy are those of the "
                "whole cache. Set them in PERFKIT, as in {'cache': {'max_size': 50_000}}."
            )
        self._space = f"django.{location}" if location else "django"
        self._is_copied = bool(options.get("COPY", True))
        self._life: Lifecycle | None = None
        self._epoch: object = None
        self._names: dict[tuple[str, int | None], str] = {}
        self._namespace: Any = None
        self._bound_copies: Copies | Objects = Objects()

    def _cache(self) -> Any:
        """Return the namespace; another one after the setting PERFKIT has changed."""
        life = self._life
        if life is None:
            life = self._life = lifecycle()
        if self._epoch is not life.epoch:
            epoch, system = life.epoch, life.site.system_now()
            self._bound_copies = (
                Copies(is_shared=system.config.cache.redis_url is not None) if self._is_copied else Objects()
            )
            self._namespace, self._epoch = system.cache.namespace(self._space), epoch
        return self._namespace

    @property
    def _copies(self) -> Copies | Objects:
        self._cache()
        return self._bound_copies

    def _ttl(self, timeout: Any) -> float | None:
        """Return Django's *timeout* as seconds: None for ever, 0 not at all."""
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        if seconds is None:
            return None
        try:
            return max(0.0, seconds)
        except TypeError:
            # The cache says what is wrong with it.
            return cast("float", seconds)

    def _names_of(self, keys: Any, version: int | None) -> dict[str, Any]:
        """Return *keys* by what they are called in the namespace.

        Raises:
            CacheError: They are no iterable, or one text.
        """
        return {self._name(key, version): key for key in keys_of(keys)}

    def _values_of(self, data: Any, version: int | None) -> dict[str, Any]:
        """Return the values of *data* by what their keys are called in the namespace.

        Raises:
            CacheError: It is no mapping.
        """
        return {self._name(key, version): value for key, value in mapping("data", data).items()}

    def _name(self, key: Any, version: int | None) -> str:
        """Return what *key* is called in the namespace; a key of which Django warns is warned of each time."""
        if key.__class__ is not str:
            return str(self.make_and_validate_key(key, version=version))
        name = self._names.get((key, version))
        if name is None:
            name = str(self.make_and_validate_key(key, version=version))
            if len(name) <= 200 and name.isascii() and name.isprintable() and " " not in name:
                if len(self._names) >= MOST_NAMES:
                    self._names.clear()
                self._names[key, version] = name
        return name
