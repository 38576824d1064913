"""The app's `wsgi_app` such that it does not hold the app: one that is dropped is freed at once, as without us."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any

from flask import Flask

from perfkit.core.errors import LifecycleError
from perfkit_wsgi.types import Environ, StartResponse, WSGIApp

__all__ = ["unbound", "without_hold"]


def unbound(wsgi_app: WSGIApp, app: Flask) -> Callable[[Flask, Environ, StartResponse], Any]:
    """Return *wsgi_app* as a function of the app, too; for the hot path, which holds the app while it serves."""
    if isinstance(wsgi_app, MethodType) and wsgi_app.__self__ is app:
        return wsgi_app.__func__
    return lambda _, environ, start_response: wsgi_app(environ, start_response)


def without_hold(wsgi_app: WSGIApp, app: Flask) -> WSGIApp:
    """Return *wsgi_app*, if it is *app*'s own method, such that it does not keep *app* alive."""
    if not (isinstance(wsgi_app, MethodType) and wsgi_app.__self__ is app):
        return wsgi_app
    function, reference = wsgi_app.__func__, weakref.ref(app)

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        held = reference()
        if held is None:
            raise LifecycleError(
                "The Flask app is gone and only its wsgi_app is left. The app must be kept as long as it serves. "
                "Give the server the app itself, or keep a name for it."
            )
        return function(held, environ, start_response)  # type: ignore[no-any-return]  # a WSGI app's

    return serve
