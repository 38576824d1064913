"""perfkit put around an app that knows nothing of it, by the adapter that fits best."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

from perfkit.cli.launch.target import Target, TargetError, found

__all__ = ["Wrapped", "interface_of", "wrapped"]

DJANGO = "perfkit_django"
DJANGO_MIDDLEWARE = "perfkit_django.PerfkitMiddleware"


class Wrapped(NamedTuple):
    """An app with perfkit around it.

    Attributes:
        app: What a server calls.
        interface: ``asgi`` or ``wsgi``.
        framework: What people call it, such as ``FastAPI`` or ``WSGI``.
        is_new: False where its own code has put perfkit around it already; then it is left as it is.
        settings: perfkit's settings of the app's own; empty where it has none.
        is_debug: True where the framework is in its debug mode.
    """

    app: Any
    interface: str
    framework: str
    is_new: bool
    settings: dict[str, Any]
    is_debug: bool


def wrapped(target: Target, *, interface: str = "auto") -> Wrapped:
    """Import the app of *target* and put perfkit around it.

    Raises:
        TargetError: It cannot be had, or nobody can tell what it is.
        ConfigurationError: Settings of perfkit cannot be used.
    """
    with _django_prepared() as django:
        app = found(target)
    kind = interface if interface != "auto" else interface_of(app)
    if kind is None and inspect.isclass(app):
        raise TargetError(
            f"{target.module}:{target.attribute or 'app'} is a class. An app is an object that is made of it. "
            "Name such an object, or write () behind it if it takes no arguments."
        )
    if kind is None:
        raise TargetError(
            f"{target.module}:{target.attribute or 'app'} takes neither the three arguments of ASGI nor the two of "
            "WSGI. An app must take either. Say which with --interface, or add --factory if it makes the app."
        )
    if _is_a(app, "flask", "Flask"):
        return _flask(app)
    if _is_a(app, "django.core.handlers.wsgi", "WSGIHandler") or _is_a(app, "django.core.handlers.asgi", "ASGIHandler"):
        return _django(app, kind, is_new=django())
    if kind == "asgi":
        return _asgi(app)
    return _plain_wsgi(app)


def interface_of(app: Any) -> str | None:
    """Return ``asgi`` or ``wsgi``, whichever *app* is called by; None if neither fits."""
    call: Any = app if inspect.isroutine(app) or inspect.isclass(app) else type(app).__call__
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call):
        return "asgi"
    if inspect.isclass(app):
        # ASGI 2: made with the scope, then called with receive and send.
        is_second = inspect.iscoroutinefunction(app.__dict__.get("__call__"))
        return "asgi" if is_second and _takes(app, 1) and not _takes(app, 2) else None
    # Many a middleware is a plain function that returns a coroutine: the names and the number of arguments tell.
    if _takes(app, 3) and not _takes(app, 2):
        return "asgi"
    if _takes(app, 2) and not _takes(app, 3):
        return "wsgi"
    names = _names(app)
    if "scope" in names or "receive" in names:
        return "asgi"
    if "environ" in names or "start_response" in names:
        return "wsgi"
    inner = getattr(app, "app", None)
    return interface_of(inner) if callable(inner) and inner is not app else None


def _takes(app: Any, count: int) -> bool:
    try:
        inspect.signature(app).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def _names(app: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(app).parameters)
    except (TypeError, ValueError):
        return ()


def _flask(app: Any) -> Wrapped:
    is_new = "perfkit" not in app.extensions
    if is_new:
        import_module("perfkit_flask").Perfkit(app)
    settings = import_module("perfkit_flask.settings").settings_of(app, {})
    return Wrapped(app, "wsgi", "Flask", is_new, settings, bool(app.debug))


def _django(app: Any, interface: str, *, is_new: bool) -> Wrapped:
    given = import_module("perfkit_django.settings").given()
    debug = bool(import_module("django.conf").settings.DEBUG)
    return Wrapped(app, interface, "Django", is_new, given.values if given.system is None else {}, debug)


def _asgi(app: Any) -> Wrapped:
    middleware = import_module("perfkit_asgi").PerfkitMiddleware
    routed = import_module("perfkit_asgi.routes").routed(app)
    framework = type(routed).__name__ if routed is not None else "ASGI"
    debug = getattr(routed, "debug", False) is True
    own = _own(app, middleware)
    if own is not None:
        return Wrapped(app, "asgi", framework, False, own, debug)
    if _is_a(app, "starlette.applications", "Starlette") and app.middleware_stack is None:
        app.add_middleware(middleware)
        return Wrapped(app, "asgi", framework, True, {}, debug)
    return Wrapped(middleware(app), "asgi", framework, True, {}, debug)


def _plain_wsgi(app: Any) -> Wrapped:
    middleware = import_module("perfkit_wsgi").PerfkitMiddleware
    if _own(app, middleware) is not None:
        return Wrapped(app, "wsgi", "WSGI", False, {}, False)
    return Wrapped(middleware(app), "wsgi", "WSGI", True, {}, False)


def _own(app: Any, middleware: type) -> dict[str, Any] | None:
    """Return the settings with which the app's own code has put *middleware* around it; None where it has not.

    They are known where the middleware is in a list that the framework has not built yet.
    """
    for _ in range(20):
        if app is None:
            return None
        for each in getattr(app, "user_middleware", None) or ():
            if getattr(each, "cls", None) is middleware:
                return {name: value for name, value in each.kwargs.items() if name != "system"}
        if isinstance(app, middleware):
            return {}
        app = getattr(app, "app", None)
    return None


def _is_a(app: Any, module: str, name: str) -> bool:
    """Return True if *app* is of that class; a framework that nobody imported is not imported to find that out."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(app, getattr(loaded, name))


@contextmanager
def _django_prepared() -> Iterator[Callable[[], bool]]:
    """Have a Django project that is set up meanwhile find perfkit in its settings; give who tells whether it was new.

    Its apps are known once it is set up and its middleware once there is a handler, both before its module is
    imported. So the settings are completed when it asks Django to set it up, by the one function that all ways lead to.
    """
    try:
        django = import_module("django")
    except ImportError:
        yield lambda: False
        return
    added: list[bool] = []
    setup = django.setup

    def prepared(set_prefix: bool = True) -> None:
        added.append(_complete(import_module("django.conf").settings))
        setup(set_prefix=set_prefix)

    django.setup = prepared  # type: ignore[attr-defined]  # put back below
    try:
        yield lambda: any(added)
    finally:
        django.setup = setup  # type: ignore[attr-defined]


def _complete(settings: Any) -> bool:
    """Add the app and the middleware where they are missing; return whether the middleware was."""
    if DJANGO not in settings.INSTALLED_APPS and f"{DJANGO}.apps.PerfkitConfig" not in settings.INSTALLED_APPS:
        settings.INSTALLED_APPS = [DJANGO, *settings.INSTALLED_APPS]
    if DJANGO_MIDDLEWARE in settings.MIDDLEWARE:
        return False
    settings.MIDDLEWARE = [DJANGO_MIDDLEWARE, *settings.MIDDLEWARE]
    return True
