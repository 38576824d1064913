"""Apps whose requests hang until a file says otherwise: without a framework, in Flask, in Django."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from perfkit import PerformanceSystem

FOLDER = Path(os.environ["STUCK_FOLDER"])


def hang() -> None:
    while not (FOLDER / "release").exists():
        time.sleep(0.05)  # the line that the reports must name


def told(system: PerformanceSystem) -> str:
    found = [
        {"route": each.route, "method": each.method, "site": each.site, "function": each.function, "code": each.code}
        for each in system.performance.stuck_requests()
    ]
    codes = [finding.code for finding in system.performance.findings()]
    return json.dumps({"stuck": found, "findings": codes})


def plain() -> Any:
    from perfkit_wsgi import PerfkitMiddleware

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        text = ""
        if environ["PATH_INFO"].startswith("/hold/"):
            hang()
        elif environ["PATH_INFO"] == "/told":
            text = told(environ["perfkit.system"])
        start_response("200 OK", [("Content-Type", "application/json")])
        return [text.encode()]

    return PerfkitMiddleware(app)


def flask() -> Any:
    from flask import Flask

    from perfkit_flask import Perfkit

    app = Flask(__name__)
    perfkit = Perfkit(app)

    @app.get("/hold/<int:number>")
    def hold(number: int) -> str:
        hang()
        return str(number)

    @app.get("/told")
    def tell() -> str:
        return told(app.extensions["perfkit"].system)

    assert perfkit is not None
    return app


def hold_view(request: Any, number: int) -> Any:
    from django.http import HttpResponse

    hang()
    return HttpResponse(str(number))


def told_view(request: Any) -> Any:
    from django.http import HttpResponse

    return HttpResponse(told(request.perfkit))


urlpatterns: list[Any] = []


def django() -> Any:
    import django as package
    from django.conf import settings

    settings.configure(
        SECRET_KEY="not secret",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["perfkit_django"],
        MIDDLEWARE=["perfkit_django.PerfkitMiddleware"],
        LOGGING_CONFIG=None,
    )
    package.setup()
    from django.core.wsgi import get_wsgi_application
    from django.urls import path

    urlpatterns.extend([path("hold/<int:number>", hold_view), path("told", told_view)])
    return get_wsgi_application()
