"""The decorator: a function whose results are kept by its arguments."""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
import weakref
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from perfkit.cache.arguments import function as checked_function
from perfkit.cache.arguments import shown, text
from perfkit.cache.engine import Engine
from perfkit.cache.entry import MISSING
from perfkit.cache.invalidation.changes import Changes
from perfkit.cache.lookup import memory, recalling
from perfkit.cache.memory.space import Space
from perfkit.cache.reader import Plan, Reader
from perfkit.cache.remote.keys import NAMED, ObjectNumber
from perfkit.core.errors import CacheError
from perfkit.store.series.updates import is_free_threaded

__all__ = ["Memoized", "Memoizer"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Memoized(Protocol[P, R_co]):
    """A function with a cache."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Return the result, from the cache if it is there."""
        ...

    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Return the key of these arguments."""
        ...

    def cache_invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result for these arguments, in all workers; return whether it was here."""
        ...

    def cache_clear(self) -> None:
        """Forget all results, in all workers."""
        ...

    async def acache_invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Do the same as `cache_invalidate` without blocking."""
        ...

    async def acache_clear(self) -> None:
        """Do the same as `cache_clear` without blocking."""
        ...


class Memoizer:
    """What `memoized` returns: decorates one or more functions."""

    def __init__(
        self, engine: Engine, plan: Plan, *, key: Callable[..., Any] | None, namespace: str | None, typed: bool
    ) -> None:
        """Keep results as *plan* says.

        Raises:
            CacheError: *key* is no function, or *namespace* no name.
        """
        if key is not None:
            checked_function("key", key, "memoized(key=lambda request: request.path)")
        if namespace is not None:
            text("namespace", namespace)
        self._engine, self._plan, self._key, self._namespace, self._typed = engine, plan, key, namespace, typed

    def __call__(self, function: Callable[P, R]) -> Memoized[P, R]:
        """Return *function* with a cache before it.

        Raises:
            CacheError: It is none, or a generator function: what that yields is gone after the first time.
        """
        if not callable(function):
            raise CacheError(
                f"memoized() decorates {shown(function)}. It must be a function. Write @cache.memoized(ttl=60) above "
                "one."
            )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise CacheError(
                f"{function.__qualname__} is a generator function. Its values can be read only once, so they cannot "
                "be cached. Return a list instead."
            )
        name = self._namespace or _name_of(function)
        space = self._engine.tier.space(name)
        key = self._key or _Keys(function, typed=self._typed)
        if inspect.iscoroutinefunction(function):
            wrapped: Any = _async(function, self._engine, space, self._plan, key)
        else:
            wrapped = _sync(function, self._engine, space, self._plan, key)
        _forgetful(wrapped, Changes(self._engine, space), key)
        return cast("Memoized[P, R]", wrapped)


def _name_of(function: Callable[..., Any]) -> str:
    # Those of functools.partial and of objects that can be called have no name of their own.
    kind = type(function)
    name = getattr(function, "__qualname__", kind.__qualname__)
    return f"{getattr(function, '__module__', kind.__module__)}.{name}"


def _forgetful(wrapped: Any, changes: Changes, key: Callable[..., Any]) -> None:
    """Give *wrapped* what makes its results invalid."""

    def cache_invalidate(*args: Any, **kwargs: Any) -> bool:
        return changes.delete_many((key(*args, **kwargs),)) == 1

    async def acache_invalidate(*args: Any, **kwargs: Any) -> bool:
        return await changes.adelete_many((key(*args, **kwargs),)) == 1

    wrapped.cache_key = key
    wrapped.cache_invalidate, wrapped.acache_invalidate = cache_invalidate, acache_invalidate
    wrapped.cache_clear, wrapped.acache_clear = changes.clear, changes.aclear


def _sync(
    function: Callable[..., Any], engine: Engine, space: Space, plan: Plan, key: Callable[..., Any]
) -> Callable[..., Any]:
    read, remember, is_plain = Reader(engine, space).read, _memory(engine, space, plan), _is_plain(key)

    def load_or_wait(*args: Any, **kwargs: Any) -> Any:
        place = args if is_plain and not kwargs else key(*args, **kwargs)
        try:
            value = remember(place)
        except TypeError:
            key(*args, **kwargs)  # says what is wrong with arguments that are not hashable
            raise
        if value is not MISSING:
            return value
        return read(place, plan, functools.partial(function, *args, **kwargs))

    is_simple = is_plain and engine.packing.is_plain and not plan.early_refresh and not is_free_threaded()
    return functools.wraps(function)(recalling(engine.tier, space, load_or_wait) if is_simple else load_or_wait)


def _async(
    function: Callable[..., Any], engine: Engine, space: Space, plan: Plan, key: Callable[..., Any]
) -> Callable[..., Any]:
    read, remember, is_plain = Reader(engine, space).aread, _memory(engine, space, plan), _is_plain(key)

    @functools.wraps(function)
    async def memoized(*args: Any, **kwargs: Any) -> Any:
        place = args if is_plain and not kwargs else key(*args, **kwargs)
        try:
            value = remember(place)
        except TypeError:
            key(*args, **kwargs)  # as above
            raise
        if value is not MISSING:
            return value
        return await read(place, plan, functools.partial(function, *args, **kwargs))

    return memoized


def _memory(engine: Engine, space: Space, plan: Plan) -> Callable[[Any], Any]:
    """Return what is asked first; where a hit may begin a refresh, the reader alone knows."""
    return _knows_nothing if plan.early_refresh else memory(engine.tier, space, engine.packing)


def _knows_nothing(_key: Any) -> Any:
    return MISSING


def _is_plain(key: Callable[..., Any]) -> bool:
    return isinstance(key, _Keys) and key.is_plain


class _Keys:
    """Makes the key of a call: its arguments, the named ones in their places where that is possible.

    A method's `self` is known by a number that lives as long as the object: the cache keeps no object alive, and an
    object that is gone leaves no key that another could meet.

    Attributes:
        is_plain: The key of positional arguments is the tuple of them.
    """

    def __init__(self, function: Callable[..., Any], *, typed: bool) -> None:
        self._typed = typed
        parameters = list(inspect.signature(function).parameters.values())
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self._names = tuple(each.name for each in parameters if each.kind in positional)
        self._is_method = (
            bool(parameters) and parameters[0].name in ("self", "cls") and "." in getattr(function, "__qualname__", "")
        )
        self._objects = _Objects()
        self.is_plain = not typed and not self._is_method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._is_method and args:
            args = (self._objects.number(args[0]), *args[1:])
        if kwargs:
            args = self._in_place(args, kwargs)
        if self._typed:
            args = (*args, *map(type, args))
        try:
            hash(args)
        except TypeError as error:
            raise CacheError(
                f"The arguments {shown(args)} cannot be a key: {error}. Arguments must be hashable. Give "
                "memoized(key=…) a function that makes a key of them."
            ) from error
        return args

    def _in_place(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return positional and named arguments so that one call has one key, however it is written."""
        left = dict(kwargs)
        for name in self._names[len(args) :]:
            if name not in left:
                break
            args = (*args, left.pop(name))
        return (*args, NAMED, *sorted(left.items())) if left else args


class _Objects:
    """A number for each object that is asked about, the same as long as it lives, given to no other."""

    def __init__(self) -> None:
        self._numbers: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._next = itertools.count(1)
        self._lock = threading.Lock()

    def number(self, thing: Any) -> Any:
        known = self._numbers.get(id(thing))
        if known is not None and known[0]() is thing:
            return known[1]
        try:
            return self._give(thing)
        except TypeError:
            # It cannot be referred to weakly: then the key holds it.
            return thing

    def _give(self, thing: Any) -> int:
        place = id(thing)

        def gone(reference: weakref.ref[Any]) -> None:
            known = self._numbers.get(place)
            if known is not None and known[0] is reference:
                del self._numbers[place]

        with self._lock:
            known = self._numbers.get(place)
            if known is not None and known[0]() is thing:
                return known[1]
            number = ObjectNumber(next(self._next))
            self._numbers[place] = (weakref.ref(thing, gone), number)
            return number
