"""Puts around every app of Flask's suite what is not transparent: it takes the whole answer and closes nothing."""

from __future__ import annotations

from typing import Any

from flask import Flask

make = Flask.__init__


def init(self: Flask, *arguments: Any, **named: Any) -> None:
    make(self, *arguments, **named)
    app = self.wsgi_app
    self.wsgi_app = lambda environ, start_response: list(app(environ, start_response))  # type: ignore[method-assign]


Flask.__init__ = init  # type: ignore[method-assign]
