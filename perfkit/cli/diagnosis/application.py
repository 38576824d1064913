"""An app, looked at in this process: what it is, where perfkit stands in it, and what perfkit's paths answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from perfkit.cli.diagnosis.answers import dashboard, strangers
from perfkit.cli.diagnosis.inside import Inside
from perfkit.cli.diagnosis.note import Note, fine, told, warned, wrong

if TYPE_CHECKING:
    from perfkit.cli.launch.around import Wrapped
    from perfkit.config import PerformanceConfig

__all__ = ["answers", "libraries", "order", "present", "server"]

ADD = {
    "FastAPI": "app.add_middleware(PerfkitMiddleware), from perfkit_asgi",
    "Starlette": "app.add_middleware(PerfkitMiddleware), from perfkit_asgi",
    "Flask": "Perfkit(app), from perfkit_flask",
    "Django": '"perfkit_django" in INSTALLED_APPS and "perfkit_django.PerfkitMiddleware" first in MIDDLEWARE',
}

LONG_NAME = "PERFKIT_ACCESS__TOKEN"

HOOKED = {
    "sqlalchemy": "SQLAlchemy",
    "django.db": "Django's database connections",
    "asyncpg": "asyncpg",
    "httpx": "httpx",
    "requests": "requests",
    "urllib3": "urllib3",
    "aiohttp": "aiohttp",
}
"""Libraries that perfkit hooks into where they are loaded."""


def present(name: str, wrapped: Wrapped) -> Iterator[Note]:
    """Say what the app is and whether perfkit is in its code."""
    kind = f"{name} is {wrapped.framework}, served by {wrapped.interface.upper()}"
    if wrapped.is_new:
        line = ADD.get(wrapped.framework, "app = PerfkitMiddleware(app)")
        yield told("app", f"{kind}; perfkit is not in its code", f"Write {line}; or start it with perfkit run {name}")
    else:
        yield fine("app", f"{kind}; perfkit is in its code")


SERVERS = {"asgi": ("uvicorn", "hypercorn", "daphne", "granian"), "wsgi": ("gunicorn", "waitress", "uwsgi", "mod_wsgi")}
"""What serves apps of each interface, the one that `perfkit run` takes first."""


def server(wrapped: Wrapped) -> Note:
    """Look whether there is a server for the app."""
    names = SERVERS[wrapped.interface]
    found = [name for name in names if find_spec(name) is not None]
    if found:
        return fine("server", f"{found[0]} is installed and can serve it")
    return warned("server", f"no server for {wrapped.interface.upper()} is installed", f"pip install {names[0]}")


def order(wrapped: Wrapped) -> Iterator[Note]:
    """Look whether perfkit stands outermost: what is outside is not measured, and may answer for perfkit's paths."""
    if wrapped.framework == "Django":
        yield from _of_django()
        return
    if wrapped.framework == "Flask":
        app = wrapped.app
        outer = type(app.wsgi_app)
        if outer is type(app.extensions["perfkit"]):
            yield fine("order", "perfkit is outermost")
        else:
            yield warned(
                "order", f"{outer.__name__} lies around perfkit", "Call Perfkit(app) behind what wraps wsgi_app"
            )
        return
    listed = [
        getattr(each.cls, "__name__", str(each.cls)) for each in getattr(wrapped.app, "user_middleware", None) or ()
    ]
    if "PerfkitMiddleware" in listed[1:]:
        outside = ", ".join(listed[: listed.index("PerfkitMiddleware")])
        yield warned("order", f"{outside} lies around perfkit", "Add PerfkitMiddleware last, so that it lies outermost")
    else:
        yield fine("order", "perfkit is outermost")


def _of_django() -> Iterator[Note]:
    """Pass on what Django's own system checks say of perfkit."""
    checks = import_module("perfkit_django.checks")
    messages = [*checks.check_settings(), *checks.check_middleware()]
    for message in messages:
        note = wrong if message.is_serious() else warned
        yield note("order", str(message.msg), str(message.hint or "manage.py check says it, too"))
    if not messages:
        yield fine("order", "perfkit is first in MIDDLEWARE")


def answers(wrapped: Wrapped, config: PerformanceConfig, token: str) -> Iterator[Note]:
    """Ask the app for perfkit's own paths."""
    path = config.http.dashboard_path
    if path is None or config.access.access == "off":
        return
    mount = f"{config.http.prefix}{path}".rstrip("/")
    # The variable is stronger than what the code says, and its long name is stronger than the one the app was given.
    inside = Inside(wrapped.app, wrapped.interface, os.environ.get(LONG_NAME, "").strip() or token)
    try:
        yield from dashboard(inside, mount)
        yield from strangers(inside, mount, is_development=False)
    finally:
        inside.stop()


def libraries() -> Iterator[Note]:
    """Say into which libraries of those that the app has loaded perfkit hooks."""
    loaded = [name for module, name in HOOKED.items() if module in sys.modules]
    if loaded:
        yield fine("hooks", f"hooks into {', '.join(loaded)}, which the app has loaded")
    else:
        yield told(
            "hooks",
            "the app has loaded no database or client library that perfkit hooks into",
            "Those that it loads later are found then; wrap others by hand",
        )
