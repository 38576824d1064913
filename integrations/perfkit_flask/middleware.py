"""What lies around `Flask.wsgi_app`: the WSGI middleware, with Flask's routes and errors.

The route is read where Flask answers, from the request that Werkzeug leaves in the environ: no hook of Flask is used
and no proxy, which would cost more than all the rest. Only an exception that Flask makes a 500 of, or passes on when
its context is gone, needs a signal, which costs nothing as long as nothing fails.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Flask, Request, got_request_exception, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wsgi import ClosingIterator

from perfkit.config import PerformanceConfig, get_performance_config
from perfkit.core.errors import LifecycleError
from perfkit.http.attachment import AppFacts, error_name
from perfkit_flask.settings import settings_of
from perfkit_wsgi import PerfkitMiddleware
from perfkit_wsgi.exchange import ERROR, ROUTE
from perfkit_wsgi.types import Environ, StartResponse, WSGIApp

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["FlaskMiddleware"]


class FlaskMiddleware(PerfkitMiddleware):
    """What is in ``app.extensions["perfkit"]``: one Flask app's part of perfkit. User code needs its `system`.

    It does not hold the app, which holds this: an app that is dropped is freed at once, as it would be without us.
    """

    adapter: ClassVar[str] = "flask"

    def __init__(self, app: Flask, system: PerformanceSystem | None, keywords: Mapping[str, Any]) -> None:
        """Stand around the present `wsgi_app` of *app*."""
        self._flask, self._keywords, self._given = weakref.ref(app), keywords, system
        self._surround(_without_hold(app.wsgi_app, app), system, keywords if system else settings_of(app, keywords))
        got_request_exception.connect(self._note_error, app)

    def look(self) -> AppFacts:
        """Return what is known of the app, and read its config again: it may have been filled after `init_app`."""
        app = self._flask()
        if app is None:
            return AppFacts()
        self._attachment.settings = settings_of(app, self._keywords)
        return AppFacts(debug=app.debug, origin=getattr(sys.modules.get(app.import_name), "__file__", None) or "")

    def config(self) -> PerformanceConfig:
        """Return the settings in force.

        Raises:
            ConfigurationError: Some cannot be used; the message lists all of them.
        """
        if self._given is not None:
            return self._given.config
        facts = self.look()
        return get_performance_config(settings=self._attachment.settings, debug=facts.debug)

    def route_of(self, environ: Environ) -> str:
        """Return the rule that answers, as it is written; also where only the method did not fit."""
        request = environ.get("werkzeug.request")
        if request is None:  # something else than Flask answers
            return ""
        rule = request.url_rule
        return self._refusing(request) if rule is None else rule.rule

    def is_at_hand(self, result: Any) -> bool:
        """Return True if *result* is what Flask makes of a response that is no stream: nearly always.

        Werkzeug puts a closing iterator around each body; behind its last callback stands the response. Where a
        release of Werkzeug has that otherwise, such a body is followed as any other, which costs some microseconds.
        """
        if type(result) is not ClosingIterator:
            return False
        try:
            body = result._callbacks[-1].__self__.response  # type: ignore[attr-defined]
        except (AttributeError, IndexError):
            return False
        return type(body) is list and len(body) == 1

    def _refusing(self, request: Request) -> str:
        """Return the rule that did not allow the method of *request*; empty where no rule fits its path."""
        error, app = request.routing_exception, self._flask()
        if app is None or not isinstance(error, MethodNotAllowed):
            return ""
        adapter, methods = app.create_url_adapter(request), tuple(error.valid_methods or ())
        if adapter is None or not methods:
            return ""
        try:
            rule, _ = adapter.match(method=methods[0], return_rule=True)
        except HTTPException:
            return ""
        return rule.rule

    def _note_error(self, sender: Flask, exception: BaseException, **_: Any) -> None:
        """Leave in the environ what went wrong, and where: Flask has a handler for it, or is about to raise it."""
        with self._attachment.errors.guarded(self.adapter, "an exception could not be noted"):
            request.environ[ERROR] = error_name(exception)
            if request.url_rule is not None:
                request.environ[ROUTE] = request.url_rule.rule


def _without_hold(wsgi_app: WSGIApp, app: Flask) -> WSGIApp:
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
