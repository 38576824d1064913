"""What lies around `Flask.wsgi_app`: the WSGI middleware, with Flask's routes and errors.

The route is read where Flask answers, from the request that Werkzeug leaves in the environ: no hook of Flask is used
and no proxy, which would cost more than all the rest. Only an exception that Flask makes a 500 of, or passes on when
its context is gone, needs a signal, which costs nothing as long as nothing fails.

This is the hot path, so it is written for cost, as that of the WSGI middleware, which does the same for any app: with
the working set of Flask around it each step costs three times what it does alone. Nothing in the right-hand side of an
addition may be a call.
"""

from __future__ import annotations

import sys
import weakref
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Flask, Request, got_request_exception, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from perfkit.config import PerformanceConfig, get_performance_config
from perfkit.core.spans import OPEN, PRODUCERS, set_exchange
from perfkit.core.spans import Exchange as Spans
from perfkit.http.attachment import AppFacts, error_name
from perfkit.store.exchanges import BOUNDS, IS_LOCKED, SUM, count_begun, count_ended
from perfkit.store.layout import FINISHED, STARTED
from perfkit_flask.exchange import FlaskExchange
from perfkit_flask.handlers import finder
from perfkit_flask.holding import unbound, without_hold
from perfkit_flask.settings import settings_of
from perfkit_wsgi import PerfkitMiddleware
from perfkit_wsgi.bodies import followed
from perfkit_wsgi.exchange import ERROR, EXCEPTION, ROUTE
from perfkit_wsgi.keeping import asked, keep
from perfkit_wsgi.middleware import MARK, PROCEED, Hot
from perfkit_wsgi.types import Environ, StartResponse

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
        self._serve = unbound(app.wsgi_app, app)
        self._surround(without_hold(app.wsgi_app, app), system, keywords if system else settings_of(app, keywords))
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

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request to one of our own paths, or record what the app does with any other."""
        hot: Any = self._hot
        try:
            if MARK in environ or environ["PATH_INFO"] in hot[0]:
                hot = None
        except (KeyError, TypeError):
            hot = None
        if hot is None:
            answer: Any = self.take_rare(environ, start_response)
            if answer is not PROCEED:
                return answer  # type: ignore[no-any-return]  # the app's own, or ours
            hot, start_response = asked(self._attachment, environ, start_response, self._parts)
        _, store, rows, system = hot
        try:
            if not store.is_open:
                self._attachment.instrumentation.ensure_started()
            spans: Spans | None = None
            if PRODUCERS:
                spans = [OPEN]
                set_exchange(spans)
            environ[MARK] = system
            if IS_LOCKED:
                count_begun(store)
            else:
                store.values[STARTED] += 1.0
        except Exception as error:  # noqa: BLE001 - the app must be served whatever happens to us
            self.lose(error)
            return self.app(environ, start_response)
        held, exchange = self._flask(), FlaskExchange()
        exchange.environ, exchange.respond, exchange.middleware = environ, start_response, self
        exchange.spans, exchange.start = spans, perf_counter()
        try:
            if held is None:
                result = self.app(environ, exchange.start_response)
            else:
                result = self._serve(held, environ, exchange.start_response)
        except BaseException as error:
            exchange.fail(error)
            raise
        try:
            # Werkzeug puts a closing iterator around each body; behind its last callback stands the response, which
            # nearly always holds its body in one piece: to hand it over is to hand over all. Where a release of
            # Werkzeug has that otherwise, a body is followed as any other, which costs some microseconds.
            body = result._callbacks[-1].__self__.response  # type: ignore[attr-defined]
            is_at_hand = type(body) is list and len(body) == 1
        except (AttributeError, IndexError, TypeError):
            is_at_hand = False
        if not is_at_hand:
            return followed(exchange, result)
        seconds = perf_counter() - exchange.start
        try:
            row = rows[environ["REQUEST_METHOD"], exchange.route, exchange.status, environ["wsgi.url_scheme"]]
        except (KeyError, TypeError):
            exchange.finish()
            return result
        exchange.is_recorded = True
        try:
            if IS_LOCKED:
                count_ended(store, row, seconds)
            else:
                values = store.values
                index = row.index
                values[index + bisect_left(BOUNDS, seconds)] += 1.0
                values[index + SUM] += seconds
                values[FINISHED] += 1.0
            if spans is not None:
                spans[0] = row
            if seconds >= row.keep_from:
                keep(self._attachment, environ, row, seconds, exchange.start, spans)
        except Exception as error:  # noqa: BLE001 - the answer must reach the client whatever happens to us
            self.lose(error, spans, is_begun=True)
        return result

    def _begin_serving(self, environ: Environ) -> Hot:
        before, is_known = self.app, self._is_described
        hot = super()._begin_serving(environ)
        if not is_known:
            self._attachment.instrumentation.system.handlers.find_with(finder(self._flask))
        if self.app is not before:
            surrounded = self.app
            self._serve = lambda _held, environ, start_response: surrounded(environ, start_response)
        return hot

    def body_of(self, result: Any) -> list[bytes] | None:
        """Return the body of what Flask makes of a response that is no stream, else None."""
        try:
            body = result._callbacks[-1].__self__.response
        except (AttributeError, IndexError):
            return None
        return body if type(body) is list else None

    def route_of(self, environ: Environ) -> str:
        """Return the rule that answers, as it is written; also where only the method did not fit."""
        request = environ.get("werkzeug.request")
        if request is None:  # something else than Flask answers
            return str(environ.get(ROUTE, ""))
        rule = request.url_rule
        return self._refusing(request) if rule is None else rule.rule

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
            request.environ[ERROR], request.environ[EXCEPTION] = error_name(exception), exception
            if request.url_rule is not None:
                request.environ[ROUTE] = request.url_rule.rule
