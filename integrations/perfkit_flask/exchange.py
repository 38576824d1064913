"""One exchange of a Flask app: that of WSGI, which also knows the rule that answers."""

from __future__ import annotations

from typing import Any

from perfkit_wsgi.exchange import Exchange
from perfkit_wsgi.types import Headers, Write

__all__ = ["FlaskExchange"]


class FlaskExchange(Exchange):
    """One exchange of one Flask app."""

    def start_response(self, status: str, headers: Headers, exc_info: Any = None, /) -> Write:
        """Pass the start of the answer on, and read the rule that answers."""
        respond = self.respond
        self.server_write = respond(status, headers) if exc_info is None else respond(status, headers, exc_info)
        self.status, self.headers = status, headers
        try:
            self.route = self.environ["werkzeug.request"].url_rule.rule
        except Exception:  # noqa: BLE001 - something else than Flask answers, or no rule fits
            self.find_route()
        return self.write

    def find_route(self) -> None:
        """Find the route where there is no rule to be read."""
        try:
            self.route = self.middleware.route_of(self.environ)  # type: ignore[misc]  # Flask's middleware has one
        except Exception as error:  # noqa: BLE001 - the answer must reach the client whatever happens to us
            self.middleware.lose(error)
