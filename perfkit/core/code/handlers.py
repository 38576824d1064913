"""Which of the user's functions answers a route: asked by who looks at a page, so that no request pays for it.

Adapters know the routes of their app and give what finds the function of one. It is asked when somebody looks, which is
also why any worker can tell, whichever has answered the route before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Any, TypeAlias

from perfkit.core.code.places import is_users, place_of
from perfkit.core.code.sites import Site
from perfkit.core.errors import ErrorLog

__all__ = ["MOST_FINDERS", "Finder", "Handlers", "site_of_handler"]

MOST_FINDERS = 20
"""Apps that are asked."""

DEEPEST = 20
"""Wrappers that are looked through."""

Finder: TypeAlias = Callable[[str, str], object]
"""Returns what answers a method and a route template, or None; called outside of any request."""


class Handlers:
    """The handlers of one system's apps in this process. Thread-safe."""

    def __init__(self, errors: ErrorLog | None = None) -> None:
        """Know no app yet; finders that fail are reported to *errors*."""
        self._errors = errors or ErrorLog()
        self._finders: tuple[Finder, ...] = ()

    def find_with(self, finder: Finder) -> None:
        """Ask *finder*, too; it must not hold its app, which may be dropped."""
        if len(self._finders) < MOST_FINDERS:
            self._finders = (*self._finders, finder)

    def of(self, method: str, route: str) -> Site | None:
        """Return name and line of what answers *route*; None where no app knows, or it is no Python function."""
        for finder in self._finders:
            found: object = None
            with self._errors.guarded("handlers", "the function of a route could not be found"):
                found = finder(method, route)
            if found is not None:
                return site_of_handler(found, method)
        return None


def site_of_handler(handler: object, method: str) -> Site | None:
    """Return name and first line of *handler*; of a class that answers, those of its method for *method*.

    The line is empty where the code is not the user's own: a view of the framework needs no look.
    """
    function, owner = _innermost(handler, method.lower())
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return None
    place = place_of(code, code.co_firstlineno)
    # A method that is inherited is told by the class that answers, whose name stands in the routes.
    named, name = (owner, f"{owner.__qualname__}.{code.co_name}") if owner is not None else (function, place.function)
    module = str(getattr(named, "__module__", "") or "")
    site = f"{place.path}:{place.line}" if is_users(code.co_filename) else ""
    return Site(site, f"{module}.{name}" if module else name)


def _innermost(handler: object, method: str) -> tuple[object, type | None]:
    """Return the function behind decorators, `functools.partial` and views that are classes, and the class."""
    import inspect  # only here: nothing but a look at a page needs it

    found: Any = handler
    for _ in range(DEEPEST):
        # Flask and Django leave the class in `view_class`, Django REST framework in `cls` with the method in `actions`.
        owner = found if isinstance(found, type) else getattr(found, "view_class", None) or getattr(found, "cls", None)
        if isinstance(owner, type):
            names = ((getattr(found, "actions", None) or {}).get(method), *_METHODS.get(method, (method,)), *_ANY)
            inner = (getattr(owner, name, None) for name in names if name)
            return inspect.unwrap(next((each for each in inner if inspect.isfunction(each)), _nobody)), owner
        if isinstance(found, partial):
            found = found.func
        elif callable(wrapped := getattr(found, "__wrapped__", None)):
            found = wrapped
        elif inspect.ismethod(found):
            found = found.__func__
        elif not hasattr(found, "__code__") and inspect.isfunction(type(found).__call__):
            return type(found).__call__, type(found)
        else:
            break
    return found, None


_METHODS = {"head": ("head", "get")}
_ANY = ("dispatch_request", "dispatch", "__call__")
"""What a class answers with that has no method of the name of the request's."""


def _nobody() -> None:
    """Stand for the method of a class that has none that could answer."""
