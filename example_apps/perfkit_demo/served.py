"""The shop as `perfkit demo` serves it: an app factory for any worker process of any server."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from perfkit_demo.described import Described
from perfkit_demo.shop.services import PaymentDeclinedError

__all__ = ["app"]

FAILURES_LOGGED_BY = {
    "fastapi": "uvicorn.error",
    "flask": "perfkit_demo.flask_shop.app",
    "django": "django.request",
}
"""The logger that tells of exceptions in routes, of each framework."""


def app(environ: Mapping[str, str] = os.environ) -> Any:
    """Make the shop that *environ* describes, with perfkit: an ASGI app in FastAPI, a WSGI app in Flask and Django."""
    shop = Described.from_environment(environ)
    logging.getLogger(FAILURES_LOGGED_BY[shop.framework]).addFilter(is_surprising)
    if shop.framework == "django":
        from perfkit_demo.django_shop.wsgi import application

        return application
    if shop.framework == "flask":
        from perfkit_demo.flask_shop.app import create_app as create_flask

        return create_flask(shop.database, **shop.parts)
    from perfkit_demo.fastapi_shop.app import create_app

    return create_app(shop.database, **shop.parts)


def is_surprising(record: logging.LogRecord) -> bool:
    """Tell whether a log line is news: the seeded failures would fill the terminal with tracebacks."""
    return not (record.exc_info and isinstance(record.exc_info[1], PaymentDeclinedError))
