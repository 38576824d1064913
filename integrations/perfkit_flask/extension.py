"""The extension: one line in any Flask app.

Perfkit(app)                            # or, with an app factory:

perfkit = Perfkit()
perfkit.init_app(app)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask

from perfkit.core.errors import ConfigurationError, LifecycleError
from perfkit_flask.commands import perfkit
from perfkit_flask.middleware import FlaskMiddleware

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["Perfkit"]


class Perfkit:
    """Measures Flask apps and answers perfkit's own paths.

    User code reaches the system as ``current_app.extensions["perfkit"].system``. Each app has its own, unless a system
    is given. Settings come from the keywords, above them from ``app.config["PERFKIT"]``, above that from the
    environment.
    """

    def __init__(self, app: Flask | None = None, /, system: PerformanceSystem | None = None, **settings: Any) -> None:
        """Put perfkit around *app*, or wait for `init_app`.

        Args:
            app: A Flask app.
            system: A system of yours, which you stop; by default each app gets one and stops it.
            settings: Sections and keys, such as ``service="shop"`` or ``store={"retention": 86400}``.

        Raises:
            ConfigurationError: Some settings cannot be used; the message lists all of them.
        """
        self._system, self._settings = system, settings
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Put perfkit around *app*.

        Raises:
            ConfigurationError: *app* is none of Flask, or some settings cannot be used; the message lists all of them.
            LifecycleError: There is a perfkit around *app* already.
        """
        if not hasattr(app, "extensions"):
            raise ConfigurationError(
                f"Perfkit was given {type(app).__name__}. It must be an app of Flask. Others have a middleware: "
                "perfkit_asgi.PerfkitMiddleware, perfkit_wsgi.PerfkitMiddleware."
            )
        if "perfkit" in app.extensions:
            raise LifecycleError(
                f"There is a perfkit around the Flask app {app.name!r} already. An app must have one. "
                "Use either Perfkit(app) or init_app(app)."
            )
        middleware = FlaskMiddleware(app, self._system, self._settings)
        app.wsgi_app = middleware  # type: ignore[method-assign]  # as Flask's documentation has it
        app.extensions["perfkit"] = middleware
        app.cli.add_command(perfkit)
